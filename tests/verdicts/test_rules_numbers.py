"""Unknown is no hiding place, numbers need samples, and what does not apply is not what is in doubt.

an unknown enqueue counts as unavailable, and its share is told       test_an_unknown_enqueue_is_not_available
an unknown in calm time is a finding, in a fault it is none           test_an_unknown_in_calm_time_is_a_finding
a ratio or quantile q needs n >= 3 / (1 - q)                          test_numbers_need_samples
zero samples never pass                                               test_no_sample_never_passes
a policy's objective short of samples is not judged, a scenario's
own is inconclusive; a window longer than the campaign: not judged    test_who_asks_decides_what_too_few_samples_mean
unfinished jobs count as infinite                                     test_a_job_that_never_ended_is_infinitely_slow
a target without dead letters: not applicable, not inconclusive       test_what_a_target_has_not_does_not_apply
a clause that nobody promised yields no finding                       test_what_nobody_promised_accuses_nobody
nothing to examine that the workload needs: inconclusive              test_nothing_where_something_is_needed
at most once: a kill may cost what it interrupts                      test_at_most_once_may_lose_what_a_kill_interrupts
and nothing may be run twice, for whatever reason                     test_at_most_once_may_never_run_it_twice
"""

from dataclasses import replace

import pytest
from stormproof_target import ABILITIES

from reports.evaluate import evaluate_all
from reports.objectives import parse_objectives
from reports.run_record import Metric
from reports.verdict import Verdict, worst
from scenarios.judge import CheckerJudgement, judge
from scenarios.metrics import Metrics
from tests.scenarios.histories import (
    PROMISE,
    SCENARIO,
    Lines,
    acked,
    answered,
    cut,
    history,
    killed,
    op,
    run,
    spawned,
    stall,
    state,
    target,
)

pytestmark = pytest.mark.unit

ONCE = replace(PROMISE, delivery="at_most_once")


def of(name: str, *lines: Lines, promise: object = PROMISE) -> CheckerJudgement:
    judgement = judge(history(*lines), promise, SCENARIO)  # type: ignore[arg-type]
    return next(each for each in judgement.checkers if each.name == name)


def metric(name: str, *lines: Lines) -> Metric:
    return next(each for each in Metrics(history(*lines), PROMISE, SCENARIO).all() if each.name == name)


def done(n: int) -> list[Lines]:
    return [
        line for index in range(n) for line in (acked(f"j{index}", index), run(f"j{index}", index + 0.1, index + 0.2))
    ]


# ---- unknown


def test_an_unknown_enqueue_is_not_available() -> None:
    told = (*done(9), answered("unknown", "u", 20))
    assert metric("availability", *told).value == pytest.approx(0.9)
    assert metric("availability_raw", *told).value == pytest.approx(0.9)
    assert metric("unknown_share", *told).value == pytest.approx(0.1)


def test_an_unknown_enqueue_in_a_fault_is_not_available_either_but_outside_of_calm() -> None:
    told = (*done(9), cut("producer", 19.5, 21), answered("unknown", "u", 20))
    assert metric("availability", *told).value == 1
    assert metric("availability_raw", *told).value == pytest.approx(0.9)


def test_an_unknown_in_calm_time_is_a_finding() -> None:
    assert of("unknown", answered("unknown", "u", 20)).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    "trouble",
    [cut("w1", 19, 20.5), stall("host", 19.9, 20.2), killed("w1", 19), cut("producer", 15, 17)],
    ids=["a fault", "a host that stood still", "a kill", "within the promised recovery"],
)
def test_an_unknown_in_trouble_is_none(trouble: Lines) -> None:
    assert of("unknown", *done(3), trouble, answered("unknown", "u", 20)).verdict is not Verdict.FAIL


# ---- samples


@pytest.mark.parametrize(
    ("text", "name", "unit", "value", "needed"),
    [
        ("p(95) job_time < 3s", "p(95) job_time", "s", 1.0, 60),
        ("p(99) job_time < 3s", "p(99) job_time", "s", 1.0, 300),
        ("availability >= 99.9%", "availability", "ratio", 1.0, 3000),
        ("success_rate > 99.95%", "success_rate", "ratio", 1.0, 6000),
        ("unknown_share < 1%", "unknown_share", "ratio", 0.0, 300),
        ("max job_time < 3s", "max job_time", "s", 1.0, 1),
        ("lost == 0", "lost", "jobs", 0.0, 1),
    ],
)
def test_numbers_need_samples(text: str, name: str, unit: str, value: float, needed: int) -> None:
    """However good the number is; one sample less than needed, and nothing is said."""
    objectives = parse_objectives([text], "test")
    for n, verdict in ((needed, Verdict.PASS), (needed - 1, Verdict.INCONCLUSIVE)):
        metrics = [Metric(name=name, value=value, unit=unit, n=n)]  # type: ignore[arg-type]
        (result,) = evaluate_all(objectives, metrics, 100)
        assert (result.verdict, result.n_needed) == (verdict, needed)


@pytest.mark.parametrize("text", ["p(95) job_time < 3s", "availability >= 99%", "recovery < 6s", "success_rate > 90%"])
def test_no_sample_never_passes(text: str) -> None:
    metrics = Metrics(history(), PROMISE, SCENARIO).all()
    (result,) = evaluate_all(parse_objectives([text], "test"), metrics, 100)
    assert result.verdict is Verdict.INCONCLUSIVE


def test_who_asks_decides_what_too_few_samples_mean() -> None:
    (own,) = parse_objectives(["p(95) job_time < 3s"], "test")
    policy = replace(own, source="policy")
    few = [Metric(name="p(95) job_time", value=1.0, unit="s", n=59)]
    many = [Metric(name="p(95) job_time", value=1.0, unit="s", n=60)]
    assert [each.verdict for each in evaluate_all([own, policy], few, 100)] == [
        Verdict.INCONCLUSIVE,
        Verdict.NOT_JUDGED,
    ]
    (long,) = evaluate_all([replace(policy, window_s=3600.0)], many, 100)
    assert long.verdict is Verdict.NOT_JUDGED
    assert worst([Verdict.PASS, Verdict.NOT_JUDGED, Verdict.NOT_APPLICABLE]) is Verdict.PASS


def test_a_job_that_never_ended_is_infinitely_slow() -> None:
    assert metric("max job_time", *done(3), acked("out", 5), state("out", "waiting")).value == float("inf")


# ---- what does not apply


def test_what_a_target_has_not_does_not_apply() -> None:
    told = (*done(1), state("j0", "finished"), target([each for each in ABILITIES if each != "dead_letters"]))
    assert of("dead_letters", *told).verdict is Verdict.NOT_APPLICABLE
    assert judge(history(*told), PROMISE, SCENARIO).verdict is Verdict.PASS


def test_what_nobody_promised_accuses_nobody() -> None:
    """The job ran twice; who has not said that it does not may do so."""
    twice = (acked("j", 0), run("j", 0.1, 0.2), run("j", 5, 5.1, on="w2"), state("j", "finished"))
    assert of("duplicates", *twice).verdict is Verdict.FAIL
    sources = {name: source for name, source in PROMISE.sources.items() if name != "repeats"}
    assert of("duplicates", *twice, promise=replace(PROMISE, sources=sources)).verdict is Verdict.NOT_APPLICABLE


def test_nothing_where_something_is_needed() -> None:
    assert of("lost").verdict is Verdict.INCONCLUSIVE
    assert of("backoff", *done(1)).verdict is Verdict.NOT_APPLICABLE


# ---- at most once


@pytest.mark.parametrize(
    ("name", "told", "verdict"),
    [
        ("a kill of its process", (run("j", 0.1), killed("w1", 0.5)), Verdict.PASS),
        ("a cut while it ran", (run("j", 0.1, 4, "cancelled"), cut("w1", 0.2, 3.5)), Verdict.PASS),
        ("nothing", (run("j", 0.1, 0.5, "cancelled"),), Verdict.FAIL),
        ("a kill of somebody else", (run("j", 0.1, 0.5, "cancelled"), killed("w2", 0.3)), Verdict.FAIL),
    ],
)
def test_at_most_once_may_lose_what_a_kill_interrupts(name: str, told: tuple[Lines, ...], verdict: Verdict) -> None:
    """And only that: with at-least-once each of these is lost."""
    lines = (acked("j", 0), *told, state("j", "absent"))
    assert of("lost", *lines, promise=ONCE).verdict is verdict, name
    assert of("lost", *lines).verdict is Verdict.FAIL, name


def test_at_most_once_may_lose_as_many_unseen_as_were_in_hand_at_kills() -> None:
    """A slot had one job each; two jobs that nobody started are one too many for one kill."""
    one = (acked("j", 0), killed("w1", 0.5), state("j", "absent"))
    assert of("lost", *one, promise=ONCE).verdict is Verdict.PASS
    two = (*one, acked("k", 0), state("k", "absent"))
    assert of("lost", *two, promise=ONCE).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("name", "between", "again"),
    [
        ("a kill", (killed("w1", 1.5), spawned("w1", 2, life=2)), True),
        ("an ended lease", (cut("w1", 1.2, 6),), True),
        ("an operator", (op("requeue", "j", 2),), False),
    ],
)
def test_at_most_once_may_never_run_it_twice(name: str, between: tuple[Lines, ...], *, again: bool) -> None:
    """What explains a repeat elsewhere explains none here, but for an operator who asked for it."""
    ends = 1.4 if name == "an operator" else None
    told = (acked("j", 0), run("j", 1, ends), *between, run("j", 5, 5.1, on="w2"), state("j", "finished"))
    assert (of("duplicates", *told, promise=ONCE).verdict is Verdict.FAIL) is again, name
    assert of("duplicates", *told).verdict is not Verdict.FAIL, name
