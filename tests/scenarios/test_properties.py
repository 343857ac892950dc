"""Of every history: lawful ones are clean, broken queues are caught, only what happened decides the verdict."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.history import History
from scenarios.judge import Judgement, judge
from tests.scenarios.histories import PROMISE, SCENARIO, Lines, lines
from tests.scenarios.lawful_queue import BROKEN, LawfulQueue

pytestmark = pytest.mark.property

SEEDS = st.integers(0, 2**32 - 1)


def judged(told: Lines) -> Judgement:
    return judge(History.from_events(told), PROMISE, SCENARIO)


def findings(judgement: Judgement) -> list[str]:
    return [f"{each.name}: {finding.says}" for each in judgement.checkers for finding in each.judged.findings]


@settings(max_examples=150, deadline=None)
@given(SEEDS)
def test_no_checker_accuses_a_lawful_queue(seed: int) -> None:
    judgement = judged(lines(*LawfulQueue(seed).history()))
    assert not findings(judgement)
    assert not [each.error for each in judgement.checkers if each.error]


CAUGHT_BY = {
    "forgets a job": "lost",
    "runs twice": "duplicates",
    "lease too short": "duplicates",
    "no dead letters": "dead_letters",
    "never gives up": "attempts",
}


@pytest.mark.parametrize("broken", [rule for rule in BROKEN if rule in CAUGHT_BY])
def test_a_queue_that_leaves_a_rule_out_is_caught_by_the_checker_of_that_rule(broken: str) -> None:
    caught = [judged(lines(*LawfulQueue(seed, broken).history())).failed for seed in range(12)]
    assert sum(CAUGHT_BY[broken] in failed for failed in caught) >= 8, caught


def shifted(told: Lines, seconds: int) -> Lines:
    moved = ("t", "lo_ns", "intended_ns")
    return [{key: value + seconds * 10**9 if key in moved else value for key, value in event.items()} for event in told]


def shuffled(told: Lines, seed: int) -> Lines:
    mixed = list(told)
    Random(seed).shuffle(mixed)
    return mixed


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.sampled_from(["", *BROKEN]), st.integers(-900, 10**6))
@pytest.mark.parametrize("change", [shifted, shuffled])
def test_neither_the_clock_s_zero_nor_the_order_of_lines_changes_a_verdict(
    change: Callable[[Lines, int], Lines], seed: int, broken: str, by: int
) -> None:
    told = lines(*LawfulQueue(seed, broken).history())
    before, after = judged(told), judged(change(told, by))
    assert [(each.name, each.verdict, each.judged.total) for each in before.checkers] == [
        (each.name, each.verdict, each.judged.total) for each in after.checkers
    ]
