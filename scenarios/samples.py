"""Samples behind numbers: which jobs with which times, quantiles of them, and how many a number needs."""

import math
from typing import TYPE_CHECKING

import polars as pl
from stormproof_target import Promise

from reports.run_record import Metric
from scenarios.history_types import FOREVER, ns, s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario


def samples_needed(q: float) -> int:
    """Samples without which a quantile or ratio ``q`` says nothing: 3 / (1 - q); 1 for a maximum."""
    return 1 if q >= 1 else math.ceil(round(3 / (1 - q), 6))


def quantile_s(jobs: pl.DataFrame, q: float, column: str = "time") -> float | None:
    """Nearest-rank quantile in seconds: the smallest time that at least ``q`` of the jobs do not exceed."""
    if jobs.is_empty():
        return None
    rank = min(max(math.ceil(q * jobs.height) - 1, 0), jobs.height - 1)
    value = int(jobs[column].sort()[rank])
    return math.inf if value >= FOREVER // 2 else s(value)


def share(name: str, sample: pl.DataFrame, details: str) -> Metric:
    """The share of the ``sample`` that is ``in_time``; not measured where the sample is empty."""
    n = sample.height
    return Metric(name=name, value=int(sample["in_time"].sum()) / n if n else None, unit="ratio", n=n, details=details)


def timed(history: "History", promise: Promise, scenario: "Scenario") -> pl.DataFrame:
    """Jobs with ``can_succeed``, ``done`` (``FOREVER``: never), ``time``, ``own_time`` without delays and backoffs."""
    policy = scenario.policy
    able = (pl.col("kind") == "succeed") | (
        (pl.col("kind") == "fail") & (pl.col("times") > 0) & (pl.col("times") < policy.max_attempts)
    )
    exact = history.can("backoff")
    waits, total = {0: 0}, 0
    for k in range(1, policy.max_attempts + 1):
        _, most_s = policy.backoff.bounds_s(k)
        total += ns((most_s if exact else math.ceil(most_s)) + promise.start_gap_s + promise.sweep_s)
        waits[k] = total
    own = pl.col("delay") + pl.col("n_failed").clip(0, policy.max_attempts).replace_strict(waits, return_dtype=pl.Int64)
    time = pl.when(pl.col("done") >= FOREVER).then(FOREVER).otherwise(pl.col("done") - pl.col("intended"))
    return (
        history.jobs.lazy()
        .filter(pl.col("invoked") >= history.begin)  # what warmed the system up is no load
        .with_columns(can_succeed=able, done=pl.col("first_ok_end").fill_null(FOREVER))
        .with_columns(time=time)
        .with_columns(own_time=pl.col("time") - own)
        .collect()
    )
