"""Binned series and marks for a report's plots: bounded in size, whatever the length of the run."""

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import polars as pl

from reports.run_record import SERIES_BINS_MAX, Marks, ObjectiveResult, Series
from scenarios.checkers.lost import STRANDED
from scenarios.history_types import FOREVER, s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.metrics import Metrics

BIN_WIDTHS_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)


def bin_width_s(lasted_s: float) -> float:
    """The smallest round width that needs no more bins than a record may hold."""
    fitting = (width for width in BIN_WIDTHS_S if lasted_s / width <= SERIES_BINS_MAX - 1)
    return next(fitting, lasted_s / (SERIES_BINS_MAX - 1))


def series(history: "History", metrics: "Metrics") -> Series | None:
    """Arrivals (intended), completions (first good ends) and backlog a bin; None without a job."""
    jobs = metrics.jobs
    if jobs.is_empty():
        return None
    acked = jobs.filter(pl.col("outcome") == "acked")
    gone = pl.when(pl.col("done") < FOREVER).then("done").when(_over()).then("last_end").otherwise(None)
    left = acked.select(gone.alias("left"))["left"].drop_nulls()
    ends = [history.phases.get("load_end", 0), _last(jobs["intended"]), _last(left)]
    lasted_s = max(s(max(ends) - history.begin), 0.1)
    width_s = bin_width_s(lasted_s)
    count = min(int(lasted_s / width_s) + 1, SERIES_BINS_MAX)
    arrivals = _binned(jobs["intended"], history.begin, width_s, count)
    completions = _binned(jobs.filter(pl.col("done") < FOREVER)["done"], history.begin, width_s, count)
    came = accumulate(_binned(acked["answered"], history.begin, width_s, count))
    went = accumulate(_binned(left, history.begin, width_s, count))
    return Series(
        edges_s=tuple(round(index * width_s, 6) for index in range(count + 1)),
        arrivals=tuple(arrivals),
        completions=tuple(completions),
        backlog=tuple(max(a - b, 0) for a, b in zip(came, went, strict=True)),
    )


def marks(history: "History", metrics: "Metrics", objectives: Iterable[ObjectiveResult] = ()) -> Marks:
    """When the load ended, when each lost job was last seen, and the slowest recovery with its limit."""
    found = metrics.lost.findings
    words = {"stranded" if finding.anomaly == STRANDED else "lost" for finding in found}
    recovery = metrics.slowest_recovery() if metrics.recovery().value is not None else None
    limits = [each.threshold for each in objectives if each.metric == "recovery"]
    if recovery is not None and limits:
        recovery = type(recovery)(
            from_s=recovery.from_s, to_s=recovery.to_s, limit_s=min(limits), lower_bound=recovery.lower_bound
        )
    return Marks(
        load_ends_s=s(history.phases.get("load_end", history.end) - history.begin),
        lost_at_s=tuple(sorted(s(finding.at_ns - history.begin) for finding in found)[:SERIES_BINS_MAX]),
        lost_word=words.pop() if len(words) == 1 else "lost",
        recovery=recovery,
    )


def _over() -> pl.Expr:
    return pl.col("state").fill_null("").is_in(["dead", "cancelled"])


def _last(times: pl.Series) -> int:
    value = times.max()
    return int(value) if isinstance(value, int) else 0


def _binned(times: pl.Series, begin: int, width_s: float, count: int) -> Sequence[int]:
    """Counts a bin; what lies outside falls into the first or last one."""
    if times.is_empty():
        return [0] * count
    bins = ((times - begin) // max(int(width_s * 1e9), 1)).clip(0, count - 1)
    counted = dict(bins.value_counts().iter_rows())
    return [int(counted.get(index, 0)) for index in range(count)]
