"""Metrics over all scenarios of a target, for the objectives of a policy. Samples are pooled, not averaged."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import polars as pl

from reports.objectives import metric_key
from reports.run_record import Metric, Remainder
from scenarios.metrics import QUANTILES, Metrics
from scenarios.samples import quantile_s

DEAD_LETTER_WINDOW_S: Final = 24 * 3600.0
SUMMED: Final = ("lost", "unfinished")
SHARES: Final = ("success_rate", "availability", "availability_raw", "unknown_share")


def pooled(scenarios: Sequence[Metrics], quantiles: Iterable[float] = ()) -> tuple[Metric, ...]:
    """One metric a name; ``scenarios`` are those of one target. ``quantiles`` of job time besides the usual ones."""
    each = [{metric.name: metric for metric in metrics.all()} for metrics in scenarios]
    return (
        *(_sum([named[name] for named in each]) for name in SUMMED),
        *(_share([named[name] for named in each]) for name in SHARES),
        *_job_times(scenarios, quantiles),
        _slowest_recovery([named["recovery"] for named in each]),
        Metric(
            name="dead_letter_age",
            value=None,
            unit="s",
            n=0,
            window_s=DEAD_LETTER_WINDOW_S,
            details="a dead letter must be able to grow old",
        ),
    )


def _sum(metrics: Sequence[Metric]) -> Metric:
    first = metrics[0]
    total = sum(metric.value or 0 for metric in metrics)
    return Metric(name=first.name, value=total, unit=first.unit, n=sum(metric.n for metric in metrics))


def _share(metrics: Sequence[Metric]) -> Metric:
    n = sum(metric.n for metric in metrics)
    good = sum(round((metric.value or 0) * metric.n) for metric in metrics)
    return Metric(name=metrics[0].name, value=good / n if n else None, unit="ratio", n=n)


def _job_times(scenarios: Sequence[Metrics], quantiles: Iterable[float]) -> Iterator[Metric]:
    able = pl.concat([metrics.able.select("time") for metrics in scenarios])
    free = pl.concat([metrics.able.filter(metrics.untouched).select("time") for metrics in scenarios])
    for q in sorted({*QUANTILES, *quantiles, 1.0}):
        name = metric_key("job_time", q)
        rest = Remainder(value=quantile_s(free, q), n=free.height) if free.height < able.height else None
        yield Metric(name=name, value=quantile_s(able, q), unit="s", n=able.height, without_stalls=rest)


def _slowest_recovery(metrics: Sequence[Metric]) -> Metric:
    """Of those that were measured; how many were not is said."""
    with_faults = [metric for metric in metrics if metric.n or metric.value is not None]
    measured = [metric for metric in with_faults if metric.value is not None]
    if not measured:
        return Metric(name="recovery", value=None, unit="s", n=0, details="no recovery was measured")
    slowest = max(measured, key=lambda metric: metric.value or 0.0)
    missing = len(with_faults) - len(measured)
    return Metric(
        name="recovery",
        value=slowest.value,
        unit="s",
        n=sum(metric.n for metric in measured),
        lower_bound=any(metric.lower_bound for metric in measured),
        details=f"not measured in {missing} scenarios" if missing else "",
        without_stalls=_without_stalls(measured),
    )


def _without_stalls(measured: Sequence[Metric]) -> Remainder | None:
    """The slowest again, each as it was without what a stall of the host touched."""
    if all(metric.without_stalls is None for metric in measured):
        return None
    rest = [metric.without_stalls or metric for metric in measured]
    return Remainder(
        value=max(each.value or 0.0 for each in rest),
        n=sum(each.n for each in rest),
        lower_bound=any(each.lower_bound for each in rest),
    )
