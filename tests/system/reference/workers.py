"""`stormq worker` as a program: spawned, looked into, killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

FAST: Final = {
    "lease_s": 1.2,
    "heartbeat_s": 0.3,
    "sweep_interval_s": 0.2,
    "poll_s": 0.5,
    "timeout_s": 30,
    "grace_s": 0.5,
    "drain_s": 1,
    "backoff_base_s": 0.1,
    "backoff_cap_s": 0.3,
}


def wait_until(condition: Callable[[], object], within_s: float = 20.0) -> None:
    """Poll until it holds; the bound only tells a hang from slowness."""
    end_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.02)


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines() if path.exists() else []


def state_of(pid: int) -> str:
    """The process' state letter ('' if there is none)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def is_gone(pid: int) -> bool:
    return state_of(pid) in {"", "Z"}


class Worker:
    def __init__(self, url: str, *queues: str, extra: tuple[str, ...] = (), **settings: object) -> None:
        options = [p for k, v in {**FAST, **settings}.items() for p in ("--" + k.replace("_", "-"), str(v))]
        command = [sys.executable, "-m", "system.reference.cli", "worker", "--redis-url", url, *options, *extra]
        self.process = subprocess.Popen([*command, *(queues or ("default",))])
        self.pid = self.process.pid

    def slots(self) -> list[int]:
        """Pids of its children: active slots and the spare."""
        try:
            return [int(p) for p in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        except OSError:
            return []

    def freeze(self) -> None:
        for pid in (self.pid, *self.slots()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in (*self.slots(), self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def kill_tree(self) -> None:
        children = self.slots()
        os.kill(self.pid, signal.SIGKILL)
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def terminate(self, within_s: float = 20.0) -> int:
        self.process.terminate()
        return self.process.wait(within_s)


@contextlib.contextmanager
def running(url: str, *queues: str, extra: tuple[str, ...] = (), **settings: object) -> Iterator[Worker]:
    worker = Worker(url, *queues, extra=extra, **settings)
    try:
        yield worker
    finally:
        if worker.process.poll() is None:
            worker.thaw()
            worker.kill_tree()
