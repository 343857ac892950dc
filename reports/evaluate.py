"""Objectives: evaluation. One objective and one metric become one verdict by the first of these rules that holds.

1. The objective's window is longer than the campaign: not judged.
2. Not measured, or fewer samples than needed: not judged for a policy's, inconclusive for a scenario's own.
   Zero samples never pass.
3. Only a lower bound is known: what it already decides is decided; else inconclusive.
4. A time that is missed is judged again without the samples that a stall of the host touched: missed again,
   fail; met then, or fewer than 90 % of the samples left, inconclusive.
5. The comparison. Unfinished jobs are infinite, so a quantile that reaches them fails.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from reports.objectives import Objective
from reports.run_record import Comparison, Metric, ObjectiveResult
from reports.verdict import Verdict
from reports.words import limit

SAMPLES_LEFT_MIN: Final = 0.9
_HOLDS: Final[Mapping[Comparison, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}


def evaluate_all(
    objectives: Iterable[Objective], metrics: Iterable[Metric], campaign_s: float
) -> tuple[ObjectiveResult, ...]:
    """Each objective against the metric of its ``key``; ``campaign_s``: how long the history is."""
    by_name = {metric.name: metric for metric in metrics}
    return tuple(evaluate(objective, by_name.get(objective.key), campaign_s) for objective in objectives)


def evaluate(objective: Objective, metric: Metric | None, campaign_s: float) -> ObjectiveResult:
    """One objective. ``metric`` None: the history has no such number. Raises ``ValueError`` if it is another metric."""
    if metric is not None and (metric.name, metric.unit) != (objective.key, objective.unit):
        raise ValueError(f"{objective.key} in {objective.unit} can't be judged by {metric.name} in {metric.unit}")
    verdict, note = _judge(objective, metric, campaign_s)
    return ObjectiveResult(
        text=objective.text,
        metric=objective.key,
        comparison=objective.comparison,
        threshold=objective.threshold,
        unit=objective.unit,
        measured=metric.value if metric else None,
        n=metric.n if metric else 0,
        n_needed=objective.n_needed,
        verdict=verdict,
        lower_bound=metric.lower_bound if metric else False,
        note=note,
        source=objective.source,
    )


def _judge(objective: Objective, metric: Metric | None, campaign_s: float) -> tuple[Verdict, str]:
    short = Verdict.NOT_JUDGED if objective.source == "policy" else Verdict.INCONCLUSIVE
    window_s = max(objective.window_s or 0.0, (metric.window_s if metric else None) or 0.0)
    if window_s > campaign_s:
        return Verdict.NOT_JUDGED, f"window of {limit(window_s, 's')} is longer than this run of {campaign_s:.0f} s"
    if metric is None or metric.value is None:
        return short, (metric.details if metric else "") or "not measured"
    if metric.n < objective.n_needed:
        return short, f"needs n ≥ {objective.n_needed:,}"
    met = _HOLDS[objective.comparison](metric.value, objective.threshold)
    verdict, note = Verdict.PASS if met else Verdict.FAIL, metric.details
    if metric.lower_bound:
        verdict, note = _judge_lower_bound(objective, metric, met=met)
    if verdict is Verdict.FAIL and objective.unit == "s" and metric.without_stalls is not None:
        return _judge_without_stalls(objective, metric)
    return verdict, note


def _judge_lower_bound(objective: Objective, metric: Metric, *, met: bool) -> tuple[Verdict, str]:
    """The true value is at least the measured one: it may leave a range below the limit, never return into it."""
    note = f"lower bound: {metric.details}" if metric.details else "lower bound: the run ended first"
    if objective.comparison in {">", ">="}:
        return (Verdict.PASS if met else Verdict.INCONCLUSIVE), note
    undecided = met or (metric.value or 0.0) < objective.threshold
    return (Verdict.INCONCLUSIVE if undecided else Verdict.FAIL), note


def _judge_without_stalls(objective: Objective, metric: Metric) -> tuple[Verdict, str]:
    rest = metric.without_stalls
    if rest is None or rest.n == metric.n:
        return Verdict.FAIL, metric.details
    if rest.n < SAMPLES_LEFT_MIN * metric.n or rest.value is None:
        return Verdict.INCONCLUSIVE, f"the host stalled: only {rest.n:,} of {metric.n:,} samples are free of it"
    if _HOLDS[objective.comparison](rest.value, objective.threshold):
        return Verdict.INCONCLUSIVE, f"met in the {rest.n:,} of {metric.n:,} samples that no stall of the host touched"
    return Verdict.FAIL, f"missed without the host's stalls too, n {rest.n:,}"
