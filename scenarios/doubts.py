"""Why the record of a run can't be relied on, whatever its checkers say: the harness judged by what it wrote itself.

Each rule is about a bug that the harness could have: a canary that stands still or lies, a watch that misses exits,
states that were not read, a fault that stays. A doubt makes the run inconclusive; it accuses no queue and excuses
none. Rules hold for runs that came to their end (the harness said that it read the states), so a history written by
hand meets none of them.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import polars as pl

from scenarios.history_cuts import covered_ns, merged
from scenarios.history_faults import HOST, StoreLoss
from scenarios.history_types import FOREVER, ns, s

if TYPE_CHECKING:
    from scenarios.history import History

SILENT_S_MAX: Final = 5.0
"""Longer than any write of the canary waits for its answer (1 s to connect, 1 s to be answered), pauses included."""
ROLL_BACKS: Final = frozenset({"restore backup"})
"""Faults that make a store forget what it had on the disk, and were meant to."""
OF_TARGETS: Final = ("worker", "producer")
NAMED_MAX: Final = 3


def doubts(history: "History") -> tuple[str, ...]:
    """All of them, each a sentence; none for a run that can be relied on."""
    if "states" not in history.phases:
        return ()
    return tuple(each for rule in (_canary, _store, _exits, _states, _faults, _end) for each in rule(history))


def _canary(history: "History") -> Iterator[str]:
    """It wrote all the time, but for stalls of the host."""
    if not history.canary.acked:
        yield "no canary watched the store: nobody knows what the store lost"
        return
    sent = history.frames["canary"].filter(pl.col("phase") == "sent")["t"]
    times = [history.begin, *sent.filter(sent >= history.begin), history.looked_at]
    stalls = merged((stall.lo, stall.hi) for stall in history.stalls if stall.worker == HOST)
    for a, b in pairwise(times):
        if b - a <= ns(SILENT_S_MAX):
            continue
        silent = b - a - covered_ns(stalls, a, b)
        if silent > ns(SILENT_S_MAX):
            yield (
                f"the canary stood still for {s(silent):.1f} s from {s(a - history.begin):.1f} s on: nobody knows what"
                " the store lost meanwhile"
            )


def _store(history: "History") -> Iterator[str]:
    """Numbers go missing by a roll-back, which takes an outage: else they were removed, or never written."""
    outages = [
        (span.inject, span.healed) for span in history.faults if span.effect == "store_down" or span.kind in ROLL_BACKS
    ]
    for loss in history.canary.losses:
        if not any(lo <= loss.until and hi >= loss.lost_from for lo, hi in outages):
            yield (
                f"numbers of the canary are missing from {s(loss.lost_from - history.begin):.1f} s on, though the store"
                f" was not down {_until(loss, history)}: they were removed, or never written"
            )


def _until(loss: StoreLoss, history: "History") -> str:
    return "after it" if loss.until == FOREVER else f"until {s(loss.until - history.begin):.1f} s"


def _exits(history: "History") -> Iterator[str]:
    """When the ground of a scenario is left, all that ran on it has ended, and the watch has said so."""
    unseen = history.writers.filter(pl.col("role").is_in(OF_TARGETS) & pl.col("exit_hi").is_null())
    if unseen.height:
        yield f"nobody saw the end of {unseen.height} processes that wrote to the ledger: {_named(unseen['w'])}"


def _states(history: "History") -> Iterator[str]:
    unread = history.jobs.filter((pl.col("outcome") == "acked") & pl.col("state").is_null())
    if unread.height:
        yield f"the states of {unread.height} acknowledged jobs were not read: {_named(unread['job'])}"


def _faults(history: "History") -> Iterator[str]:
    for span in history.faults:
        if span.healed >= FOREVER:
            yield f"{span.label} was never healed"


def _end(history: "History") -> Iterator[str]:
    if "end" not in history.phases:
        yield "the harness's own ledger breaks off before the end"


def _named(names: pl.Series) -> str:
    return ", ".join(map(str, names.head(NAMED_MAX))) + (", ..." if len(names) > NAMED_MAX else "")
