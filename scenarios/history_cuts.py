"""When a worker could not renew its leases: faults, freezes and stalls, as disjoint intervals."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from stormproof_target import Promise

from scenarios.history_faults import HOST, Life, freezes
from scenarios.history_types import FOREVER, Run, ns

if TYPE_CHECKING:
    from scenarios.history import History

Interval = tuple[int, int]
STOLEN: Final = frozenset({"cut", "store_down"})  # effects that can swallow a reply
RENEWS_NOT: Final = STOLEN | {"slow", "freeze", "refused"}  # effects under which a lease may not be renewed


def merged(intervals: Iterable[Interval], gap: int = 0) -> list[Interval]:
    """Sorted and disjoint; intervals closer than ``gap`` are one."""
    result: list[Interval] = []
    for lo, hi in sorted(intervals):
        if result and lo - result[-1][1] <= gap:
            result[-1] = result[-1][0], max(result[-1][1], hi)
        else:
            result.append((lo, hi))
    return result


def overlap_ns(a: Interval, b: Interval) -> int:
    """How much of ``a`` lies in ``b``."""
    return max(0, min(a[1], b[1]) - max(a[0], b[0]))


def covered_ns(intervals: Sequence[Interval], lo: int, hi: int) -> int:
    """How much of ``[lo, hi]`` is covered by intervals that are disjoint and in order."""
    total = 0
    for index in range(bisect_left(intervals, lo, key=itemgetter(1)), len(intervals)):
        if intervals[index][0] > hi:
            break
        total += overlap_ns(intervals[index], (lo, hi))
    return total


def earlier(intervals: Sequence[Interval], t: int, by: int) -> int:
    """So much before ``t``, not counting the time in intervals that are disjoint and in order."""
    lo = t - by
    for index in range(bisect_left(intervals, t, key=itemgetter(0)) - 1, -1, -1):
        a, b = intervals[index]
        if b <= lo:  # and so is the end of all before
            break
        lo -= min(b, t) - a
    return lo


def later(intervals: Sequence[Interval], t: int, by: int) -> int:
    """So much after ``t``, in the same way."""
    hi = t + by
    for index in range(bisect_right(intervals, t, key=itemgetter(1)), len(intervals)):
        a, b = intervals[index]
        if a > hi:
            break
        hi += b - max(a, t)
    return min(hi, FOREVER)


class Cuts:
    """Of the workers of one history under one promise."""

    def __init__(self, history: "History", promise: Promise) -> None:
        """``promise`` gives lease, heartbeat, margin and the time to reconnect."""
        self.history, self.promise = history, promise
        self.lease_ends_after = ns(promise.lease_s) - ns(promise.heartbeat_s) - ns(promise.margin_s)
        self.reconnect_ns = ns(promise.reconnect_s)
        self._cuts: dict[tuple[str, int], list[Interval]] = {}
        self._breaking: dict[tuple[str, int], list[Interval]] = {}
        self._torn: dict[tuple[str, int], frozenset[Interval]] = {}
        self._delays: dict[str, list[Interval]] = {}
        self._frozen = freezes(history.signals)
        self.clock_forward: list[Interval] = [(step.lo, step.hi) for step in history.clock_steps if step.by > 0]
        """When the server's clock was set forward: any lease may have ended by it."""

    def cuts(self, worker: str, life: int = 0) -> list[Interval]:
        """Disjoint, in order; each with the time that the worker needs after it. ``life`` adds its supervisor's end."""
        key = worker, life
        if key not in self._cuts:
            broken = self._broken(worker, life)
            self._cuts[key] = merged([*broken, *self._slow(worker)], ns(self.promise.heartbeat_s))
            torn = frozenset(cut for cut in self._cuts[key] if any(lo <= cut[1] and hi >= cut[0] for lo, hi in broken))
            long = [cut for cut in self._cuts[key] if self._stalled(worker, cut) >= self.lease_ends_after]
            self._torn[key], self._breaking[key] = torn, sorted({*torn, *long})
        return self._cuts[key]

    def _broken(self, worker: str, life: int) -> list[Interval]:
        """Faults, freezes, and the end of its supervisor."""
        found = [(lo, hi + self.reconnect_ns) for lo, hi in self._frozen.get(worker, []) if self._is_long(lo, hi)]
        found += [
            (span.inject, span.healed + self.reconnect_ns)
            for span in self.history.faults
            if span.effect in RENEWS_NOT and span.hits(worker)
        ]
        mine = self.life(worker, life)
        if mine and (mine.killed < FOREVER or mine.exit_hi < FOREVER):
            # Nobody renews for a slot that outlives its supervisor.
            found.append((min(max(mine.exit_lo, mine.born), mine.killed), FOREVER))
        return found

    def _slow(self, worker: str) -> list[Interval]:
        """Stalls, and the harness's own stops of milliseconds while it looks for a victim: no connection breaks."""
        if worker not in self._delays:
            found = [(lo, hi) for lo, hi in self._frozen.get(worker, []) if not self._is_long(lo, hi)]
            found += [(stall.lo, stall.hi) for stall in self.history.stalls if stall.worker in {worker, HOST}]
            self._delays[worker] = merged(found)
        return self._delays[worker]

    def _stalled(self, worker: str, within: Interval) -> int:
        """How long it stood still in an interval, in ns."""
        return covered_ns(self._slow(worker), *within)

    def _is_long(self, lo: int, hi: int) -> bool:
        return hi - lo > max(ns(self.promise.heartbeat_s), ns(0.1))

    def breaking(self, worker: str, life: int = 0) -> list[Interval]:
        """Its cuts that may have done more to it than delay it.

        A fault may; a stall only delays what a worker says, and only stalls that last as long as it takes to end a
        lease, all of one cut together, keep the queue from heeding it.
        """
        self.cuts(worker, life)
        return self._breaking[worker, life]

    def frozen_at(self, worker: str, t: int) -> bool:
        """Whether it was stopped at ``t``."""
        return any(lo <= t <= hi for lo, hi in self._frozen.get(worker, []))

    def life(self, worker: str, number: int) -> Life | None:
        """The worker's ``number``-th spawn (from 1), where it is known."""
        mine = self.history.lives.get(worker, ())
        return mine[number - 1] if 0 < number <= len(mine) else None

    def cut_in(self, run: Run, lo: int, hi: int) -> bool:
        """Whether a cut of the run's worker touches ``[lo, hi]``."""
        return any(True for _ in self._touching(run, lo, hi))

    def _touching(self, run: Run, lo: int, hi: int) -> Iterator[Interval]:
        """The cuts of the run's worker that touch ``[lo, hi]``, in order. A day has hundreds, so they are bisected."""
        cuts = self.cuts(run.worker, run.life)
        for index in range(bisect_left(cuts, lo, key=itemgetter(1)), len(cuts)):
            if cuts[index][0] > hi:
                return
            yield cuts[index]
