"""The ledger while it is written: which runs are open, how many have started.

A thread reads what was appended to every file of the ledger's folder, every 2 ms while something happens. Faults pick
their victims by it and the schedule its moments; the verdict is read from the files afterwards, by somebody else.
Constant memory: open runs, living writers and counters.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chaos.environment import OpenRun

BUSY_POLL_S: Final = 0.002
IDLE_POLL_S: Final = 0.01
IDLE_AFTER_S: Final = 1.0
CHUNK_BYTES: Final = 1 << 18
DORMANT_AFTER_S: Final = 10.0  # then the file is closed, and looked at by its size only

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Opened:
    """A process that began to write. ``seen_ns``: monotonic, of its ``open`` line, when it lived for certain."""

    role: str
    worker: str
    pid: int
    pid_start: int
    seen_ns: int


@dataclass(slots=True)
class _Tail:
    path: str
    fd: int | None = None
    offset: int = 0
    rest: bytes = b""
    grown_s: float = 0.0


@dataclass(slots=True)
class _Counts:
    started: int = 0
    first_started: int = 0
    ended_ok: int = 0
    invoked: int = 0
    acked: int = 0
    last_run_event_ns: int = 0


@dataclass(slots=True)
class _Writers:
    """Living writers by ``w``, and the runs that each has open."""

    opened: dict[str, Opened] = field(default_factory=dict)
    runs: dict[str, dict[str, OpenRun]] = field(default_factory=dict)


class LedgerView:
    """Follows ``*.jsonl`` in ``directory``. ``on_open`` is called for each new writer, without any lock held."""

    def __init__(self, directory: Path, on_open: Callable[[Opened], None], clock: Clock = time.monotonic) -> None:
        """The thread is started by ``start``; ``poll`` works without it."""
        self.directory, self.on_open, self.clock = directory, on_open, clock
        self.changed = threading.Condition()
        self._lock = threading.Lock()
        self._tails: dict[str, _Tail] = {}
        self._counts = _Counts()
        self._writers = _Writers()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger view", daemon=True)
        self.error: Exception | None = None
        self.rounds = 0

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Read to the end once more and stop; idempotent."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self.poll()
        with self._lock:
            for tail in self._tails.values():
                _close(tail)

    @property
    def started(self) -> int:
        """Runs started so far."""
        return self._counts.started

    @property
    def first_started(self) -> int:
        """Runs that were a job's first attempt, or whose attempt is not known."""
        return self._counts.first_started

    @property
    def ended_ok(self) -> int:
        """Runs that ended ok so far."""
        return self._counts.ended_ok

    @property
    def invoked(self) -> int:
        """Enqueues begun so far."""
        return self._counts.invoked

    @property
    def acked(self) -> int:
        """Enqueues acknowledged so far."""
        return self._counts.acked

    @property
    def last_run_event_ns(self) -> int:
        """Monotonic time of the newest ``started`` or ``ended`` (0: none)."""
        return self._counts.last_run_event_ns

    def open_runs(self, worker: str | None = None) -> Sequence[OpenRun]:
        """Runs that are open now, oldest first, of one worker or of all. Reads the files to their present end first."""
        self.poll()
        with self._lock:
            found = [run for runs in self._writers.runs.values() for run in runs.values()]
        return sorted((run for run in found if worker is None or run.worker == worker), key=lambda run: run.started_ns)

    def living(self) -> Sequence[Opened]:
        """The writers that have opened and are not known to have exited."""
        with self._lock:
            return list(self._writers.opened.values())

    def forget(self, pid: int, pid_start: int) -> None:
        """The process is gone: its runs are no longer open."""
        with self._lock:
            gone = [w for w, each in self._writers.opened.items() if (each.pid, each.pid_start) == (pid, pid_start)]
            for writer in gone:
                del self._writers.opened[writer]
                self._writers.runs.pop(writer, None)

    def poll(self) -> bool:
        """Read all files to their present end; says whether there was anything new."""
        fresh: list[Opened] = []
        with self._lock:
            before_s = self.clock()
            grown = [self._read(tail, before_s, fresh) for tail in self._present()]
        for opened in fresh:
            self.on_open(opened)
        if any(grown):
            with self.changed:
                self.changed.notify_all()
        return any(grown)

    def _run(self) -> None:
        busy_s = self.clock()
        while not self._stopping.is_set():
            self.rounds += 1
            try:
                if self.poll():
                    busy_s = self.clock()
            except Exception as error:  # noqa: BLE001  # told by the environment's check, and ends this thread
                self.error = error
                return
            idle = self.clock() - busy_s > IDLE_AFTER_S
            self._stopping.wait(IDLE_POLL_S if idle else BUSY_POLL_S)

    def _present(self) -> list[_Tail]:
        with os.scandir(self.directory) as entries:
            for entry in entries:
                if entry.name.endswith(".jsonl") and entry.name not in self._tails:
                    self._tails[entry.name] = _Tail(entry.path)
        return list(self._tails.values())

    def _read(self, tail: _Tail, now_s: float, fresh: list[Opened]) -> bool:
        if tail.fd is None:
            if Path(tail.path).stat().st_size == tail.offset:
                return False
            tail.fd = os.open(tail.path, os.O_RDONLY | os.O_CLOEXEC)
        grown = False
        while chunk := os.pread(tail.fd, CHUNK_BYTES, tail.offset):
            grown, tail.grown_s = True, now_s
            tail.offset += len(chunk)
            *lines, tail.rest = (tail.rest + chunk).split(b"\n")
            for line in lines:
                self._consume(line, fresh)
        if not grown and now_s - tail.grown_s > DORMANT_AFTER_S:
            _close(tail)
        return grown

    def _consume(self, line: bytes, fresh: list[Opened]) -> None:
        try:
            data = json.loads(line)
            handler = _HANDLERS.get(data["e"])
            if handler is not None:
                handler(self, data, fresh)
        except (ValueError, KeyError, TypeError):
            return  # the history's reader says what is wrong with the line

    def _on_open(self, data: dict[str, Any], fresh: list[Opened]) -> None:
        opened = Opened(data["role"], data["worker"], data["pid"], data["pid_start"], data["t"])
        self._writers.opened[data["w"]] = opened
        fresh.append(opened)

    def _on_started(self, data: dict[str, Any], _fresh: list[Opened]) -> None:
        self._counts.started += 1
        self._counts.first_started += data["attempt"] <= 1
        self._counts.last_run_event_ns = max(self._counts.last_run_event_ns, data["t"])
        opened = self._writers.opened.get(data["w"])
        if opened is not None:  # else its process is gone already
            run = OpenRun(data["job"], data["run"], opened.worker, opened.pid, data["t"])
            self._writers.runs.setdefault(data["w"], {})[data["run"]] = run

    def _on_ended(self, data: dict[str, Any], _fresh: list[Opened]) -> None:
        self._counts.ended_ok += data["outcome"] == "ok"
        self._counts.last_run_event_ns = max(self._counts.last_run_event_ns, data["t"])
        self._writers.runs.get(data["w"], {}).pop(data["run"], None)

    def _on_invoked(self, _data: dict[str, Any], _fresh: list[Opened]) -> None:
        self._counts.invoked += 1

    def _on_acked(self, _data: dict[str, Any], _fresh: list[Opened]) -> None:
        self._counts.acked += 1


_HANDLERS: Final[dict[str, Callable[[LedgerView, dict[str, Any], list[Opened]], None]]] = {
    "open": LedgerView._on_open,  # noqa: SLF001  # its own table
    "started": LedgerView._on_started,  # noqa: SLF001
    "ended": LedgerView._on_ended,  # noqa: SLF001
    "invoked": LedgerView._on_invoked,  # noqa: SLF001
    "acked": LedgerView._on_acked,  # noqa: SLF001
}


def _close(tail: _Tail) -> None:
    if tail.fd is not None:
        os.close(tail.fd)
        tail.fd = None
