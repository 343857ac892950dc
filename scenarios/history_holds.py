"""Times after an outage in which no lease ends, where that is promised: whoever holds a job renews it first.

inject                                              healed
  |...|<-- the canary's numbers go unanswered -->|.....|
      |<----------- no lease ends ----------------- hold_s -->|
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from stormproof_target import Policy, Promise

from scenarios.history_cuts import RENEWS_NOT, Interval, covered_ns, merged
from scenarios.history_faults import HOST, freezes
from scenarios.history_types import FOREVER, ns

if TYPE_CHECKING:
    from scenarios.history import History

SPARES_NOBODY: Final = frozenset({"store_down", "refused"})  # effects
LATE_MAX: Final = 2  # so often may sweeps have been late one after the other before, that a third time is held, too
CLOCK_NS: Final = ns(0.1)  # what anchors may not show of the server's clock


def holds(history: "History", promise: Promise, policy: Policy) -> tuple[Interval, ...]:
    """From the begin of each outage for everybody until leases may end again; ``policy`` says how often is swept.

    A fault is told before it strikes and healed before that is told, so an outage is what the canary saw of it. It
    counts only where it lasted as long as a lease, and as it may take to notice the end of one; where the server's
    clock was not set near it; and where sweeps can't have been late too often just before: a queue that held for ever
    would give nothing back.
    """
    if not promise.hold_s:
        return ()
    hold, least = ns(promise.hold_s), max(ns(promise.lease_s), ns(promise.sweep_s))
    sweeps = _Sweeps(history, promise, policy)
    found = []
    for span in history.faults:
        if span.effect not in SPARES_NOBODY or not span.fired:
            continue
        seen = [each for each in history.canary.away if each[0] >= span.inject and each[1] <= span.healed]
        if len(seen) != 1:
            continue
        ((begin, end),) = seen
        over = end + hold - CLOCK_NS
        was_set = any(step.lo <= over and step.hi >= begin - least for step in history.clock_steps)
        if end - begin >= least and not was_set and sweeps.late(begin) <= LATE_MAX:
            found.append((begin, over))
    return tuple(found)


class _Sweeps:
    """When those of one history may have been late: every worker sweeps all queues, so one that can is enough."""

    def __init__(self, history: "History", promise: Promise, policy: Policy) -> None:
        self._interval = ns(policy.sweep_interval_s)
        self._calm = ns(promise.hold_s) + ns(promise.sweep_s) + ns(promise.reconnect_s)
        self._load_begin = history.begin
        self._kept = [merged(_kept_from_sweeping(worker, history, promise)) for worker in history.lives]

    def late(self, begin: int) -> int:
        """How often in a row up to ``begin``, at most, and no more than matters.

        In a row: without calm for as long as a hold and the end of a lease that is noticed, in which one surely took
        leases back. Late: none in three intervals, so that for two of them, but for the way to the store, no worker
        could sweep although it was time to. Workers that start find that nobody has swept.
        """
        times, since, t, step = 0, begin, begin, self._interval // 4
        while since - t <= self._calm and times <= LATE_MAX:
            if t <= self._load_begin:
                return times + 1
            if self._nobody_could(t - 2 * self._interval, t):
                times, since, t = times + 1, t - 2 * self._interval, t - 10 * step  # a gap is longer than that
            else:
                t -= step
        return times

    def _nobody_could(self, lo: int, hi: int) -> bool:
        return all(covered_ns(kept, lo, hi) >= (hi - lo) * 3 // 4 for kept in self._kept)


def _kept_from_sweeping(worker: str, history: "History", promise: Promise) -> Iterator[Interval]:
    """By faults, freezes and stalls, by a store that did not answer, and while it was not there."""
    reconnect = ns(promise.reconnect_s)
    for span in history.faults:
        if span.effect in RENEWS_NOT and span.hits(worker):
            yield span.inject, span.healed + reconnect
    yield from freezes(history.signals).get(worker, ())
    yield from ((stall.lo, stall.hi) for stall in history.stalls if stall.worker in {worker, HOST})
    yield from history.canary.silences
    there, lives = 0, history.lives[worker]
    for life in lives:
        yield there, min(life.born + (ns(promise.recovery_s) if there else 0), FOREVER)
        there = min(life.killed, life.told_to_stop, max(life.exit_lo, life.born) if life.exit_hi < FOREVER else FOREVER)
    yield there, FOREVER
