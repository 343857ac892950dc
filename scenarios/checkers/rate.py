"""More jobs of a queue granted within its window of time than its rate allows."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered
from scenarios.clocks import DRIFT_SHARE_MAX
from scenarios.history_types import ns, s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.history_causes import Causes
    from scenarios.scenario import Scenario

ANOMALIES: Final = {
    "exceeded rate": Anomaly(
        definition=(
            "Within a window, more runs of a queue than its rate allows started that can't have been granted before it."
            " Each is reckoned by itself: what its worker was cut off or stood still may lie between grant and start."
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
    """Examined: runs, and grants that the queue tells of. Explained: started too close, granted perhaps long before.

    A run's grant lies between the earliest moment that its worker's cuts and stalls allow, as a rule ``start_gap_s``
    before its start, and its start. So a run whose whole interval lies in a window was granted in it, whatever the
    others did. Where the queue keeps the times of its grants, these are held against the rate as they are. What a slot
    has fetched ahead may have been granted at any time before it starts, so a queue that fetches ahead is held against
    its own times only.
    """
    if promise.rate_n is None or ns(promise.start_gap_s) >= GAP_SHARE_MAX * ns(promise.rate_window_s):
        return Judged(0)
    tally = Gathered(examined=history.grants.height)
    set_at = history.clock_steps
    rolled_back = [(loss.safe, loss.until) for loss in history.canary.losses]
    if not rolled_back and not any(step.by < 0 for step in set_at):  # a clock that was set back tells two times alike
        tally.findings += _by_its_own_word(history, promise.rate_n, promise.rate_window_s)
    if promise.prefetch > 1:
        return tally.judged()
    causes = history.causes(promise, scenario.policy)
    unsure = [*rolled_back, *((step.lo, step.hi) for step in set_at)]
    runs = history.runs.join(history.jobs.select("job", "queue", "invoked"), on="job")
    for (queue,), mine in runs.partition_by("queue", as_dict=True).items():
        tally.examined += mine.height
        _by_its_starts(str(queue), mine, causes, unsure, tally)
    return tally.judged()


def _by_its_starts(
    queue: str, runs: pl.DataFrame, causes: "Causes", unsure: Sequence[tuple[int, int]], tally: Gathered
) -> None:
    """``unsure``: when the server's clock was set, or grants were forgotten; a window that touches one says nothing."""
    history, promise, n = causes.history, causes.promise, causes.promise.rate_n or 0
    window = int(ns(promise.rate_window_s) * (1 - DRIFT_SHARE_MAX))  # of the server's time
    latest = pl.max_horizontal(pl.col("start") - ns(promise.start_gap_s), "invoked")
    at_best = runs.select("run", "job", "start", lo=pl.min_horizontal(latest, "start"))
    suspects = _within(at_best, _crowded(at_best, window, n), window)
    granted = {run.run: causes.grant_lo(run) for job in history.stories(suspects["job"]) for run in job.runs}
    exact = suspects.with_columns(lo=pl.col("run").replace_strict(granted, default=pl.col("lo"), return_dtype=pl.Int64))
    crowded = _crowded(exact, window, n)
    for lo, hi in unsure:
        crowded = crowded.filter((pl.col("lo") + window < lo) | (pl.col("lo") > hi))
    tally.explained += suspects.height - _within(exact, crowded, window).height
    for run, job, lo, many in crowded.select("run", "job", "lo", "many").iter_rows():
        tally.findings.append(
            Finding(
                anomaly="exceeded rate",
                job=job,
                at_ns=lo + window,
                says=(
                    f"{many} jobs of queue {queue} were granted in the {promise.rate_window_s:g} s from"
                    f" {s(lo - history.begin):.3f} s on, since they started in them; {n} may be."
                ),
                runs=(run,),
                causes_rejected=(
                    f"Not granted before: at most {promise.start_gap_s:g} s before its start, and a cut or stall more.",
                    "No clock: a thousandth of the window is left out, and each window in which the server's was set.",
                ),
                clause="rate",
            )
        )


def _crowded(spans: pl.DataFrame, window: int, n: int) -> pl.DataFrame:
    """Rows with whose ``lo`` a window begins that holds more than ``n`` spans [lo, start] whole; ``many``: how many.

    Of spans no longer than the window, as many begin before it as end before it or lie across its begin; so those that
    lie in it are those that end before its end without those that begin before its begin.
    """
    short = spans.filter(pl.col("start") - pl.col("lo") < window).sort("lo")
    begins, ends = short["lo"], short["start"].sort()
    many = ends.search_sorted(begins + window, side="left") - begins.search_sorted(begins, side="left")
    return short.with_columns(many=many.cast(pl.Int64)).filter(pl.col("many") > n)


def _within(spans: pl.DataFrame, crowded: pl.DataFrame, window: int) -> pl.DataFrame:
    """The spans that lie whole in one of these windows."""
    if crowded.is_empty():
        return spans.clear()
    begins = crowded["lo"].sort()
    latest = begins.search_sorted(spans["lo"], side="right").cast(pl.Int64) - 1  # the last that begins before it
    return spans.filter((latest >= 0) & (spans["start"] < begins.gather(latest.clip(0)) + window))


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
