"""Runs of ``stormproof`` side by side, each a process of its own: one that fails, or hangs, costs the others nothing.

Each has its own Redis, ports and Toxiproxy, its own interpreter (threads of one would make each other late), and its
own guardian. It is told to stop when we end, however we end.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from chaos.errors import HarnessError

PR_SET_PDEATHSIG: Final = 1
POLL_S: Final = 0.2
END_S: Final = 30.0


class Child:
    """One run. It is spawned by the thread that waits for it, whose end it is told of."""

    def __init__(self, words: Sequence[str], folder: Path, seconds_max: float) -> None:
        """``words`` without ``--out``: its results and its log go to ``folder``, which is made anew."""
        self.folder = folder.resolve()
        shutil.rmtree(self.folder, ignore_errors=True)  # of a run that was interrupted
        self.folder.mkdir(parents=True)
        self.log = self.folder / "campaign.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "scenarios.children", str(os.getpid()), *words, "--out", str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a terminal's Ctrl-C is ours to hand on, once
            )
        self.until_s = time.monotonic() + seconds_max

    @property
    def over(self) -> bool:
        """Whether it has ended; one that takes too long is ended here."""
        if self.process.poll() is None and time.monotonic() > self.until_s:
            self.process.terminate()
            self.end()
        return self.process.poll() is not None

    def end(self) -> None:
        """Wait until it has cleaned up."""
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


C = TypeVar("C", bound=Child)


def side_by_side(starts: Iterable[Callable[[], C]], at_once: int, told: Callable[[C], None]) -> None:
    """Start all, ``at_once`` at a time; ``told`` hears of each as it ends. On every way out all have ended."""
    waiting, running = deque(starts), list[C]()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                running.append(waiting.popleft()())
            for child in [each for each in running if each.over]:
                running.remove(child)
                told(child)
            time.sleep(POLL_S)
    finally:
        for child in running:
            child.process.terminate()
        for child in running:
            child.end()


def end_with(parent: int) -> None:
    """Have the kernel send us SIGTERM when the thread of ``parent`` that spawned us ends; it may have by now."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        raise HarnessError(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        raise HarnessError("whoever started this campaign is gone")


def main() -> int:
    """One run, as ``stormproof`` would do it."""
    from scenarios.cli import main as stormproof

    end_with(int(sys.argv[1]))
    return stormproof(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
