"""What held a job back that was due: whether a slot was free for it, whom the queue took before it."""

from array import array
from bisect import bisect_left
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl
from stormproof_target import Promise

from scenarios.history_faults import PRODUCER
from scenarios.history_types import FOREVER, ns

if TYPE_CHECKING:
    from scenarios.history import History


def promoted_within(promise: Promise) -> int:
    """At most from the due time until the job waits, in ns."""
    return ns(min(promise.promote_s, promise.sweep_s))


class Capacity:
    """Whether a slot was surely free: bodies were at work, or begun later, in fewer slots than there are.

    Or, where there is one queue, in fewer processes than had begun a body before and begin one after.
    """

    def __init__(self, history: "History", slots: int) -> None:
        """``slots``: of each worker. Runs are looked up when they are first asked for."""
        self._history, self.slots = history, slots
        workers = (lives for worker, lives in history.lives.items() if worker != PRODUCER)
        self.lives = [life for lives in workers for life in lives]

    @cached_property
    def _times(self) -> tuple["array[int]", "array[int]", "array[int]"]:
        """Starts, the process of each, and ends; a bisect of an array takes a hundredth of a query's time."""
        begun, ends = self._history.starts_and_ends
        return array("q", begun["start"]), array("Q", begun["process"]), array("q", ends)

    @cached_property
    def _spans(self) -> tuple["array[int]", "array[int]"]:
        """Each process's first start, and each one's last."""
        begun, _ = self._history.starts_and_ends
        span = begun.group_by("process").agg(first=pl.col("start").min(), last=pl.col("start").max())
        if len(self._history.queues) > 1:
            span = span.clear()
        return array("q", span["first"].sort()), array("q", span["last"].sort())

    def free_between(self, lo: int, hi: int) -> bool:
        """From ``lo`` to ``hi``, all the time."""
        starts, processes, ends = self._times
        alive = sum(self.slots for life in self.lives if life.born <= lo and min(life.exit_lo, FOREVER) >= hi)
        before, after = bisect_left(starts, lo), bisect_left(starts, hi)
        busy = before - bisect_left(ends, lo)
        if busy + after - before < alive:
            return True
        firsts, lasts = self._spans
        there = bisect_left(firsts, lo) - bisect_left(lasts, hi)
        return busy < there and busy + len(set(processes[before:after])) < there


class Fresh:
    """When the newest of the jobs was enqueued that had been started by some time, where there is one queue."""

    def __init__(self, history: "History") -> None:
        """Nothing is looked up before it is asked for."""
        self._history = history

    @cached_property
    def _started(self) -> tuple["array[int]", "array[int]"]:
        one = len(self._history.queues) == 1
        told = self._history.jobs.filter((pl.col("delay") == 0) & pl.col("first_start").is_not_null() & one)
        told = told.sort("first_start").select("first_start", newest=pl.col("invoked").cum_max())
        return array("q", told["first_start"]), array("q", told["newest"])

    def newest(self, by: int) -> int:
        """In ns; 0: none."""
        starts, newest = self._started
        index = bisect_left(starts, by) - 1
        return newest[index] if index >= 0 else 0
