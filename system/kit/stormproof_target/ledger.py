"""The ledger writer: what really happened, told by the process that it happened to.

One line of JSON an event, at most 16 KiB, one ``write()`` a line on an ``O_APPEND`` file that a spawned command shares
with everything it forks. Each process is a writer of its own: ``w`` names it, ``seq`` numbers its lines from 1 without
a gap, so a reader can tell a line that is missing from a line that was never written.

A write that fails (a full disk) can't be told in the ledger, so it is told by removing the file ``<ledger>.intact``
that the harness made: unlinking needs no space. The harness treats a ledger that is not intact as its own failure.
"""

import json
import os
import re
import threading
import time
import zlib
from pathlib import Path
from typing import Final

FORMAT: Final = 1
LINE_BYTES_MAX: Final = 16_384  # a promise with its quoted sentences is the longest line
LEDGER_VARIABLE: Final = "STORMPROOF_LEDGER"
ROLE_VARIABLE: Final = "STORMPROOF_ROLE"
WORKER_VARIABLE: Final = "STORMPROOF_WORKER"
INTACT_SUFFIX: Final = ".intact"
CLOSED: Final = -1

_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}\Z")
_UNSAFE = re.compile(r"[^A-Za-z0-9_.:-]+")


class LedgerError(Exception):
    """The ledger could not take a line: whatever the run says from here on can't be trusted."""


def is_id(text: str) -> bool:
    """Whether ``text`` may stand in a ledger line as an id: nothing in it needs escaping."""
    return _ID.match(text) is not None


def as_word(text: str) -> str:
    """``text`` (an error's message, say) as one word of at most 64 characters that needs no escaping."""
    return _UNSAFE.sub("_", text)[:64] or "_"


def checksum(text: str) -> str:
    """CRC-32 of the UTF-8 bytes as eight hexadecimal digits: enough to tell corrupted arguments and results."""
    return f"{zlib.crc32(text.encode()):08x}"


def pid_start(pid: int | str = "self") -> int:
    """Start time of a process in clock ticks since boot; with the pid it names the process for good.

    Raises ``OSError`` when there is no such process.
    """
    stat = Path(f"/proc/{pid}/stat").read_bytes()
    return int(stat[stat.rindex(b")") + 2 :].split()[19])


class Ledger:
    """One process's pen. Thread-safe; after a fork the child goes on as a writer of its own."""

    def __init__(self, path: str, role: str, worker: str) -> None:
        """Open ``path`` for appending and write the ``open`` line. Raises ``LedgerError`` if that is impossible."""
        if not is_id(role) or not is_id(worker):
            raise LedgerError(f"role {role!r} and worker {worker!r} must match {_ID.pattern}")
        self.path, self.role, self.worker = path, role, worker
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise self._broken(error) from error
        self._begin()
        os.register_at_fork(after_in_child=self._begin_in_child)

    def _begin_in_child(self) -> None:
        if self._fd != CLOSED:
            self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._nonce = os.urandom(4).hex()
        self.writer = f"{self.role}-{os.getpid()}-{self._nonce}"
        self._seq = self._runs = 0
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = Path("/proc/self/ns/time")
        timens = namespace.stat().st_ino if namespace.exists() else 0
        self.write(
            "open",
            f'"format":{FORMAT},"role":"{self.role}","worker":"{self.worker}","pid":{os.getpid()},'
            f'"pid_start":{pid_start()},"boot":"{boot}","timens":{timens},"wall_ns":{time.time_ns()}',
        )

    def write(self, event: str, fields: str) -> int:
        """Append one event; ``fields`` is the inside of a JSON object. Returns the line's ``t`` (monotonic ns)."""
        with self._lock:
            self._seq += 1
            t = time.monotonic_ns()
            line = f'{{"w":"{self.writer}","seq":{self._seq},"t":{t},"e":"{event}",{fields}}}\n'.encode()
            if len(line) > LINE_BYTES_MAX:
                raise self._broken(f"a line of {len(line)} bytes; {LINE_BYTES_MAX} are allowed")
            try:
                written = os.write(self._fd, line)
            except OSError as error:
                raise self._broken(error) from error
            if written != len(line):
                raise self._broken(f"{written} of {len(line)} bytes written")
            return t

    def _broken(self, why: object) -> LedgerError:
        Path(self.path + INTACT_SUFFIX).unlink(missing_ok=True)
        return LedgerError(f"{self.path}: {why}")

    def new_run(self) -> str:
        """A name for one run of a job's body, unique over all processes."""
        with self._lock:
            self._runs += 1
            return f"r-{os.getpid()}-{self._nonce}-{self._runs}"

    def invoked(self, job: str, queue: str, spec_json: str, intended_ns: int, delay_ns: int, args_sum: str) -> None:
        """The producer is about to send the enqueue's first byte."""
        self.write(
            "invoked",
            f'"job":"{job}","queue":"{queue}","spec":{spec_json},"intended_ns":{intended_ns},'
            f'"delay_ns":{delay_ns},"args_sum":"{args_sum}"',
        )

    def answered(self, outcome: str, job: str, receipt_or_why: str) -> None:
        """How the enqueue ended: ``acked`` with the queue's receipt, ``rejected`` or ``unknown`` with why."""
        key = "receipt" if outcome == "acked" else "why"
        self.write(outcome, f'"job":"{job}","{key}":"{as_word(receipt_or_why)}"')

    def started(self, job: str, run: str, attempt: int, fence: int, args_sum: str) -> None:
        """A run's first line. ``attempt`` starts at 1 (0: the queue does not say); ``fence`` 0 is none."""
        self.write(
            "started", f'"job":"{job}","run":"{run}","attempt":{attempt},"fence":{fence},"args_sum":"{args_sum}"'
        )

    def ended(self, job: str, run: str, outcome: str, result_sum: str) -> None:
        """A run's last line, before the queue hears of it. ``outcome``: ok, error, timeout, cancelled."""
        self.write("ended", f'"job":"{job}","run":"{run}","outcome":"{outcome}","sum":"{result_sum}"')

    def event(self, event: str, **fields: object) -> int:
        """Any other event, for writers that are in no hurry (the harness); the values may need escaping."""
        return self.write(event, json.dumps(fields, separators=(",", ":"))[1:-1])

    def close(self) -> None:
        """Close the file; later writes fail."""
        os.close(self._fd)
        self._fd = CLOSED  # the number may be another file's by the next fork


_mine: Ledger | None = None


def from_environment() -> Ledger:
    """This process's ledger, opened on first use from the variables that the harness set. Raises ``LedgerError``."""
    global _mine  # noqa: PLW0603  # one pen a process: the body is called by libraries that pass nothing through
    if _mine is None:
        if LEDGER_VARIABLE not in os.environ:
            raise LedgerError(f"{LEDGER_VARIABLE} is not set: this program is started by the harness")
        _mine = Ledger(
            os.environ[LEDGER_VARIABLE],
            os.environ.get(ROLE_VARIABLE, "worker"),
            os.environ.get(WORKER_VARIABLE, "worker-0"),
        )
    return _mine
