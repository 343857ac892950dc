from pathlib import Path

import pytest

from reports.objectives import METRICS, ObjectiveError, load_policy, parse_objectives, parse_policy


@pytest.mark.parametrize(
    ("text", "key", "comparison", "threshold", "n_needed"),
    [
        ("lost == 0", "lost", "==", 0.0, 1),
        ("unfinished==0", "unfinished", "==", 0.0, 1),
        ("recovery < 6s", "recovery", "<", 6.0, 1),
        ("recovery <= 2.5 min", "recovery", "<=", 150.0, 1),
        ("p(95) job_time < 3s", "p(95) job_time", "<", 3.0, 60),
        ("p(99) job_time < 800ms", "p(99) job_time", "<", 0.8, 300),
        ("p( 99.9 ) job_time < 1h", "p(99.9) job_time", "<", 3600.0, 3000),
        ("max job_time < 1d", "max job_time", "<", 86_400.0, 1),
        ("success_rate > 99.9%", "success_rate", ">", 0.999, 3000),
        ("availability >= 99.95 %", "availability", ">=", 0.9995, 6000),
        ("unknown_share < 1%", "unknown_share", "<", 0.01, 300),
    ],
)
def test_an_objective_is_read_in_base_units_and_knows_how_many_samples_it_needs(
    text: str, key: str, comparison: str, threshold: float, n_needed: int
) -> None:
    (objective,) = parse_objectives([text], "scenario")
    assert (objective.key, objective.comparison, objective.n_needed) == (key, comparison, n_needed)
    assert objective.threshold == pytest.approx(threshold)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("lossed == 0", "no metric 'lossed'; allowed: " + ", ".join(METRICS)),
        ("recovery < 6", "unit none of recovery; allowed: ms, s, min, h, d"),
        ("recovery < 6 %", "unit % of recovery"),
        ("lost == 0s", "unit s of lost; allowed: none"),
        ("job_time < 3s", "job_time is a distribution; allowed: p(95) job_time, max job_time"),
        ("p(95) recovery < 3s", "recovery is one number and has no p(95)"),
        ("p(100) job_time < 3s", "allowed: above 0 and below 100, or max"),
        ("p(9.9.9) job_time < 3s", "quantile p(9.9.9)"),
        ("availability > 100%", "no number of samples shows 0 % or 100 %"),
        ("success_rate == 99%", "a ratio can't be shown to be equal"),
        ("lost = 0", "is not an objective; allowed: [p(QUANTILE) | max] METRIC"),
        ("", "is not an objective"),
    ],
)
def test_a_wrong_objective_says_what_is_allowed(text: str, says: str) -> None:
    with pytest.raises(ObjectiveError) as caught:
        parse_objectives(["lost == 0", text], "killed.py")
    (error,) = caught.value.errors
    assert error.startswith("killed.py: objectives[1]: ")
    assert says in error


def test_all_wrong_objectives_are_told_at_once() -> None:
    with pytest.raises(ObjectiveError) as caught:
        parse_objectives(["recovery < 6", "lost == 0", "nonsense", "p(0) lost == 1 %"], "killed.py")
    assert [error.split(": ")[1] for error in caught.value.errors] == [
        "objectives[0]",
        "objectives[2]",
        "objectives[3]",
        "objectives[3]",
        "objectives[3]",
    ]


def test_the_default_policy_is_the_audits() -> None:
    policy = load_policy()
    assert [(each.key, each.comparison, each.threshold, each.window_s) for each in policy.objectives] == [
        ("lost", "==", 0.0, None),
        ("success_rate", ">", 0.999, None),
        ("p(95) job_time", "<", 120.0, None),
        ("recovery", "<", 300.0, None),
        ("availability", ">", 0.9995, None),
        ("dead_letter_age", "<", 86_400.0, 86_400.0),
    ]
    assert {each.source for each in policy.objectives} == {"policy"}


def test_a_policys_objective_without_a_title_is_called_as_it_is_written() -> None:
    policy = parse_policy('name = "Ours"\n[[objective]]\nmust = "lost == 0"\n', "ours.toml")
    assert [each.text for each in policy.objectives] == ["lost == 0"]


def test_a_wrong_policy_tells_all_its_errors_with_their_keys() -> None:
    text = """
title = "x"
[[objective]]
must = 3
[[objective]]
title = 4
must = "lost == 0"
[[objective]]
must = "lossed == 0"
window = "3 parsecs"
limit = 1
"""
    with pytest.raises(ObjectiveError) as caught:
        parse_policy(text, "ours.toml")
    assert [error.split(": ")[1] for error in caught.value.errors] == [
        "title",
        "name",
        "objective[0].must",
        "objective[1].title",
        "objective[2].limit",
        "objective[2].must",
        "objective[2].window",
    ]
    assert all(error.startswith("ours.toml: ") for error in caught.value.errors)


@pytest.mark.parametrize(
    "text", ["", 'name = "x"', 'name = "x"\nobjective = 3', 'name = "x"\nobjective = [1]', "name ="]
)
def test_a_policy_without_objectives_is_refused(text: str) -> None:
    with pytest.raises(ObjectiveError, match=r"ours\.toml: "):
        parse_policy(text, "ours.toml")


def test_a_policy_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ObjectiveError, match=r"none\.toml: No such file"):
        load_policy(tmp_path / "none.toml")
