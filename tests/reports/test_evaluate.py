import math

import pytest

from reports.evaluate import evaluate, evaluate_all
from reports.objectives import Objective, load_policy, parse_objectives
from reports.run_record import Metric, Remainder, Unit
from reports.verdict import Verdict

P, F, INC, NJ = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.NOT_JUDGED
CAMPAIGN_S = 60.0


def own(text: str) -> Objective:
    return parse_objectives([text], "test")[0]


def policys(key: str) -> Objective:
    return next(each for each in load_policy().objectives if each.key == key)


def judged(text: str, value: float | None, n: int, *, lower_bound: bool = False) -> Verdict:
    objective = own(text)
    metric = Metric(name=objective.key, value=value, unit=objective.unit, n=n, lower_bound=lower_bound)
    return evaluate(objective, metric, CAMPAIGN_S).verdict


@pytest.mark.parametrize(
    ("text", "value", "n", "verdict"),
    [
        ("lost == 0", 0, 1, P),
        ("lost == 0", 1, 612, F),
        ("lost == 0", 0, 0, INC),
        ("recovery < 6s", 5.99, 100, P),
        ("recovery < 6s", 6.0, 100, F),
        ("recovery <= 6s", 6.0, 100, P),
        ("recovery < 6s", None, 100, INC),
        ("recovery < 6s", 0.0, 0, INC),
        ("p(95) job_time < 3s", 1.0, 59, INC),
        ("p(95) job_time < 3s", 1.0, 60, P),
        ("p(95) job_time < 3s", 9.0, 59, INC),
        ("p(95) job_time < 3s", math.inf, 60, F),
        ("success_rate > 99.9%", 1.0, 2_999, INC),
        ("success_rate > 99.9%", 1.0, 3_000, P),
        ("success_rate > 99.9%", 0.999, 3_000, F),
        ("availability > 99%", 0.985, 300, F),
    ],
)
def test_a_scenarios_own_objective(text: str, value: float | None, n: int, verdict: Verdict) -> None:
    assert judged(text, value, n) is verdict


@pytest.mark.parametrize(
    ("text", "value", "verdict"),
    [
        ("recovery < 6s", 5.0, INC),  # it may yet have become 6
        ("recovery < 6s", 15.1, F),  # it was more than 6 already
        ("lost == 0", 0, INC),
        ("lost == 0", 2, F),
        ("success_rate > 90%", 0.95, P),  # it can only grow
        ("success_rate > 90%", 0.5, INC),
    ],
)
def test_a_lower_bound_decides_only_what_it_can(text: str, value: float, verdict: Verdict) -> None:
    assert judged(text, value, 10_000, lower_bound=True) is verdict


@pytest.mark.parametrize("key", ["success_rate", "availability", "p(95) job_time"])
def test_a_policys_objective_short_of_samples_is_not_judged(key: str) -> None:
    objective = policys(key)
    metric = Metric(name=key, value=1.0, unit=objective.unit, n=objective.n_needed - 1)
    result = evaluate(objective, metric, CAMPAIGN_S)
    assert result.verdict is NJ
    assert result.note == f"needs n ≥ {objective.n_needed:,}"


def test_what_was_not_measured_is_not_judged_by_a_policy_and_inconclusive_for_a_scenario() -> None:
    assert evaluate(policys("recovery"), None, CAMPAIGN_S).verdict is NJ
    assert evaluate(own("recovery < 6s"), None, CAMPAIGN_S).verdict is INC


def test_a_window_longer_than_the_campaign_is_not_judged_and_says_so() -> None:
    metric = Metric(name="dead_letter_age", value=1.0, unit="s", n=12)
    result = evaluate(policys("dead_letter_age"), metric, CAMPAIGN_S)
    assert (result.verdict, result.note) == (NJ, "window of 24 h is longer than this run of 60 s")
    assert evaluate(policys("dead_letter_age"), metric, 86_400.0).verdict is P


def test_a_metric_may_bring_its_own_window() -> None:
    metric = Metric(name="lost", value=0, unit="jobs", n=9, window_s=61.0)
    assert evaluate(own("lost == 0"), metric, CAMPAIGN_S).verdict is NJ


@pytest.mark.parametrize(
    ("rest", "verdict"),
    [
        (Remainder(value=9.0, n=95), F),  # missed without the stalls too
        (Remainder(value=1.0, n=95), INC),  # the host may have been the cause
        (Remainder(value=1.0, n=89), INC),  # too little left to tell
        (Remainder(value=9.0, n=89), INC),
        (Remainder(value=1.0, n=100), F),  # no sample was touched: nothing to excuse
        (None, F),
    ],
)
def test_a_noisy_host_excuses_only_what_its_stalls_explain(rest: Remainder | None, verdict: Verdict) -> None:
    metric = Metric(name="p(95) job_time", value=9.0, unit="s", n=100, without_stalls=rest)
    assert evaluate(own("p(95) job_time < 3s"), metric, CAMPAIGN_S).verdict is verdict


def test_a_noisy_host_excuses_no_count() -> None:
    metric = Metric(name="lost", value=1, unit="jobs", n=100, without_stalls=Remainder(value=0, n=95))
    assert evaluate(own("lost == 0"), metric, CAMPAIGN_S).verdict is F


@pytest.mark.parametrize("text", ["lost == 0", "p(95) job_time < 3s", "success_rate > 50%", "recovery < 6s"])
@pytest.mark.parametrize("value", [0.0, 1.0, None])
def test_zero_samples_never_pass(text: str, value: float | None) -> None:
    assert judged(text, value, 0) is not P


@pytest.mark.parametrize(("name", "unit"), [("unfinished", "jobs"), ("lost", "s")])
def test_another_metric_is_a_mistake_of_the_caller(name: str, unit: Unit) -> None:
    with pytest.raises(ValueError, match="can't be judged by"):
        evaluate(own("lost == 0"), Metric(name=name, value=0, unit=unit, n=1), CAMPAIGN_S)


def test_each_objective_finds_its_metric_by_name() -> None:
    metrics = [Metric(name="p(95) job_time", value=1.0, unit="s", n=99), Metric(name="lost", value=0, unit="jobs", n=9)]
    results = evaluate_all(parse_objectives(["lost == 0", "recovery < 6s", "p(95) job_time < 3s"], ""), metrics, 60.0)
    assert [result.verdict for result in results] == [P, INC, P]
    assert [result.n for result in results] == [9, 0, 99]
