"""Times in which a slot was surely idle and would surely have taken a job of some queue, had one waited."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING

import polars as pl
from stormproof_target import Promise

from scenarios.history_cuts import Interval, covered_ns, earlier, later, merged
from scenarios.history_faults import HOST
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


def judges(promise: Promise) -> bool:
    """Whether it is promised when an idle slot takes a job, and nothing unknown may keep the job from it.

    Where slots fetch ahead it may be in another one's hand, and nobody knows which slot a rate held back.
    """
    return ns(promise.claim_s) < FOREVER and promise.prefetch == 1 and promise.rate_n is None


def promoted_within(promise: Promise) -> int:
    """At most from the due time until the job waits, in ns."""
    return ns(min(promise.promote_s, promise.sweep_s))


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
        self._moments: dict[str, list[Interval]] = {}

    def before(self, t: int, by: int) -> int:
        """So much earlier than ``t``; what was stalled is nobody's delay."""
        return earlier(self.history.stalled, t, by)

    def after(self, t: int, by: int) -> int:
        """So much later than ``t``, in the same way."""
        return later(self.history.stalled, t, by)

    def _found(self) -> list[Gap]:
        runs = self._runs.select("w", "start", "end_hi", key=pl.col("w").hash()).sort("key", "start")
        # Most processes have none: fewer than one a body, where each body has a process of its own.
        again = pl.col("key") == pl.col("key").shift()
        apart = again & (pl.col("start") - pl.col("end_hi").shift() >= self.way)
        runs = runs.filter(pl.col("key").is_in(runs.select(pl.col("key").filter(apart)).to_series().unique().implode()))
        busy = pl.col("end_hi").cum_max().shift().over("key")
        idle = runs.with_columns(since=busy).filter(pl.col("start") - pl.col("since") >= self.way)
        report = ns(self.promise.report_s)
        return [
            Gap(process, self.after(since, report), until)
            for process, since, until in idle.select("w", "since", "start").iter_rows()
        ]

    @cached_property
    def broken(self) -> list[Interval]:
        """When a job may have been in the hand of who could not run it, and its lease had to end; disjoint, in order.

        Faults, signals, silences of the store, ends of processes, and stalls in which a lease may end, each with the
        time of recovery after it.
        """
        recovery = ns(self.promise.recovery_s)
        harm = [
            *((sent.t, sent.t) for sent in self.history.signals),
            *self.history.canary.silences,
            *self._ends(),
            *(stall for worker in self.history.lives for stall in self._long_stalls(worker)),
        ]
        after = ((lo, min(hi + recovery, FOREVER)) for lo, hi in harm)
        return merged([*disturbed(self.history, recovery, stalls=False), *after])

    def _ends(self) -> list[Interval]:
        """Of workers' processes: whoever ends takes along what its other threads were given, and nobody sees that."""
        ended = self.history.writers.filter((pl.col("role") == "worker") & pl.col("exit_hi").is_not_null())
        unseen = self._runs.filter(pl.col("outcome") == "open")["start"]
        return [*ended.select("exit_lo", "exit_hi").iter_rows(), *((start, FOREVER) for start in unseen)]

    def _long_stalls(self, worker: str) -> Iterator[Interval]:
        """In which a lease may end: stalls that add up to it, with less time between them than renews one surely."""
        mine = merged((stall.lo, stall.hi) for stall in self.history.stalls if stall.worker in {worker, HOST})
        heartbeat = ns(self.promise.heartbeat_s)
        lease = ns(self.promise.lease_s) - heartbeat - ns(self.promise.margin_s)
        return (each for each in merged(mine, heartbeat) if covered_ns(mine, *each) >= lease)

    def calm(self, lo: int, hi: int) -> bool:
        """Whether nothing was broken from ``lo`` to ``hi``, and the server's clock was not set."""
        index = bisect_left(self.broken, lo, key=itemgetter(1))
        quiet = index == len(self.broken) or self.broken[index][0] > hi
        return quiet and not self.clock_set(lo, hi)

    def clock_set(self, lo: int, hi: int) -> bool:
        """Whether the server's clock, by which delays end, may have been set from ``lo`` to ``hi``."""
        return any(step.lo <= hi and step.hi >= lo for step in self.history.clock_steps)

    def gaps(self, queue: str) -> list[Gap]:
        """Of the processes that serve it."""
        serving = set(self._runs.filter(pl.col("queue") == queue)["w"].unique())
        return [gap for gap in self._gaps if gap.process in serving]

    def moments(self, queue: str) -> list[Interval]:
        """Disjoint, in order: from each moment in them on, for as long as the way takes, a slot was idle.

        All that while nothing was broken, the queue was not paused, and it was surely below its limit.
        """
        if queue not in self._moments:
            self._moments[queue] = self._found_moments(queue)
        return self._moments[queue]

    def first(self, queue: str, since: int) -> int:
        """The first such moment not before ``since`` (``FOREVER``: none)."""
        moments = self.moments(queue)
        index = bisect_left(moments, since, key=itemgetter(1))
        return max(moments[index][0], since) if index < len(moments) else FOREVER

    def last(self, queue: str, until: int) -> int:
        """The last such moment not after ``until`` (0: none)."""
        moments = self.moments(queue)
        index = bisect_right(moments, until, key=itemgetter(0)) - 1
        return min(moments[index][1], until) if index >= 0 else 0

    def _found_moments(self, queue: str) -> list[Interval]:
        spans = ((gap.since, self.before(gap.until, self.way)) for gap in self.gaps(queue))
        idle = merged(span for span in spans if span[0] <= span[1])
        if not idle:
            return []
        kept = merged([*self.broken, *self._pauses(queue), *self._at_its_limit(queue)])
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
