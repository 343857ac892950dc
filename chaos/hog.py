"""Processes that burn a core each: the noisy neighbour that every machine of a data centre has.

No fault: it strikes nobody in particular. What it makes late is for the verdict's rules to tell from a queue's doing.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent


@contextlib.contextmanager
def hogs(count: int) -> Iterator[list[int]]:
    """``count`` of them for the length of the ``with``; yields their pids. They end with us, however we end."""
    children: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            child = subprocess.Popen([sys.executable, "-m", "chaos.hog", str(os.getpid())], cwd=ROOT)
            children.append(child)  # at once, so that it is ended whatever happens to the next
        yield [child.pid for child in children]
    finally:
        for child in children:
            child.kill()
        for child in children:
            child.wait()


def main() -> None:
    """Burn until the parent is gone, which is looked at many times a second; it may be before we were up."""
    parent = int(sys.argv[1])
    while os.getppid() == parent:
        sum(range(100_000))


if __name__ == "__main__":
    main()
