"""Times after an outage in which no lease ends, where that is promised: whoever holds a job renews it first."""

from collections.abc import Iterable
from typing import Final

from stormproof_target import Promise

from scenarios.history_faults import FaultSpan
from scenarios.history_types import ns

SPARES_NOBODY: Final = frozenset({"store_down", "refused"})  # effects
LINKS_DOWN: Final = "redis down"  # a kind: all links at once
STRIKE_NS: Final = ns(0.5)  # a fault is told before it is injected,
HEAL_NS: Final = ns(0.5)  # and a heal when it is done
STOOD_NS: Final = ns(1.0)
HOLDS_MAX: Final = 3


def holds(
    faults: Iterable[FaultSpan], stalls: Iterable[tuple[int, int]], promise: Promise
) -> tuple[tuple[int, int], ...]:
    """From the begin of each outage for everybody until leases may end again.

    An outage counts only where it lasted as long as a lease, and as it may take to notice the end of one; where nothing
    stood still about it for so long that the queue may have taken that for an outage, too; and as one of a few: a queue
    that held for ever would give nothing back. ``stalls`` are disjoint.
    """
    if not promise.hold_s:
        return ()
    outages = [
        (span.inject + STRIKE_NS, span.healed - HEAL_NS + ns(promise.hold_s))
        for span in faults
        if (span.effect in SPARES_NOBODY or span.kind == LINKS_DOWN)
        and span.fired
        and span.healed - span.inject >= max(ns(promise.lease_s), ns(promise.sweep_s))
    ]
    stood = [(lo, hi) for lo, hi in stalls if hi - lo > STOOD_NS]
    before = 2 * ns(promise.hold_s)
    return tuple(
        (begin, over)
        for begin, over in outages[:HOLDS_MAX]
        if not any(lo <= over and hi >= begin - before for lo, hi in stood)
    )
