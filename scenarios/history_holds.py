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
GAP_NS: Final = ns(1.0)  # what may be long enough to be taken for an outage
GAPS_MAX: Final = 2


def holds(
    faults: Iterable[FaultSpan], stalls: Iterable[tuple[int, int]], promise: Promise
) -> tuple[tuple[int, int], ...]:
    """From the begin of each outage for everybody until leases may end again.

    An outage counts only where it lasted as long as a lease, and as it may take to notice the end of one, and where few
    others, or stalls that may have been taken for one, are near: a queue that held for ever would give nothing back.
    ``stalls`` are disjoint.
    """
    if not promise.hold_s:
        return ()
    hold, least = ns(promise.hold_s), max(ns(promise.lease_s), ns(promise.sweep_s))
    outages = [
        (span.inject, span.healed)
        for span in faults
        if (span.effect in SPARES_NOBODY or span.kind == LINKS_DOWN) and span.fired
    ]
    gaps = [(lo, hi) for lo, hi in (*outages, *stalls) if hi - lo > GAP_NS]
    found = []
    for begin, healed in outages:
        over = healed - HEAL_NS + hold
        near = sum(lo <= over and hi >= begin - (GAPS_MAX + 1) * hold for lo, hi in gaps)
        if healed - begin >= least and near <= GAPS_MAX:  # itself among them
            found.append((begin + STRIKE_NS, over))
    return tuple(found)
