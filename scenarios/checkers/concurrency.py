"""More bodies of a queue at once than leases that it may give, or more leases by the word of its own keys."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered
from scenarios.history_types import FOREVER, s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.history_causes import Causes
    from scenarios.scenario import Scenario

ANOMALIES: Final = {
    "exceeded concurrency": Anomaly(
        definition=("More bodies of a queue than it may lease ran at one instant, each certainly under its lease."),
        smallest=('acked("j", 0)\nrun("j", 1, 2)\nacked("k", 0)\nrun("k", 1.5, 2.5, on="w2")'),
        means=(
            "What the limit protects (a licence, a database, a partner's interface) gets more at once than it bears."
        ),
        under="promise(concurrency=1), policy(concurrency=1)",
    ),
    "exceeded leases": Anomaly(
        definition="The queue's own keys showed more leases at once than its limit.",
        smallest=("count(2, 1.5)"),
        means="As above; the queue itself knows, and does not hold it.",
        under="promise(concurrency=1), policy(concurrency=1)",
    ),
}


def concurrency(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: runs, and counts of leases. Explained: runs that went on when their lease may have ended.

    A body counts from its start for as long as its job is certainly leased to it: not past a cut that may have ended
    the lease, a roll-back of the store, the grant of the job's next run, a stop of its worker, or a request to cancel
    it. So bodies that outlive their lease, which may exceed the limit, accuse nobody.
    """
    limit = promise.concurrency
    if limit is None:
        return Judged(0)
    runs = history.runs.join(history.jobs.select("job", "queue"), on="job")
    leases = history.counts.filter(pl.col("t") >= history.begin)
    tally = Gathered(examined=runs.height + leases.height)
    held = _held(runs, history, history.causes(promise, scenario.policy))
    tally.explained = held.filter(pl.col("until") < pl.col("end_lo")).height
    for (queue,), mine in held.sort("start").partition_by("queue", as_dict=True).items():
        tally.findings += _too_many(str(queue), mine, limit, history.begin)
    for t, queue, running in leases.filter(pl.col("running") > limit).select("t", "queue", "running").iter_rows():
        tally.findings.append(
            Finding(
                anomaly="exceeded leases",
                job=None,
                at_ns=t,
                says=f"Queue {queue} had {running} leases at {s(t - history.begin):.3f} s; {limit} are allowed.",
                causes_rejected=("Not two readings: it is one number, read in one step of the store.",),
                clause="concurrency",
            )
        )
    return tally.judged()


def _held(runs: pl.DataFrame, history: "History", causes: "Causes") -> pl.DataFrame:
    """The runs with ``until``: the last moment at which each certainly held its lease."""
    rolled_back = min((loss.safe for loss in history.canary.losses), default=FOREVER)
    names = history.jobs.filter((pl.col("n_runs") > 1) & ~pl.col("plain"))["job"]
    touched = [
        worker
        for worker, lives in history.lives.items()
        if any(causes.cuts(worker, number) for number in range(len(lives) + 1))
    ]
    close = runs.filter(pl.col("job").is_in(names.implode()) | pl.col("worker").is_in(touched))["job"]
    known = {
        run.run: min(causes.surely_leased_until(run), causes.grant_lo(after) if after else FOREVER)
        for job in history.stories(close)
        for run, after in zip(job.runs, (*job.runs[1:], None), strict=True)
    }
    table = pl.DataFrame({"run": list(known), "known": list(known.values())}, {"run": pl.String, "known": pl.Int64})
    gone = [(name, n + 1, life.told_to_stop) for name, lives in history.lives.items() for n, life in enumerate(lives)]
    stops = pl.DataFrame(gone, {"worker": pl.String, "life": pl.Int64, "stopped": pl.Int64}, orient="row")
    cancels = [(step["job"], step["t"]) for step in history.op_rows if step["op"] == "cancel"]
    asked = pl.DataFrame(cancels, {"job": pl.String, "asked": pl.Int64}, orient="row")
    asked = asked.group_by("job").agg(pl.col("asked").min())
    until = pl.min_horizontal(
        "end_lo",
        pl.col("known").fill_null(FOREVER),
        pl.lit(rolled_back),
        # What is given back or called off is no longer leased, though its body may take a while to end.
        pl.col("stopped").fill_null(FOREVER) if causes.promise.stop_is_a_cause else pl.lit(FOREVER),
        pl.col("asked").fill_null(FOREVER),
    )
    return (
        runs.join(table, on="run", how="left")
        .join(stops, on=["worker", "life"], how="left")
        .join(asked, on="job", how="left")
        .with_columns(until=until)
        .select("run", "queue", "start", "end_lo", "until")
    )


def _too_many(queue: str, runs: pl.DataFrame, limit: int, zero: int) -> Iterator[Finding]:
    """One finding each time that the limit begins to be exceeded. An end comes before a start of the same instant."""
    starts = runs.filter(pl.col("until") > pl.col("start"))
    steps = pl.concat([starts.select("run", t="start", step=1), starts.select("run", t="until", step=-1)])
    level = pl.col("step").cum_sum()
    steps = steps.sort("t", "step").with_columns(level=level, before=level - pl.col("step"))
    for t, level_now in (
        steps.filter((pl.col("level") > limit) & (pl.col("before") == limit)).select("t", "level").iter_rows()
    ):
        open_runs: Sequence[str] = starts.filter((pl.col("start") <= t) & (pl.col("until") > t))["run"].to_list()
        yield Finding(
            anomaly="exceeded concurrency",
            job=None,
            at_ns=t,
            says=(
                f"{level_now} bodies of queue {queue} ran at once at {s(t - zero):.3f} s, each under its lease;"
                f" {limit} leases are allowed."
            ),
            runs=tuple(open_runs),
            causes_rejected=("No ended lease: each worker could renew, and no job had been granted again.",),
            clause="concurrency",
        )
