"""The smallest histories by which the model once found a false alarm; each is lawful, and its neighbour is not."""

from dataclasses import replace

import pytest
from stormproof_target import Policy, Promise
from stormproof_target.spec import exits, fails, kills_worker

from scenarios.judge import judge
from scenarios.scenario import Scenario
from tests.scenarios.histories import (
    POLICY,
    PROMISE,
    SCENARIO,
    Lines,
    acked,
    cut,
    exited,
    history,
    op,
    pid_of,
    run,
    signal,
    spawned,
    state,
)

pytestmark = pytest.mark.unit

AT_MOST_ONCE = replace(PROMISE, delivery="at_most_once", lease_s=float("inf"), heartbeat_s=0.0, margin_s=0.0)
RATED = replace(PROMISE, rate_n=1, rate_window_s=2.0, sources={**PROMISE.sources, "rate": PROMISE.sources["delivery"]})
WITHOUT_STOPS = replace(PROMISE, stop_is_a_cause=False)


def failed(promise: Promise, *told: Lines, policy: Policy = POLICY) -> tuple[str, ...]:
    scenario: Scenario = replace(SCENARIO, policy=policy)
    return judge(history(*told), promise, scenario).failed


def crashed(*times: float) -> Lines:
    spec = [run("j", t, attempt=1, slot=10 + n) + exited("w1", t + 0.03, slot=10 + n, status=1)
            for n, t in enumerate(times)]  # fmt: skip
    return [line for each in spec for line in each]


def failing(*times: float) -> Lines:
    return [line for n, t in enumerate(times, start=1) for line in run("j", t, t + 0.05, "error", attempt=n)]


REQUEUED_AFTER_ITS_ATTEMPTS = (
    acked("j", 0, spec=fails()), *(run("j", t, t + 0.05, "error", attempt=1 + n % 3) for n, t in
                                   enumerate((0.1, 1.0, 2.0, 5.1, 6.0, 7.0))),
    state("j", "dead", attempts=3),
)  # fmt: skip
CRASHED_IN_TWO_ROUNDS = (
    acked("j", 0, spec=exits(status=1)), crashed(0.1, 0.3, 0.5, 5.1, 5.3, 5.5),
    state("j", "dead", reason="crashed", attempts=3),
)  # fmt: skip
HELD_BY_A_RATE = (
    acked("j", 0, spec=fails(times=1)), run("j", 0.1, 0.2, "error", attempt=1), run("j", 2.3, 2.4, attempt=2),
    state("j", "finished"),
)  # fmt: skip
FETCHED_AHEAD = (
    acked("i", 0), acked("j", 0), acked("k", 2.1), acked("l", 2.1),
    run("i", 0.1, 1.5), run("j", 1.55, 1.6), run("k", 2.15, 2.3, on="w2"), run("l", 2.16, 2.3, on="w2", slot=2),
    *(state(job, "finished") for job in "ijkl"),
)  # fmt: skip
CUT_ON_ITS_WAY = (acked("j", 1), cut("w1", 0.9, 1.4), state("j", "absent"))
IN_HAND_OF_ONE_THAT_DIED = (
    acked("i", 0, spec=exits(status=1)), acked("j", 0), run("i", 0.1), exited("w1", 0.3, status=1),
    state("i", "absent"), state("j", "absent"),
)  # fmt: skip
CANCELLED_IN_ITS_LAST_ATTEMPT = (
    acked("j", 0, spec=fails()), failing(0.1, 0.5, 1.2), op("cancel", "j", 1.22), state("j", "cancelled"),
)  # fmt: skip


def test_a_requeue_by_an_operator_begins_every_count_anew() -> None:
    once = replace(PROMISE, max_crashes=3)
    for told in (REQUEUED_AFTER_ITS_ATTEMPTS, CRASHED_IN_TWO_ROUNDS):
        assert "attempts" in failed(once, *told)
        assert not failed(once, *told, op("requeue", "j", 5.0))


def test_a_limit_that_holds_a_retry_back_is_no_late_retry() -> None:
    policy = replace(POLICY, backoff=replace(POLICY.backoff, kind="fixed", base_s=0.2, jitter="none"))
    assert failed(replace(PROMISE, claim_s=0.5), *HELD_BY_A_RATE, policy=policy) == ("backoff",)
    limited = replace(policy, rate_n=1, rate_window_s=2.0)
    assert not failed(replace(RATED, claim_s=0.5), *HELD_BY_A_RATE, policy=limited)


def test_what_a_slot_had_in_hand_may_have_been_granted_long_before_it_started() -> None:
    assert failed(replace(RATED, rate_n=2), *FETCHED_AHEAD) == ("rate",)
    assert not failed(replace(RATED, rate_n=2, prefetch=2), *FETCHED_AHEAD)


def test_at_most_once_a_cut_or_an_ended_process_costs_what_was_in_hand() -> None:
    for told in (CUT_ON_ITS_WAY, IN_HAND_OF_ONE_THAT_DIED):
        assert "lost" in failed(PROMISE, *told)
    assert not failed(AT_MOST_ONCE, *CUT_ON_ITS_WAY)
    assert "lost" not in failed(replace(AT_MOST_ONCE, prefetch=2), *IN_HAND_OF_ONE_THAT_DIED)


def test_what_an_operator_wanted_ended_is_no_missing_dead_letter() -> None:
    uncancelled = [line for each in CANCELLED_IN_ITS_LAST_ATTEMPT for line in each if line["e"] != "op"]
    assert "lost" in failed(PROMISE, uncancelled)
    assert not failed(PROMISE, *CANCELLED_IN_ITS_LAST_ATTEMPT)


def test_a_stop_excuses_an_ended_process_only_where_it_is_a_cause() -> None:
    told = (
        acked("j", 0), run("j", 0.1), signal("w1", 0.3, "TERM", slot=0), exited("w1", 0.6),
        run("j", 3.0, 3.1, on="w2", fence=0), state("j", "finished"),
    )  # fmt: skip
    assert not failed(PROMISE, *told)
    assert failed(WITHOUT_STOPS, *told) == ("timeouts",)


def taking_its_worker(*times: float) -> Lines:
    told: Lines = []
    for life, t in enumerate(times, start=1):
        told += spawned("w1", t - 0.5, life=life) if life > 1 else []
        told += run("j", t, attempt=1, life=life)
        told += exited("w1", t + 0.1, life=life) + exited("w1", t + 0.1, life=life, slot=0)
    return told


def test_a_death_whose_lease_is_not_over_when_states_are_read_makes_no_dead_letter_yet() -> None:
    told = acked("j", 0, spec=kills_worker()), taking_its_worker(1, 5, 9, 13)
    last = spawned("w1", 14, life=5)
    early, late = state("j", "running", at=16.5), state("j", "running", at=30)
    assert not failed(PROMISE, *told, last, early)
    assert "dead_letters" in failed(PROMISE, *told, last, late)


def test_a_slot_that_we_killed_first_did_not_take_its_worker_with_it() -> None:
    told = [acked("j", 0, spec=kills_worker()), taking_its_worker(1, 5, 9, 13), spawned("w1", 14, life=5)]
    told.append(state("j", "running", at=30))
    ours = signal("w1", 5.05, "KILL", life=2)
    assert "dead_letters" in failed(PROMISE, *told)
    assert "dead_letters" not in failed(PROMISE, *told, ours)


def test_a_process_that_ended_before_its_worker_did_not_take_it_with_it() -> None:
    told = [acked("j", 0, spec=kills_worker()), taking_its_worker(1, 5, 9, 13), spawned("w1", 14, life=5)]
    told.append(state("j", "running", at=30))
    alone = [{**line, "t": line["t"] - 50_000_000, "lo_ns": line["lo_ns"] - 50_000_000}
             if line["e"] == "exited" and line["pid"] == pid_of("w1", 2) else line
             for each in told for line in each]  # fmt: skip
    assert "dead_letters" in failed(PROMISE, *told)
    assert "dead_letters" not in failed(PROMISE, alone)
