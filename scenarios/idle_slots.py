"""Times in which a slot was surely idle and would surely have taken a job of some queue, had one waited."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
from stormproof_target import Promise

from scenarios.history_cuts import Interval, earlier, later, merged
from scenarios.history_types import FOREVER, ns
from scenarios.windows import disturbed

if TYPE_CHECKING:
    from scenarios.history import History


@dataclass(frozen=True, slots=True)
class Gap:
    """A process that had ended a body ``since`` so long ago that the queue knew it, and began none ``until`` then."""

    process: str
    since: int
    until: int


class IdleSlots:
    """One history. A job that waits from some time on starts within ``way`` of it, if a slot is idle so long.

    A process counts between two of its bodies only: it was there before and after, and took jobs. It serves the queues
    of which it ran a body at any time.
    """

    def __init__(self, history: "History", promise: Promise) -> None:
        self.history, self.promise = history, promise
        self.way = ns(promise.claim_s) + ns(promise.start_gap_s)
        self._runs = history.bodies
        self._gaps = self._found()
        recovery = ns(promise.recovery_s)
        self._broken = [
            *disturbed(history, recovery, stalls=False),
            *((sent.t, min(sent.t + recovery, FOREVER)) for sent in history.signals),
            *((lo, min(hi + recovery, FOREVER)) for lo, hi in history.canary.silences),
        ]

    def before(self, t: int, by: int) -> int:
        """So much earlier than ``t``; what was stalled is nobody's delay."""
        return earlier(self.history.stalled, t, by)

    def after(self, t: int, by: int) -> int:
        """So much later than ``t``, in the same way."""
        return later(self.history.stalled, t, by)

    def _found(self) -> list[Gap]:
        busy = pl.col("end_hi").cum_max().shift().over("w")
        apart = self._runs.sort("start").with_columns(since=busy).filter(pl.col("start") - pl.col("since") >= self.way)
        report = ns(self.promise.report_s)
        return [
            Gap(process, self.after(since, report), until)
            for process, since, until in apart.select("w", "since", "start").iter_rows()
        ]

    def gaps(self, queue: str) -> list[Gap]:
        """Of the processes that serve it."""
        serving = set(self._runs.filter(pl.col("queue") == queue)["w"].unique())
        return [gap for gap in self._gaps if gap.process in serving]

    def moments(self, queue: str) -> list[Interval]:
        """Disjoint, in order: from each moment in them on, for as long as the way takes, a slot was idle.

        All that while nothing was broken, the queue was not paused, and it was surely below its limit.
        """
        spans = ((gap.since, self.before(gap.until, self.way)) for gap in self.gaps(queue))
        idle = merged(span for span in spans if span[0] <= span[1])
        kept = merged([*self._broken, *self._pauses(queue), *self._at_its_limit(queue)])
        return without(idle, [(self.before(lo, self.way), hi) for lo, hi in kept])

    def _pauses(self, queue: str) -> list[Interval]:
        """From the request to pause until it was answered that the pause is over."""
        found: list[Interval] = []
        paused: list[int] = []
        asked: list[int] = []
        for step in self.history.op_rows:
            what = step["queue"] == queue and (step["op"], step["phase"])
            if what == ("pause", "invoked"):
                paused.append(step["t"])
            elif what == ("resume", "invoked"):
                asked.append(step["t"])
            elif what == ("resume", "acked") and asked:  # it ends all that were asked for before it
                since = asked.pop(0)
                found += ((t, step["t"]) for t in paused if t <= since)
                paused = [t for t in paused if t > since]
        return found + [(t, FOREVER) for t in paused]

    def _at_its_limit(self, queue: str) -> list[Interval]:
        """When as many jobs as it may lease may have been leased, from the first grant that a start may have had."""
        limit = self.promise.concurrency
        if limit is None:
            return []
        gap, report, recovery = map(ns, (self.promise.start_gap_s, self.promise.report_s, self.promise.recovery_s))
        steps: list[tuple[int, int]] = []
        mine = self._runs.filter(pl.col("queue") == queue).select("start", "end_hi", "outcome")
        for start, end, outcome in mine.iter_rows():
            steps.append((self.before(start, gap), 1))
            steps.append((self.after(end, recovery if outcome in {"exit", "open"} else report), -1))
        found, leased, since = [], 0, 0
        for t, step in sorted(steps, key=lambda each: (each[0], -each[1])):
            leased += step
            if step > 0 and leased == limit:
                since = t
            elif step < 0 and leased == limit - 1:
                found.append((since, t))
        return found


def without(intervals: Iterable[Interval], taken: Iterable[Interval]) -> list[Interval]:
    """What is left of disjoint intervals, in order, once others are taken out."""
    away = merged(taken)
    ends = [hi for _, hi in away]
    left: list[Interval] = []
    for lo, hi in intervals:
        begin = lo
        for index in range(bisect_left(ends, lo), len(away)):
            a, b = away[index]
            if a > hi:
                break
            if a > begin:
                left.append((begin, a - 1))
            begin = max(begin, b + 1)
        if begin <= hi:
            left.append((begin, hi))
    return left
