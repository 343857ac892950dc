"""Numbers of a history: what is counted, what is left out, and what an unfinished job does to a quantile."""

import math
from dataclasses import replace

import pytest
from stormproof_target import ABILITIES, BackoffPolicy
from stormproof_target.spec import fails

from reports.evaluate import evaluate_all
from reports.objectives import parse_objectives, quantiles
from reports.run_record import SERIES_BINS_MAX, Metric
from scenarios.history import History
from scenarios.metrics import Metrics
from scenarios.pool import pooled
from scenarios.samples import samples_needed
from scenarios.series import bin_width_s, marks, series
from tests.scenarios.histories import (
    PROMISE,
    SCENARIO,
    Lines,
    acked,
    answered,
    canary,
    cancelled,
    cut,
    fault,
    history,
    invoked,
    run,
    stall,
    state,
    target,
    with_policy,
)

pytestmark = pytest.mark.unit


def done(count: int, took: float = 0.1, every: float = 0.1, first: float = 0.0, name: str = "d") -> list[Lines]:
    """Jobs that end well ``took`` seconds after their intended time."""
    return [
        line
        for n in range(count)
        for line in (
            acked(f"{name}{n}", first + n * every),
            run(f"{name}{n}", first + n * every + took / 2, first + n * every + took, slot=50 + n),
            state(f"{name}{n}", "finished"),
        )
    ]


def measured(told: History, **more: object) -> dict[str, Metric]:
    return {metric.name: metric for metric in Metrics(told, PROMISE, SCENARIO, **more).all()}  # type: ignore[arg-type]


def test_a_quantile_that_an_objective_asks_for_is_measured() -> None:
    wanted = parse_objectives(["p(90) job_time < 3s", "p(99.9) job_time < 9s"], "test")
    metrics = Metrics(
        history(*done(18), acked("j", 0), acked("k", 0), state("j", "waiting"), state("k", "waiting")),
        PROMISE,
        SCENARIO,
    )
    for numbers in (metrics.all(quantiles(wanted)), pooled([metrics], quantiles(wanted))):
        told = {metric.name: metric.value for metric in numbers}
        assert told["p(90) job_time"] == pytest.approx(0.1)
        assert told["p(99.9) job_time"] == math.inf
        assert [each.measured for each in evaluate_all(wanted, numbers, 1)] == [pytest.approx(0.1), math.inf]


def test_a_job_that_never_ends_is_infinite_and_reaches_the_quantile_that_counts_it() -> None:
    told = measured(history(*done(19), acked("j", 0), state("j", "waiting")))
    assert told["p(95) job_time"].value == pytest.approx(0.1)
    assert told["p(99) job_time"].value == math.inf
    assert told["max job_time"].n == 20


def test_job_time_counts_from_the_intended_time() -> None:
    late = [*invoked("j", 3, intended=1), {**acked("j", 3)[1]}]
    assert measured(history(late, run("j", 3.5, 4)))["max job_time"].value == pytest.approx(3.0)


def test_lost_and_unfinished_are_different_things() -> None:
    told = measured(
        history(
            *done(3), acked("nowhere", 0), state("nowhere", "absent"), acked("lies", 0), state("lies", "waiting"),
            acked("late", 99), state("late", "waiting"),
            acked("doomed", 98.5, spec=fails()), state("doomed", "waiting"),
            answered("unknown", "who", 1), state("who", "absent"),
        )
    )  # fmt: skip
    assert (told["lost"].value, told["lost"].n) == (2, 7)
    assert told["unfinished"].value == 2
    assert "1 of them must end as dead letters" in told["unfinished"].details


def test_what_the_store_forgot_is_neither_unfinished_nor_unsuccessful() -> None:
    loss = (canary(1, 0), canary(2, 3, missing=True), canary(3, 6, missing=True), canary(4, 9))
    told = measured(history(*loss, *done(3), acked("forgotten", 4), state("forgotten", "absent")))
    assert (told["lost"].value, told["lost"].details) == (0, "0 undecided, 1 lost by the store")
    assert told["unfinished"].value == 0
    assert (told["success_rate"].value, told["success_rate"].n) == (1.0, 3)


def test_what_an_operator_called_off_has_no_time_and_what_ended_all_the_same_has_one() -> None:
    off = (acked("off", 0), cancelled("off", 1), state("off", "cancelled"))
    late = (acked("late", 0), run("late", 0.5, 4), cancelled("late", 1, "requested"), state("late", "finished"))
    told = measured(history(*done(3), *off, *late))
    assert told["max job_time"].value == pytest.approx(4.0)
    assert told["max job_time"].n == 4
    assert (told["success_rate"].value, told["unfinished"].value) == (1.0, 0)


def test_a_dead_letter_is_finished_and_not_successful() -> None:
    doomed = [run("j", t, t + 0.1, "error") for t in (1, 3, 6)]
    told = measured(history(acked("j", 0, spec=fails()), *doomed, state("j", "dead"), *done(4)))
    assert told["unfinished"].value == 0
    assert (told["success_rate"].value, told["success_rate"].n) == (1.0, 4)  # it can't succeed, so it is not counted
    assert told["dead_letter_age"].value == pytest.approx(100 - 6.1, abs=0.01)


def test_a_queue_without_dead_letters_is_done_with_what_failed_as_often_as_it_may() -> None:
    bare = target(set(ABILITIES) - {"dead_letters"})
    doomed = [run("j", t, t + 0.1, "error") for t in (1, 3, 6)]
    assert measured(history(bare, acked("j", 0, spec=fails()), *doomed, state("j", "absent")))["unfinished"].value == 0


def test_availability_is_shown_raw_and_outside_the_faults_windows() -> None:
    told = measured(
        history(
            *done(10, first=0), answered("unknown", "a", 20), answered("rejected", "b", 20.5),
            acked("c", 21, answered=23.5),
            *done(4, first=60, name="e"), answered("rejected", "d", 61), fault("down", 19, 22, "cut"),
        )
    )  # fmt: skip
    assert told["availability"].value == pytest.approx(14 / 15)
    assert told["availability"].n == 15
    assert told["availability_raw"].value == pytest.approx(14 / 18)
    assert told["availability_raw"].n == 18
    assert told["unknown_share"].value == pytest.approx(1 / 18)


def test_what_the_producer_began_late_was_not_available_and_is_told() -> None:
    late = [*invoked("j", 3, intended=1), {**acked("j", 3)[1]}]
    told = measured(history(*done(9, first=10), late))
    assert told["availability"].n == 10
    assert told["availability"].value == pytest.approx(0.9)
    assert "1 enqueues were begun late" in told["availability"].details
    assert told["generator_lag"].value == pytest.approx(2.0)


def test_jobs_that_warmed_the_system_up_are_no_load() -> None:
    told = history(acked("warm", -0.5), run("warm", -0.4, -0.3), *done(3))
    assert measured(told)["lost"].n == 4  # safety is judged for every job
    assert measured(told)["max job_time"].n == 3


def test_recovery_is_the_last_late_job_s_end_after_the_heal() -> None:
    told = history(
        *done(70), *done(30, first=30, name="after"), fault("down", 20, 22, "cut", ["w1"]),
        acked("late", 20.5), run("late", 25, 25.5, on="w2", slot=2),
    )  # fmt: skip
    recovery = measured(told)["recovery"]
    assert recovery.value == pytest.approx(3.5)
    assert not recovery.lower_bound
    assert recovery.n == 30
    mark = marks(told, Metrics(told, PROMISE, SCENARIO)).recovery
    assert mark is not None
    assert mark.from_s == pytest.approx(22)
    assert mark.to_s == pytest.approx(25.5)


def test_no_late_job_is_a_recovery_of_zero() -> None:
    told = history(*done(70), *done(30, first=30, name="after"), fault("down", 20, 22, "cut", ["w1"]))
    assert measured(told)["recovery"].value == 0


def test_a_job_still_out_makes_recovery_a_lower_bound() -> None:
    told = history(
        *done(70), *done(30, first=30, name="after"), fault("down", 20, 22, "cut", ["w1"]), acked("out", 20.5),
        state("out", "waiting"),
    )  # fmt: skip
    recovery = measured(told)["recovery"]
    assert recovery.value == pytest.approx(78)
    assert recovery.lower_bound


def test_a_job_s_own_backoff_does_not_make_it_late() -> None:
    slow = replace(SCENARIO, policy=with_policy(backoff=BackoffPolicy("fixed", 10.0, 10.0, "none")).policy)
    told = history(
        *done(70), *done(30, first=40, name="after"), fault("down", 20, 22, "cut", ["w1"]),
        acked("j", 21, spec=fails(times=1)), run("j", 22, 22.1, "error", on="w2"), run("j", 32.2, 32.3, on="w2"),
    )  # fmt: skip
    own = {metric.name: metric for metric in Metrics(told, PROMISE, slow).all()}
    assert own["recovery"].value == 0


@pytest.mark.parametrize(("calm", "after", "says"), [(10, 25, "fewer than 60 jobs"), (70, 5, "arrivals")])
def test_recovery_is_not_measured_by_too_few_jobs(calm: int, after: int, says: str) -> None:
    told = history(*done(calm), *done(after, first=30, name="after"), fault("down", 20, 22, "cut", ["w1"]))
    recovery = measured(told)["recovery"]
    assert recovery.value is None
    assert says in recovery.details


def test_calm_jobs_may_come_from_another_scenario() -> None:
    told = history(
        *done(5),
        *done(30, first=30, name="after"),
        cut("w1", 20, 22),
        acked("late", 20.5),
        run("late", 25, 25.5, on="w2"),
    )
    assert measured(told)["recovery"].value is None
    assert measured(told, calm_p95_s=0.1)["recovery"].value == pytest.approx(3.5)


def test_without_calm_jobs_the_median_tells_what_is_late() -> None:
    told = history(
        *done(100, took=0.2), fault("down", 0.5, 5, "cut", ["w1"]), acked("late", 4), run("late", 8, 8.5, on="w2")
    )
    assert measured(told)["recovery"].value == pytest.approx(3.5)


def test_a_quantile_is_told_again_without_samples_that_a_foreign_stall_touched() -> None:
    told = measured(history(*done(60), acked("j", 50), run("j", 55, 56), stall("host", 51, 54, "steal")))
    rest = told["max job_time"].without_stalls
    assert told["max job_time"].value == pytest.approx(6)
    assert rest is not None
    assert rest.value == pytest.approx(0.1)
    assert rest.n == 60


@pytest.mark.parametrize(("q", "n"), [(0.95, 60), (0.99, 300), (0.999, 3000), (0.9995, 6000), (1.0, 1)])
def test_samples_needed(q: float, n: int) -> None:
    assert samples_needed(q) == n


def test_the_plot_s_series_add_up_and_are_bounded() -> None:
    told = history(*done(40, every=1.0, took=2.0), acked("j", 5), state("j", "waiting"))
    drawn = series(told, Metrics(told, PROMISE, SCENARIO))
    assert drawn is not None
    assert sum(drawn.arrivals) == 41
    assert sum(drawn.completions) == 40
    assert drawn.backlog[-1] == 1
    assert len(drawn.edges_s) == len(drawn.arrivals) + 1 <= SERIES_BINS_MAX + 1


@pytest.mark.parametrize("lasted_s", [0.5, 8, 39.9, 40, 1e3, 1e5, 1e8])
def test_no_run_is_too_long_for_a_plot(lasted_s: float) -> None:
    assert lasted_s / bin_width_s(lasted_s) <= SERIES_BINS_MAX


def test_an_empty_history_measures_nothing() -> None:
    told = measured(history())
    assert told["p(95) job_time"].value is None
    assert told["success_rate"].value is None
    assert series(history(), Metrics(history(), PROMISE, SCENARIO)) is None
