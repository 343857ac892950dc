"""How long a retry surely waited, and until when it surely was not due, as idle slots and the order of a queue say."""

from array import array
from bisect import bisect_left
from functools import cached_property
from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.clocks import DRIFT_SHARE_MAX
from scenarios.history_types import Run, ns
from scenarios.idle_slots import IdleSlots, judges, promoted_within

if TYPE_CHECKING:
    from scenarios.history import History

CLOCK_SLACK_NS: Final = 5_000_000  # a clock that is read to the millisecond, here and there
ORDER: Final = "order"
"""The clause that jobs of a queue are taken in the order in which they came to wait."""


def slewed(delay_ns: int) -> int:
    """By how much a delay by the server's clock may differ by ours, if that clock is not set."""
    return CLOCK_SLACK_NS + int(delay_ns * DRIFT_SHARE_MAX)


class RetryWaits:
    """Of one history. Where a slot fetches ahead, or a rate is kept, nothing is known."""

    def __init__(self, history: "History", promise: Promise) -> None:
        """Nothing is looked up before it is asked for."""
        self.history, self.promise = history, promise
        self._taken = judges(promise) and "claim_s" in promise.sources
        self._in_order = promise.prefetch == 1 and promise.rate_n is None and ORDER in promise.sources

    @cached_property
    def _slots(self) -> IdleSlots:
        return IdleSlots(self.history, self.promise)

    def too_late(self, a: Run, b: Run, most: int, queue: str) -> bool:
        """Whether a slot was surely idle beside it, after its longest delay, for longer than the way to a body takes.

        The delay begins when the queue hears of the failure, up to ``report_s`` after its end.
        """
        if not self._taken or b.start - a.end_hi <= most:
            return False
        slots = self._slots
        due = slots.after(a.end_hi, ns(self.promise.report_s)) + most + slewed(most)
        since = slots.after(due, promoted_within(self.promise))
        return slots.first(queue, since) <= slots.before(b.start, slots.way) and slots.calm(a.start, b.start)

    def until(self, a: Run, b: Run, queue: str) -> int:
        """A time until which it was not due; the end of its failed run, where nothing tells.

        A slot was idle then that would have taken it before; or a job that came only then was taken before it.
        """
        if not (self._taken or self._in_order):
            return a.end_lo
        slots = self._slots
        yet = 0  # it did not wait until then
        if self._taken:
            yet = slots.last(queue, slots.before(b.start, slots.way))
        if self._in_order:
            yet = max(yet, self._newest(queue, slots.before(b.start, ns(self.promise.start_gap_s))))
        if not slots.calm(yet, b.start):  # what was granted before, and lost, would be back, and wait, within recovery
            return a.end_lo
        return max(a.end_lo, slots.before(yet, promoted_within(self.promise)))

    def _newest(self, queue: str, by: int) -> int:
        """When the newest of the jobs was enqueued that had been started by some time (0: none)."""
        starts, newest = self._started[queue]
        index = bisect_left(starts, by) - 1
        return newest[index] if index >= 0 else 0

    @cached_property
    def _started(self) -> dict[str, tuple["array[int]", "array[int]"]]:
        """Queue → first starts of jobs without a delay, in order, and the latest enqueue of all until each."""
        known = self.history.jobs.filter((pl.col("delay") == 0) & pl.col("first_start").is_not_null())
        return {
            str(queue): (array("q", told["first_start"]), array("q", told["invoked"].cum_max()))
            for (queue,), told in known.sort("first_start").group_by("queue", maintain_order=True)
        }
