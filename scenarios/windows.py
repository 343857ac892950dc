"""Calm and disturbed time, and the episodes that recovery is measured by."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.history_cuts import merged
from scenarios.history_faults import HOST
from scenarios.history_types import FOREVER, ns

if TYPE_CHECKING:
    from scenarios.history import History

INTERVALS_COMPARED_MAX: Final = 8  # more are found by bisection: a day has hundreds
RECOVERY_S_MAX: Final = 5.0
"""After a heal this much is never calm; more is not taken off a target that promises no time of recovery."""


@dataclass(frozen=True, slots=True)
class Episode:
    """Faults whose effects may touch each other. ``next_inject`` is ``FOREVER`` for the last one."""

    inject: int
    healed: int
    next_inject: int


def disturbed(history: "History", recovery_ns: int, *, stalls: bool = True) -> list[tuple[int, int]]:
    """Disjoint intervals: faults, kills and ends of workers, each with ``recovery_ns`` after it; host stalls.

    Without ``stalls`` for who takes the time that they last off what was measured.
    """
    found = [(span.inject, min(span.healed + recovery_ns, FOREVER)) for span in history.faults]
    found += [(stall.lo, stall.hi) for stall in history.stalls if stalls and stall.worker == HOST]
    found += [(sent.t, min(sent.t + recovery_ns, FOREVER)) for sent in history.signals if sent.name == "KILL"]
    ended = [life for lives in history.lives.values() for life in lives if life.exit_hi < FOREVER]
    found += [(life.exit_lo, min(life.exit_hi + recovery_ns, FOREVER)) for life in ended]
    return merged(found)


def recovery_ns(promise: Promise) -> int:
    """How long after a heal time is not calm, for numbers (a finding takes the promise's own)."""
    return ns(min(promise.recovery_s, RECOVERY_S_MAX))


def calm(lo: pl.Expr, hi: pl.Expr, intervals: list[tuple[int, int]]) -> pl.Expr:
    """Whether ``[lo, hi]`` touches none of the intervals."""
    if not intervals:
        return pl.lit(value=True)
    if len(intervals) <= INTERVALS_COMPARED_MAX:
        return ~pl.any_horizontal(*((lo <= b) & (hi >= a) for a, b in intervals))
    apart = merged(intervals)
    ends = pl.lit(pl.Series([b for _, b in apart], dtype=pl.Int64))
    begins = pl.lit(pl.Series([*(a for a, _ in apart), FOREVER], dtype=pl.Int64))
    return hi < begins.gather(ends.search_sorted(lo, side="left"))  # the first that ends no sooner than it begins


def episodes(history: "History", promise: Promise) -> list[Episode]:
    """Faults merged where [inject, heal + recovery] touch, in order."""
    after = recovery_ns(promise)
    groups: list[list[int]] = []
    for span in history.faults:
        if groups and span.inject <= groups[-1][1] + after:
            groups[-1][1] = max(groups[-1][1], span.healed)
        else:
            groups.append([span.inject, span.healed])
    nexts = [*(inject for inject, _ in groups), FOREVER][1:]
    return [Episode(inject, healed, nxt) for (inject, healed), nxt in zip(groups, nexts, strict=True)]
