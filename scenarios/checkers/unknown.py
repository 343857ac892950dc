"""Enqueues that end badly although nothing is broken: nobody knows how, or they are refused for want of a store."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered
from scenarios.history_cuts import merged
from scenarios.history_faults import HOST, PRODUCER, SLOW_NS
from scenarios.history_types import FOREVER, ns, s
from scenarios.windows import calm, disturbed

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario

ANOMALIES: Final = {
    "unknown outcome": Anomaly(
        definition="An enqueue that met no fault ended with nobody knowing whether the job was taken.",
        smallest='answered("unknown", "j", 2)',
        means=("The caller can only guess: sending again may do the work twice, not sending may leave it undone."),
    ),
    "rejected in calm": Anomaly(
        definition=(
            "An enqueue that the store could take was rejected: neither a fault, a stall nor a silence of the store"
            " touched it, or had ended less than the promised time to reconnect before it, and others with as large"
            " arguments and as long delays were taken."
        ),
        smallest='acked("i", 0)\nanswered("rejected", "j", 2)',
        means="An outage that is over goes on for those who enqueue: work is turned away that could be done.",
    ),
}
AWAKE_NS: Final = ns(0.1)  # a producer that runs for less between two stalls may get no answer in between
REJECTIONS: Final = "rejections"
"""Clause: what alone an enqueue is rejected for. Without it a queue may refuse what it likes (a backlog, a rate)."""


def unknown(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: enqueues that met no fault from invocation to answer. A producer that was killed answers nothing."""
    after = max(ns(promise.recovery_s), ns(promise.reconnect_s))
    intervals = disturbed(history, after)
    intervals += [(sent.t, history.end) for sent in history.signals if sent.worker == PRODUCER]
    until = pl.min_horizontal(pl.col("answered"), pl.lit(history.looked_at), pl.lit(history.end))
    in_calm = calm(pl.col("invoked"), until, intervals)
    tally = Gathered(examined=history.jobs.select(in_calm.sum() if intervals else pl.len()).item())
    asked_late = until - pl.col("invoked") <= ns(scenario.enqueue_deadline_s)
    silent = pl.col("answered") > history.end
    accused = in_calm & (pl.col("outcome") == "unknown") & ~(silent & asked_late)
    for row in history.jobs.select(pl.col("job", "invoked").filter(accused)).iter_rows(named=True):
        tally.findings.append(
            Finding(
                anomaly="unknown outcome",
                job=row["job"],
                at_ns=row["invoked"],
                says=(
                    f"Nobody knows whether the enqueue of {row['job']} at {s(row['invoked'] - history.begin):.3f} s"
                    " took effect, although nothing was broken at the time."
                ),
                causes_rejected=(
                    "No fault: none was injected while it went on, or shortly enough before to matter.",
                    "No death: its producer was sent no signal.",
                    f"Not too slow: it was given {scenario.enqueue_deadline_s:g} s and more to answer.",
                ),
            )
        )
    if REJECTIONS in promise.sources:
        tally.findings += _rejected_in_calm(history, promise)
    return tally.judged()


def _rejected_in_calm(history: "History", promise: Promise) -> Iterator[Finding]:
    size, taken = pl.col("spec").struct.field("args_kb").fill_null(0), pl.col("outcome") == "acked"
    asks_as_others = (size <= size.filter(taken).max()) & (pl.col("delay") <= pl.col("delay").filter(taken).max())
    rejected = (pl.col("outcome") == "rejected") & asks_as_others
    if not history.count_jobs(rejected):
        return
    in_calm = calm(pl.col("invoked"), pl.col("answered"), _kept_from_the_store(history, promise))
    for row in history.jobs.select(pl.col("job", "invoked").filter(rejected & in_calm)).iter_rows(named=True):
        yield Finding(
            anomaly="rejected in calm",
            job=row["job"],
            at_ns=row["invoked"],
            says=(
                f"The enqueue of {row['job']} at {s(row['invoked'] - history.begin):.3f} s was rejected, although the"
                " store could be reached and took writes at the time."
            ),
            causes_rejected=(
                f"No fault: none hit the producer or the store then, or in the {promise.reconnect_s:g} s before.",
                "No silence: no write of the canary was left unanswered, or answered late, near it.",
                "No stall: neither the machine nor the producer stood still, and the producer was sent no signal.",
                "Not for what it asks: arguments as large, and delays as long, were acknowledged of others.",
            ),
            clause=REJECTIONS,
        )


def _kept_from_the_store(history: "History", promise: Promise) -> list[tuple[int, int]]:
    """When the producer may have been kept from the store, and the time that it needs to find back.

    A short stall breaks no connection, so there is no way back from it; many that follow each other may.
    """
    after = ns(promise.reconnect_s)
    stalls = merged((stall.lo, stall.hi) for stall in history.stalls if stall.worker in {HOST, PRODUCER})
    times = [(span.inject, span.healed) for span in history.faults if span.hits(PRODUCER)]
    times += [(lo, hi) for lo, hi in merged(stalls, AWAKE_NS) if hi - lo > SLOW_NS]
    times += [(sent.t, FOREVER) for sent in history.signals if sent.worker == PRODUCER]
    times += history.canary.silences
    return merged([*stalls, *((lo, min(hi + after, FOREVER)) for lo, hi in times)])
