"""A run of something that nobody enqueued: never invoked, rejected, too early, or with other arguments."""

from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered
from scenarios.history_types import s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario

ANOMALIES: Final = {
    "ghost run": Anomaly(
        definition="A body ran for a job that no producer had invoked by then, or whose enqueue was rejected.",
        smallest=('run("j", 1, 2)'),
        means=(
            'Work is done that nobody asked for: a client that was told "not accepted" and sends again has it'
            " done twice."
        ),
    ),
    "corrupted arguments": Anomaly(
        definition="A body got arguments whose checksum is not that of the arguments that were sent.",
        smallest=('acked("j", 0)\nrun("j", 1, 2, args_sum="0")'),
        means="The right job does the wrong thing: another amount, another address, half of a document.",
    ),
}

_REJECTED: Final = {
    "ghost run": (
        "Not unknown: an enqueue whose outcome nobody knows may run, and this one is none.",
        "Not lost: a missing line of the producer's ledger would have been an error of the harness.",
    ),
    "corrupted arguments": (
        "Not another job: the job's id came with the arguments, and is right.",
        "Not the ledger: both checksums are of the bytes that went in and came out.",
    ),
}


def phantom(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: runs. An enqueue whose outcome is unknown may run, and so may one that is not acknowledged yet."""
    del promise, scenario
    runs = history.runs
    tally = Gathered(examined=runs.height)
    strange = (
        history.runs_with(invoked="invoked", enqueue="outcome", sent_sum="args_sum")
        .lazy()
        .select("run", "job", "worker", "pid", "start", "args_sum", "invoked", "enqueue", "sent_sum")
        .filter(
            pl.col("invoked").is_null()
            | (pl.col("enqueue") == "rejected")
            | (pl.col("start") < pl.col("invoked"))
            | (pl.col("args_sum") != pl.col("sent_sum"))
        )
        .collect()
    )
    for row in strange.iter_rows(named=True):
        if row["invoked"] is None:
            anomaly, why = "ghost run", "no producer had ever invoked it"
        elif row["enqueue"] == "rejected":
            anomaly, why = "ghost run", "its enqueue was rejected, which promises that nothing had changed"
        elif row["start"] < row["invoked"]:
            anomaly, why = (
                "ghost run",
                f"it started {s(row['invoked'] - row['start']):.3f} s before its enqueue was invoked",
            )
        else:
            anomaly, why = (
                "corrupted arguments",
                f"its arguments' checksum is {row['args_sum']}, the producer sent {row['sent_sum']}",
            )
        tally.findings.append(
            Finding(
                anomaly=anomaly,
                job=row["job"],
                at_ns=row["start"],
                says=f"Job {row['job']} ran on {row['worker']} pid {row['pid']}, but {why}.",
                runs=(row["run"],),
                causes_rejected=_REJECTED[anomaly],
            )
        )
    return tally.judged()
