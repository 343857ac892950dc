"""What held a job back that was due: whether a slot was free for it, whom the queue took before it, stalls."""

from bisect import bisect_left
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from scenarios.history_cuts import merged, overlap_ns
from scenarios.history_faults import PRODUCER
from scenarios.history_types import FOREVER

if TYPE_CHECKING:
    from scenarios.history import History


class Slots:
    """Whether a slot was surely free: bodies were at work, or begun later, in fewer slots than there are.

    Or, where there is one queue, in fewer processes than had begun a body before and begin one after.
    """

    def __init__(self, history: "History", slots: int) -> None:
        """``slots``: of each worker."""
        begun, self.ends = history.starts_and_ends
        self.starts, self.processes = begun["start"], begun["process"]
        span = begun.group_by("process").agg(first=pl.col("start").min(), last=pl.col("start").max())
        if history.jobs["queue"].n_unique() > 1:
            span = span.clear()
        self.firsts, self.lasts = span["first"].sort(), span["last"].sort()
        workers = (lives for worker, lives in history.lives.items() if worker != PRODUCER)
        self.lives = [life for lives in workers for life in lives]
        self.slots = slots

    def free_between(self, lo: int, hi: int) -> bool:
        """From ``lo`` to ``hi``, all the time."""
        alive = sum(self.slots for life in self.lives if life.born <= lo and min(life.exit_lo, FOREVER) >= hi)
        begun_by_lo, begun_by_hi = (int(self.starts.search_sorted(t, side="left")) for t in (lo, hi))
        begun, busy = begun_by_hi - begun_by_lo, begun_by_lo - int(self.ends.search_sorted(lo, side="left"))
        if busy + begun < alive:
            return True
        there = int(self.firsts.search_sorted(lo, side="left")) - int(self.lasts.search_sorted(hi, side="left"))
        return busy < there and busy + self.processes.slice(begun_by_lo, begun).n_unique() < there


class Fresh:
    """When the newest of the jobs was enqueued that had been started by some time, where there is one queue."""

    def __init__(self, history: "History") -> None:
        self._history = history

    @cached_property
    def _started(self) -> pl.DataFrame:
        jobs = self._history.jobs
        told = jobs.filter(
            (pl.col("delay") == 0) & pl.col("first_start").is_not_null() & (jobs["queue"].n_unique() == 1)
        )
        return told.sort("first_start").select("first_start", newest=pl.col("invoked").cum_max())

    def newest(self, by: int) -> int:
        """In ns; 0: none."""
        index = int(self._started["first_start"].search_sorted(by, side="left")) - 1
        return int(self._started["newest"][index]) if index >= 0 else 0


class Stalled:
    """How long the machine let no process run, or not those of some worker."""

    def __init__(self, history: "History") -> None:
        self.intervals = merged((stall.lo, stall.hi) for stall in history.stalls)
        self.ends = [hi for _, hi in self.intervals]

    def within(self, lo: int, hi: int) -> int:
        """In ns."""
        total = 0
        for each in self.intervals[bisect_left(self.ends, lo) :]:
            if each[0] > hi:
                break
            total += overlap_ns(each, (lo, hi))
        return total
