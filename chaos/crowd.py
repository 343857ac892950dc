"""Who uses the processors: the run itself, or others. Only what others take excuses a time that was missed.

``/proc/stat`` has the time of all processors, ``/proc/PID/stat`` that of one process, in ticks of 10 ms. What neither
this process nor one of the run has used, others have; time that a hypervisor gave away is theirs as well. What a
process of the run used that has ended since the last look counts as theirs too: then a missed time is inconclusive.
"""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SHARE_MIN: Final = 0.5
"""Others crowd a machine of which they use at least this share: what is left may be too little for the run."""
WINDOW_S: Final = 0.25  # ticks are too coarse for less
IDLE: Final = (3, 4)  # idle, iowait
FIELDS: Final = 8  # user nice system idle iowait irq softirq steal; guests are in user already


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor time in ns since boot, or since each process began; ``now`` is monotonic ns."""

    now: int
    busy: int
    ours: dict[int, int]


class Crowd:
    """``pids``: the run's processes at the moment, without this one."""

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        """The first window begins now."""
        self.pids = pids
        self.share = 0.0
        self._last = self._look()

    def look(self) -> float:
        """The share (0 to 1) of all processors that others used in the last window, which ends now if it may."""
        if time.monotonic_ns() - self._last.now >= WINDOW_S * 1e9:
            now = self._look()
            self.share, self._last = others_share(self._last, now, os.cpu_count() or 1), now
        return self.share

    @property
    def crowded(self) -> bool:
        """Whether others used so much that they may be what made the run late."""
        return self.look() >= SHARE_MIN

    def _look(self) -> Usage:
        mine = {pid: used for pid in {*self.pids(), os.getpid()} if (used := _used_ns(pid)) is not None}
        return Usage(time.monotonic_ns(), _busy_ns(), mine)


def others_share(before: Usage, after: Usage, processors: int) -> float:
    """What is left of the processors' busy time when that of the run is taken off, as a share of all there was."""
    ours = sum(used - before.ours[pid] for pid, used in after.ours.items() if pid in before.ours)
    spent = after.busy - before.busy - ours
    return min(max(spent / ((after.now - before.now) * processors), 0.0), 1.0)


def _used_ns(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    return _ns(int(fields[11]) + int(fields[12]))


def _busy_ns() -> int:
    line = Path("/proc/stat").read_text().split("\n", 1)[0]
    ticks = [int(value) for value in line.split()[1 : FIELDS + 1]]
    return _ns(sum(value for index, value in enumerate(ticks) if index not in IDLE))


def _ns(ticks: int) -> int:
    return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
