"""What Redis itself lost within its declared durability is never blamed on the queue; what it kept is.

The canary's numbers and everybody's writes are totally ordered on one server. Let n be the first number that is
missing.

    acknowledged before sent(n - 1)      it survived: if it is gone, the queue lost it
    between                              undecided, and counted apart
    invoked after acked(n)               lost by the store, if it was acknowledged before the canary met no answer
    acknowledged after that              by a store that may have been back: undecided
    invoked after a number that stayed   the store was back: if it is gone, the queue lost it
"""

from dataclasses import replace
from pathlib import Path

import pytest
from stormproof_target.spec import succeeds

from chaos.faults.registry import backup, restore_backup
from loadtests.arrivals import constant
from reports.verdict import Verdict
from scenarios.checkers.lost import lost
from scenarios.history import HistoryError, read_history
from scenarios.judge import judge
from tests.scenarios.histories import PROMISE, SCENARIO, Lines, acked, canary, fault, history, run, state
from tests.verdicts.stage import SMALL, play

pytestmark = pytest.mark.unit

EVERYSEC = replace(SCENARIO, durability="everysec")
PERIOD = 0.1
FIRST_MISSING, FIRST_BACK = 21, 41
SENT_BEFORE = (FIRST_MISSING - 1) * PERIOD
ACKED_FIRST = FIRST_MISSING * PERIOD + 0.001
ACKED_BACK = FIRST_BACK * PERIOD + 0.001


def rolled_back() -> Lines:
    """Numbers 1 to 80, one every 0.1 s, of which 21 to 40 are missing."""
    return [line for n in range(1, 81) for line in canary(n, n * PERIOD, missing=FIRST_MISSING <= n < FIRST_BACK)]


@pytest.mark.parametrize(
    ("invoked", "answered", "total", "undecided", "explained"),
    [
        pytest.param(SENT_BEFORE - 0.02, SENT_BEFORE - 0.001, 1, 0, 0, id="acknowledged before the last that is there"),
        pytest.param(SENT_BEFORE - 0.02, SENT_BEFORE + 0.001, 0, 1, 0, id="acknowledged after it was sent"),
        pytest.param(SENT_BEFORE + 0.01, ACKED_FIRST - 0.01, 0, 1, 0, id="between the two"),
        pytest.param(ACKED_FIRST - 0.001, ACKED_FIRST + 0.1, 0, 1, 0, id="invoked before the first missing was acked"),
        pytest.param(ACKED_FIRST + 0.001, ACKED_FIRST + 0.1, 0, 0, 1, id="invoked after it"),
        pytest.param(ACKED_BACK - 0.1, ACKED_BACK - 0.01, 0, 0, 1, id="acknowledged before the first that is back"),
        pytest.param(ACKED_BACK - 0.1, ACKED_BACK + 0.01, 0, 1, 0, id="under way when it came back"),
        pytest.param(ACKED_BACK + 0.001, ACKED_BACK + 0.1, 1, 0, 0, id="invoked after it was back"),
    ],
)
def test_the_three_zones_and_their_edges(
    invoked: float, answered: float, total: int, undecided: int, explained: int
) -> None:
    told = history(rolled_back(), acked("gone", invoked, answered=answered), state("gone", "absent"))
    judged = lost(told, PROMISE, EVERYSEC)
    assert (judged.total, judged.undecided, judged.explained) == (total, undecided, explained)


@pytest.mark.parametrize(
    ("invoked", "answered", "undecided", "explained"),
    [
        pytest.param(3.0, 3.09, 0, 1, id="acknowledged before the store was down"),
        pytest.param(3.09, 3.11, 1, 0, id="acknowledged at the time"),
        pytest.param(4.02, 4.08, 1, 0, id="enqueued into a store that was back before the canary knew"),
    ],
)
def test_what_was_acknowledged_after_the_store_was_down_is_no_loss_of_its(
    invoked: float, answered: float, undecided: int, explained: int
) -> None:
    """Else a queue could lose what comes right behind a restart, and be excused."""
    numbers = [
        line
        for n in range(1, 81)
        for line in canary(n, n * PERIOD, acked=not 31 <= n < FIRST_BACK, missing=FIRST_MISSING <= n < 31)
    ]
    told = history(numbers, acked("gone", invoked, answered=answered), state("gone", "absent"))
    judged = lost(told, PROMISE, EVERYSEC)
    assert (judged.total, judged.undecided, judged.explained) == (0, undecided, explained)


def test_a_job_that_ran_well_needs_no_zone() -> None:
    told = history(rolled_back(), acked("j", 2.5), run("j", 2.6, 2.7), state("j", "absent"))
    assert lost(told, PROMISE, EVERYSEC).total == 0


def test_an_unacknowledged_number_may_be_missing() -> None:
    """It neither begins nor ends a zone: nobody knows whether the store ever had it."""
    numbers = [*canary(1, 0.1), *canary(2, 0.2, acked=False, missing=True), *canary(3, 0.3)]
    told = history(numbers, acked("gone", 0.15), state("gone", "absent"))
    assert not told.canary.losses
    assert lost(told, PROMISE, EVERYSEC).total == 1


def test_a_store_that_loses_what_it_may_not_lose_is_an_error_of_the_environment() -> None:
    told = history(rolled_back(), acked("j", 0), run("j", 0.1, 0.2), state("j", "finished"))
    with pytest.raises(HistoryError, match="appendfsync always"):
        judge(told, PROMISE, SCENARIO)
    assert judge(told, PROMISE, EVERYSEC).verdict is Verdict.PASS


def test_a_restart_makes_no_store_forget_that_may_lose_nothing() -> None:
    restarted = fault("redis_restart-1", 4, 4.5, "store_down", kind="redis restart")
    with pytest.raises(HistoryError, match="appendfsync always"):
        judge(history(rolled_back(), restarted, acked("j", 0), run("j", 0.1, 0.2)), PROMISE, SCENARIO)


@pytest.mark.slow
def test_a_real_roll_back_is_told_by_the_canary_and_loses_nothing_unexplained(tmp_path: Path) -> None:
    """Redis is put back to a copy that is a second old, under load."""
    load = constant(rate_s=40, for_s=4, jobs={succeeds(sleep_ms=10): 1})
    scenario = replace(SMALL, load=load, durability="everysec")
    told = play(tmp_path, backup().at(s=1.0), restore_backup(down_s=0.5).at(s=2.0), scenario=scenario)
    assert told.run.verdict is Verdict.PASS, told.run.why
    seen = read_history(told.folder)
    (loss,) = seen.canary.losses
    copied, restored = (span for span in seen.faults)
    assert copied.inject <= loss.lost_from <= restored.inject <= loss.until
    assert 0.5 <= (loss.until - loss.lost_from) / 1e9 <= 10
    forgotten = seen.jobs.filter((seen.jobs["invoked"] > loss.lost_from) & (seen.jobs["answered"] < loss.until))
    assert forgotten.height >= 10  # so there was something to be lost
