"""What the workers' processes use while a scenario runs: memory, descriptors, processor time.

``Observing`` writes ``sample`` events from a thread of its own. It costs 1 to 2 % of a core with two workers: a look
reads three small files of each process, and searches one worker's tree, the workers' in turn. A process that lives
for less than ``AGE_S_MIN`` (a fork for each job, say) is not sampled, but for the supervisor.
"""

import itertools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chaos.beside import Beside
from chaos.environment import Environment
from chaos.errors import HarnessError
from chaos.procfs import process

EVERY_S: Final = 0.25
SPARSE_EVERY_S: Final = 1.0  # a soak of a day would write 6 million lines otherwise
SPARSE_AFTER_S: Final = 120.0
AGE_S_MIN: Final = 1.0
READ_NS_MAX: Final = 20_000_000  # a look that took longer was interrupted: its numbers are not of one moment
TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """One process at one moment. ``cpu_ns``: all its threads since its start, those that ended included."""

    pid: int
    pid_start: int
    rss: int
    fds: int
    cpu_ns: int


def usage(pid: int) -> Usage | None:
    """What the process uses; None if it is gone, a zombie, or not ours to look at, or if the look was interrupted."""
    before_ns = time.monotonic_ns()
    now = process(pid)
    if now is None or now.state in "ZX":
        return None
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123  # read by the thousand
            pages = int(file.read().split()[1])
        fds = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208  # as above
        cpu_ns = time.clock_gettime_ns(_cpu_clock(pid))
    except (OSError, IndexError, ValueError):
        return None
    if time.monotonic_ns() - before_ns > READ_NS_MAX:
        return None
    return Usage(pid, now.start, pages * PAGE_BYTES, fds, cpu_ns)


def _cpu_clock(pid: int) -> int:
    """Another process's CPU clock, to the nanosecond where /proc counts ticks of 10 ms.

    As ``clock_getcpuclockid(3)`` makes it (``MAKE_PROCESS_CPUCLOCK`` with ``CPUCLOCK_SCHED``, linux/posix-timers.h).
    """
    return (~pid << 3) | 2


class Observing(Beside):
    """Writes ``sample`` events while it is entered. ``error`` is what ended the thread (None: nothing)."""

    def __init__(self, env: Environment, every_s: float = EVERY_S) -> None:
        """Every ``every_s`` seconds, and no more often than once a second after two minutes."""
        super().__init__("observing")
        self.every_s = every_s
        self._env = env
        self._trees: dict[str, Sequence[int]] = {}

    def check(self) -> None:
        """Raise ``HarnessError`` if samples are missing because the thread ended."""
        if self.error is not None:
            raise HarnessError(f"the workers' processes can't be watched any more: {self.error}") from self.error

    def _look_on(self) -> None:
        begun_s = time.monotonic()
        for turn in itertools.count():
            names = list(self._env.workers)
            if names:
                name = names[turn % len(names)]
                self._trees[name] = self._env.workers[name].tree()
            for name in names:
                self._look_at(name)
            sparse = time.monotonic() - begun_s > SPARSE_AFTER_S
            if self.stopping.wait(max(self.every_s, SPARSE_EVERY_S) if sparse else self.every_s):
                return

    def _look_at(self, worker: str) -> None:
        supervisor = self._env.workers[worker].pid
        for pid in dict.fromkeys((supervisor, *self._trees.get(worker, ()))):
            used = usage(pid) if pid else None
            if used is not None and (pid == supervisor or _age_s(used) >= AGE_S_MIN):
                self._env.tell(
                    "sample",
                    worker=worker,
                    pid=used.pid,
                    pid_start=used.pid_start,
                    rss=used.rss,
                    fds=used.fds,
                    cpu_ns=used.cpu_ns,
                )


def _age_s(used: Usage) -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) - used.pid_start / TICKS_A_SECOND
