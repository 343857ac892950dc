"""A Redis in memory on a Unix socket, which ends with the process that began it, however that ends."""

import ctypes
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.reference.server import server_binary

READY_S = 10.0
PR_SET_PDEATHSIG = 1


def _dies_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def memory_redis() -> Iterator[Path]:
    """The path of its socket; nothing is stored on disk. Raises ``RuntimeError`` if it does not start."""
    folder = Path(tempfile.mkdtemp(prefix="interleave-"))
    path = folder / "redis.sock"
    arguments = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen(
        [server_binary(), *arguments],
        stdout=subprocess.DEVNULL,
        preexec_fn=_dies_with_parent,  # noqa: PLW1509  # no other thread is running yet
    )
    try:
        end_s = time.monotonic() + READY_S
        while not path.exists():
            if process.poll() is not None or time.monotonic() > end_s:
                raise RuntimeError(f"redis-server did not start: exit status {process.returncode}")
            time.sleep(0.01)
        yield path
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
