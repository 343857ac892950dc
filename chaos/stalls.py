"""Notices time in which the machine did not let processes run: what then is late is nobody's fault but the host's.

A clock that should tick every 10 ms and comes late tells of the whole host, unless our own computing explains it
(the interpreter runs one thread at a time). The kernel's run delay of each worker's processes tells of that worker.
Who was ``starved`` waited for a processor; ``crowded`` is the same while others had at least half of the machine, so
that it was not the run's own doing.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chaos.beside import Beside
from chaos.crowd import Crowd

TICK_S: Final = 0.01
LATE_S: Final = 0.05
WORKERS_EVERY_S: Final = 0.1
HOST: Final = "host"

STARVED: Final = "starved"
CROWDED: Final = "crowded"

Tell = Callable[..., int]


@dataclass(frozen=True, slots=True)
class Reading:
    """Clocks in ns: ``now`` monotonic, ``delay`` runnable but not run (this thread), ``own`` CPU of this process."""

    now: int
    delay: int
    own: int


def why_late(before: Reading, after: Reading) -> str | None:
    """``starved`` or ``steal`` if the tick came more than ``LATE_S`` too late for a reason outside; else None."""
    late_ns = after.now - before.now - TICK_S * 1e9
    if late_ns <= LATE_S * 1e9:
        return None
    if after.delay - before.delay >= late_ns / 2:
        return STARVED
    if after.own - before.own >= late_ns / 2:
        return None  # this very process was computing
    # a machine that was paused, or whose disk was, shows as time without any account of it
    return "steal"


class Stalls(Beside):
    """A thread that tells ``stall`` events. ``workers`` gives the pids of each worker at the moment.

    ``others``: pids of what else belongs to the run (the producer, the servers). ``rounds`` counts its ticks.
    """

    def __init__(
        self,
        tell: Tell,
        workers: Callable[[], Mapping[str, Iterable[int]]],
        others: Callable[[], Iterable[int]] = tuple,
    ) -> None:
        """Starts when entered."""
        super().__init__("stalls")
        self.tell, self.workers, self.others = tell, workers, others
        self.rounds = 0
        self._delays: dict[int, int] = {}
        self._crowd = Crowd(tuple)

    def _look_on(self) -> None:
        before = looked = _read()
        self._crowd = Crowd(self._pids)
        while not self.stopping.wait(TICK_S):
            self.rounds += 1
            after = _read()
            by = why_late(before, after)
            if by is not None:
                self.tell("stall", worker=HOST, lo_ns=before.now, by=self._by(by))
            if after.now - looked.now >= WORKERS_EVERY_S * 1e9:
                self._crowd.look()
                self._look_at_workers(looked.now)
                looked = after
            before = after

    def _pids(self) -> Iterable[int]:
        return {pid for pids in (*self.workers().values(), self.others()) for pid in pids}

    def _by(self, why: str) -> str:
        return CROWDED if why == STARVED and self._crowd.crowded else why

    def _look_at_workers(self, since_ns: int) -> None:
        delays: dict[int, int] = {}
        for worker, pids in self.workers().items():
            starved = False
            for pid in pids:
                with contextlib.suppress(OSError):
                    delays[pid] = _run_delay_ns(f"/proc/{pid}/schedstat")
                    starved |= delays[pid] - self._delays.get(pid, delays[pid]) > LATE_S * 1e9
            if starved:
                self.tell("stall", worker=worker, lo_ns=since_ns, by=self._by(STARVED))
        self._delays = delays


def _read() -> Reading:
    return Reading(time.monotonic_ns(), _run_delay_ns("/proc/thread-self/schedstat"), time.process_time_ns())


def _run_delay_ns(path: str) -> int:
    return int(Path(path).read_bytes().split()[1])
