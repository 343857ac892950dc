"""Situations: the grammar, with all errors at once, and what each word counts."""

import pytest
from stormproof_target.spec import exits, fails, hangs

from scenarios.history import History
from scenarios.moments import MOMENTS
from scenarios.situations import SITUATIONS, evaluate_situations, situation_errors
from tests.scenarios.histories import (
    PROMISE,
    SCENARIO,
    acked,
    answered,
    canary,
    count,
    exited,
    fault,
    frozen,
    granted,
    history,
    killed,
    run,
    state,
)

pytestmark = pytest.mark.unit

TOLD = history(
    acked("ok", 0), run("ok", 0.1, 0.2),
    acked("flaky", 0, spec=fails(times=1)), run("flaky", 0.3, 0.4, "error"), run("flaky", 1, 1.1),
    acked("slow", 0, spec=hangs()), run("slow", 2, 3, "timeout", slot=2),
    acked("deaf", 0, spec=hangs(in_c=True)), run("deaf", 2, on="w2", slot=3), exited("w2", 3.5, slot=3),
    acked("bad", 0, spec=exits()), run("bad", 2, on="w2", slot=4), exited("w2", 2.01, slot=4), state("bad",
    "dead", reason="crashed"),
    acked("zombie", 4), run("zombie", 4.4, 9.2), frozen("w1", 4.5, 9), run("zombie", 7, 7.1, on="w2"),
    acked("hit", 10), run("hit", 10.1, on="w2", slot=5), fault("kill_slot-2", 10.15, 10.5, "kill", ["w2"],
    kind="kill slot"),
    killed("w2", 10.2, slots=(5,)), run("hit", 10.4, 10.5, on="w2", slot=6),
    granted(10, 11), count(2, 10), count(3, 11), count(1, 12),
    answered("unknown", "gone", 10.3), answered("rejected", "no", 20),
)  # fmt: skip

EXPECTED = {
    "runs": 10,
    "retries": 3,
    "acknowledged": 7,
    "enqueues not acknowledged": 2,
    "dead letters": 1,
    "timeouts": 2,
    "soft timeouts": 1,
    "hard kills by timeout": 1,
    "crashes": 3,
    "most leases at once": 3,
    "grants known": 2,
    "zombies reported late": 1,
    "repeats explained by a kill": 1,
    "repeats explained by an ended lease": 1,
    "repeats explained by a loss of the store": 0,
    "lost by the store": 0,
    "seconds of freeze": 4.5,
    "seconds of a fault that never was": float("inf"),
    "fired at freeze": 1,
    "fired at kill_slot-2": 1,
    "runs open at freeze": 1,
    "runs open at kill slot": 1,
    "in flight at kill slot": 4,
    "unanswered at kill slot": 1,
    "unanswered at freeze": 0,
    "runs open at a fault that never was": 0,
}


def measure(name: str, told: History = TOLD) -> float:
    (reached,) = evaluate_situations([f"{name} >= 0"], told, PROMISE, SCENARIO)
    return reached.measured


@pytest.mark.parametrize("name", EXPECTED)
def test_what_a_situation_counts(name: str) -> None:
    assert measure(name) == EXPECTED[name]


def test_what_a_store_that_rolled_back_lost_and_had_run_again() -> None:
    told = history(
        canary(1, 0), canary(2, 0.5), canary(3, 1, missing=True), canary(4, 2, missing=True), canary(5, 4),
        acked("kept", 0.1), run("kept", 0.2, 0.3), state("kept", "finished"),
        acked("twice", 0.1), run("twice", 1.2, 1.3), run("twice", 5, 5.1), state("twice", "finished"),
        acked("gone", 1.1), state("gone", "absent"),
    )  # fmt: skip
    assert measure("lost by the store", told) == 1
    assert measure("repeats explained by a loss of the store", told) == 1


def test_every_situation_is_tried_here() -> None:
    plain = {name for name in SITUATIONS if not name.endswith(" FAULT")}
    at = {name.removesuffix(" FAULT") for name in SITUATIONS if name.endswith(" FAULT")}
    assert plain - MOMENTS.keys() <= EXPECTED.keys()
    assert all(any(name.startswith(f"{each} ") for name in EXPECTED) for each in at)
    assert all(says.endswith(".") for says in SITUATIONS.values())


@pytest.mark.parametrize(
    ("expression", "reached"),
    [("runs >= 10", True), ("runs > 10", False), ("runs == 10", True), ("runs <= 9", False), ("  runs   <11 ", True)],
)
def test_comparisons(expression: str, reached: bool) -> None:  # noqa: FBT001  # a table's column
    (answer,) = evaluate_situations([expression], TOLD, PROMISE, SCENARIO)
    assert answer.reached is reached


def test_all_errors_at_once_each_with_what_is_allowed() -> None:
    wrong = situation_errors(
        ["runs", "luck >= 1", "runs >= many", "runs open at kill tree >= 1", "retries >= 1"], {"freeze"}
    )
    assert len(wrong) == 4
    assert "NAME >= NUMBER" in wrong[0]
    assert "there are runs, retries" in wrong[1]
    assert "'many' is no number" in wrong[2]
    assert "it plans freeze" in wrong[3]


def test_an_expression_that_can_t_be_read_is_not_evaluated() -> None:
    with pytest.raises(ValueError, match="no situation 'luck'"):
        evaluate_situations(["luck >= 1"], TOLD, PROMISE, SCENARIO)


def test_a_fault_that_did_not_fire_had_no_run_open() -> None:
    told = history(acked("j", 0), run("j", 1, 3), fault("down", 2, 2.5, "cut", ["w1"], fired=0))
    assert measure("runs open at down", told) == 0
    assert measure("fired at down", told) == 0
