"""More jobs of a queue granted within its window of time than its rate allows."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered
from scenarios.clocks import anchors, steps
from scenarios.history_faults import HOST
from scenarios.history_types import ns, s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario

ANOMALIES: Final = {
    "exceeded rate": Anomaly(
        definition=(
            "More runs of a queue than its rate started so close to each other that their jobs must have been"
            " granted within one window."
        ),
        smallest=('acked("j", 0)\nrun("j", 0.9, 0.91)\nacked("k", 0)\nrun("k", 1.1, 1.11)'),
        means="A partner's rate limit is exceeded, and the partner refuses or blocks what comes.",
        under="promise(rate_n=1, rate_window_s=1.0), policy(rate_n=1, rate_window_s=1.0)",
    ),
    "exceeded grants": Anomaly(
        definition=("By the queue's own times of its grants, more of them lie within a window than its rate allows."),
        smallest=("granted(1, 1.999999)"),
        means="As above; the queue itself knows, and does not hold it.",
        under="promise(rate_n=1, rate_window_s=1.0), policy(rate_n=1, rate_window_s=1.0)",
    ),
}
GAP_SHARE_MAX: Final = 0.25
"""A longer way from grant to first line, measured by the window, would leave too little of it to judge."""


def rate(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: windows, one from each run on. Explained: runs whose grant may lie anywhere, behind a cut or a stall.

    A run's grant lies between ``start_gap_s`` before its start and its start. So where the latest of N + 1 runs started
    less than a window after the earliest can have been granted, N + 1 were granted in one window. Where the queue
    keeps the times of its grants, these are held against the rate as they are. What a slot has fetched ahead may have
    been granted at any time before it starts, so a queue that fetches ahead is held against its own times only.
    """
    if promise.rate_n is None:
        return Judged(0)
    window, gap = ns(promise.rate_window_s), ns(promise.start_gap_s)
    if gap >= GAP_SHARE_MAX * window:
        return Judged(0)
    causes = history.causes(promise, scenario.policy)
    unsure = {worker: causes.cuts(worker) for worker in history.lives}
    host = [(stall.lo, stall.hi) for stall in history.stalls if stall.worker == HOST]
    rolled_back = [(loss.safe, loss.until) for loss in history.canary.losses]
    runs = history.runs.join(history.jobs.select("job", "queue"), on="job").sort("start")
    tally = Gathered(examined=history.grants.height)
    set_back = any(step.by < 0 for step in steps(anchors(history.few["anchor"])))
    if not rolled_back and not set_back:  # a clock that was set back tells two times alike
        tally.findings += _by_its_own_word(history, promise.rate_n, promise.rate_window_s)
    known = pl.lit(value=True)
    for worker, cuts in unsure.items():
        for lo, hi in (*cuts, *host):
            known &= ~((pl.col("worker") == worker) & (pl.col("start") >= lo) & (pl.col("start") - gap <= hi))
    certain = runs.filter(known & (promise.prefetch == 1))
    tally.explained = runs.height - certain.height
    n = promise.rate_n
    for (queue,), mine in certain.partition_by("queue", as_dict=True).items():
        spans = mine.select("run", "job", first="start", last=pl.col("start").shift(-n)).drop_nulls()
        tally.examined += mine.height
        for lo, hi in rolled_back:
            spans = spans.filter((pl.col("last") < lo) | (pl.col("first") - gap > hi))
        over = spans.filter(pl.col("last") - (pl.col("first") - gap) < window)
        for run, job, first, last in over.iter_rows():
            tally.findings.append(
                Finding(
                    anomaly="exceeded rate",
                    job=job,
                    at_ns=last,
                    says=(
                        f"{n + 1} jobs of queue {queue} started within {s(last - first):.3f} s, from"
                        f" {s(first - history.begin):.3f} s on; {n} may be granted in any"
                        f" {promise.rate_window_s:g} s, and a grant comes at most {promise.start_gap_s:g} s before."
                    ),
                    runs=(run,),
                    causes_rejected=(
                        "No cut: runs whose worker may have had to wait between grant and start are left out.",
                        f"Not delayed: a grant lies at most {promise.start_gap_s:g} s before its start, which counts.",
                    ),
                    clause="rate",
                )
            )
    return tally.judged()


def _by_its_own_word(history: "History", n: int, window_s: float) -> Iterator[Finding]:
    for (queue,), mine in history.grants.sort("server_us").partition_by("queue", as_dict=True).items():
        spans = mine.select("t", span=pl.col("server_us").shift(-n) - pl.col("server_us")).drop_nulls()
        for t, span in spans.filter(pl.col("span") < window_s * 1e6).iter_rows():
            yield Finding(
                anomaly="exceeded grants",
                job=None,
                at_ns=t,
                says=(
                    f"Queue {queue} says itself that it granted {n + 1} jobs within {span / 1e6:.6f} s; {n} may be in"
                    f" any {window_s:g} s."
                ),
                causes_rejected=("No clock of ours: both times are the server's.",),
                clause="rate",
            )
