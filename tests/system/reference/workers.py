"""`stormq worker` as a program: spawned, looked into, killed."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from system.reference import Backoff, Settings
from system.reference.plan import Plan
from system.reference.wire import Briefing, to_line

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


def fast(**settings: object) -> Settings:
    """The settings of ``FAST``, for plans."""
    values: dict[str, Any] = {**FAST, **settings}
    backoff = Backoff(base_s=values.pop("backoff_base_s"), cap_s=values.pop("backoff_cap_s"))
    return Settings(backoff=backoff, **values)


class Worker:
    def __init__(self, url: str, *queues: str, extra: tuple[str, ...] = (), **settings: object) -> None:
        options = [p for k, v in {**FAST, **settings}.items() for p in ("--" + k.replace("_", "-"), str(v))]
        command = [sys.executable, "-m", "system.reference.cli", "worker", "--redis-url", url, *options, *extra]
        self._begin([*command, *(queues or ("default",))])

    def _begin(self, command: list[str], stdin: str = "") -> None:
        """Its temporary directories and its log are in a folder of its own."""
        self.folder = Path(tempfile.mkdtemp(prefix="stormq-test-"))
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir()
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, "TMPDIR": str(self.temporary)},
                stdin=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.pid = self.process.pid
        assert self.process.stdin
        self.process.stdin.write(stdin)
        self.process.stdin.close()

    def log(self) -> str:
        """What the worker and its slots have written so far."""
        return (self.folder / "log").read_text("utf-8")

    def leftovers(self) -> list[Path]:
        """Temporary directories of its runs in which something lies."""
        below = len(self.temporary.parts) + 3  # worker, slot, run; walking heeds no folder that goes meanwhile
        found = [Path(folder) for folder, folders, files in os.walk(self.temporary) if folders or files]
        return [each for each in found if len(each.parts) == below]

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


class PlannedWorker(Worker):
    def __init__(self, plan: Plan, limits: Mapping[str, Mapping[str, object]]) -> None:
        limits = limits or {queue: {} for queue in plan.queues}
        lines = f"{to_line(Briefing('', '', plan))}\n{json.dumps(limits)}\n"
        self._begin([sys.executable, "-m", "tests.system.reference.planned"], lines)


@contextlib.contextmanager
def running(url: str, *queues: str, extra: tuple[str, ...] = (), **settings: object) -> Iterator[Worker]:
    with _ended(Worker(url, *queues, extra=extra, **settings)) as worker:
        yield worker


@contextlib.contextmanager
def planned(plan: Plan, limits: Mapping[str, Mapping[str, object]] | None = None) -> Iterator[Worker]:
    """A worker of a plan; with a version it registers, with these limits by queue."""
    with _ended(PlannedWorker(plan, limits or {})) as worker:
        yield worker


@contextlib.contextmanager
def _ended(worker: Worker) -> Iterator[Worker]:
    try:
        yield worker
    finally:
        if worker.process.poll() is None:
            worker.thaw()
            worker.kill_tree()
        sys.stderr.write(worker.log())  # pytest shows it where a test failed
        shutil.rmtree(worker.folder, ignore_errors=True)
