"""An enqueue whose outcome nobody knows although nothing was broken: a client that can't say what it did."""

from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered
from scenarios.history_faults import PRODUCER
from scenarios.history_types import ns, s
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
}


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
    return tally.judged()
