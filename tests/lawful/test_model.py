"""Lawful queues are accused of nothing; a queue that breaks one rule is accused by the checker of that rule."""

from collections import Counter
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import HealthCheck, find, given, note, settings
from hypothesis import strategies as st

from scenarios.judge import Judgement
from tests.lawful.draws import draw_world
from tests.lawful.judging import caught, judge_lines, judged, shrunk
from tests.lawful.play import Play
from tests.lawful.printed import printed
from tests.lawful.rules import RULES
from tests.lawful.strategies import worlds
from tests.lawful.telling import Line
from tests.lawful.world import World

pytestmark = pytest.mark.property

HISTORIES_UNTIL_CAUGHT_MAX = 60
JOBS_MAX, BLOWS_MAX = 2, 1


def accused(first: int, n: int) -> list[str]:
    """What is said of lawful queues, with the smallest history of it; and what occurred in them must be enough."""
    told, reached = [], Counter[str]()
    for seed in range(first, first + n):
        one = judged(draw_world(seed))
        reached.update(name for name, times in one.reached.items() if times)
        if one.findings:
            told.append(f"seed {seed}:\n{printed(shrunk(draw_world(seed)))}")
    for situation in ("zombies", "repeats", "dead: crashed", "dead: stalled", "torn line", "reply lost", "roll back"):
        assert reached[situation], f"no history had this: {situation}"
    return told


def test_no_checker_accuses_a_lawful_queue() -> None:
    found = accused(1, 300)
    assert not found, "\n".join(found[:3])


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_checker_accuses_any_of_twenty_thousand_lawful_queues() -> None:
    found = accused(1_000_000, 20_000)
    assert not found, "\n".join(found[:3])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds())
def test_no_checker_accuses_a_lawful_queue_that_hypothesis_thought_of(world: World) -> None:
    one = judged(world)
    note(printed(one))
    assert not one.findings


@pytest.mark.parametrize("blows", [0, 2], ids=["quiet", "with faults"])
@pytest.mark.parametrize("rule", RULES)
def test_a_queue_that_breaks_a_rule_is_found_by_the_checker_of_that_rule(rule: str, blows: int) -> None:
    found = caught(rule, 1 + 1000 * blows, HISTORIES_UNTIL_CAUGHT_MAX, blows)
    assert found.after, (
        f"{rule}: {RULES[rule].by} found nothing in {HISTORIES_UNTIL_CAUGHT_MAX}; others: {found.others}"
    )


@pytest.mark.parametrize("blows", [0, 2], ids=["quiet", "with faults"])
@pytest.mark.parametrize("rule", ["forgets an enqueue", "runs twice", "drops what it sweeps", "dead letter doubled"])
def test_a_finding_is_cut_down_to_a_history_that_a_person_can_read(rule: str, blows: int) -> None:
    wanting, by = RULES[rule].wanting, RULES[rule].by
    found = caught(rule, 1, HISTORIES_UNTIL_CAUGHT_MAX, blows)
    smallest = shrunk(draw_world(found.seed, wanting, blows), rule, by)
    assert len(smallest.world.jobs) <= JOBS_MAX, printed(smallest)
    assert len(smallest.world.blows) <= BLOWS_MAX, printed(smallest)


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["forgets an enqueue", "runs twice", "drops what it sweeps", "result lost"])
def test_hypothesis_shrinks_what_a_broken_rule_leads_to(rule: str) -> None:
    def shows(world: World) -> bool:
        return bool(set(judged(world, rule).failed) & set(RULES[rule].by))

    limits = settings(max_examples=300, deadline=None, database=None)
    smallest = find(worlds(RULES[rule].wanting), shows, random=Random(7), settings=limits)
    assert len(smallest.jobs) <= JOBS_MAX
    assert len(smallest.blows) <= BLOWS_MAX


def shifted(told: list[Line], by: int) -> list[Line]:
    moved = ("t", "lo_ns", "intended_ns")
    return [{key: value + by * 10**9 if key in moved else value for key, value in event.items()} for event in told]


def shuffled(told: list[Line], by: int) -> list[Line]:
    mixed = list(told)
    Random(by).shuffle(mixed)
    return mixed


def verdicts(judgement: Judgement) -> list[tuple[str, str, int]]:
    return [(each.name, each.verdict, each.judged.total) for each in judgement.checkers]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["", *RULES]), st.integers(-900, 10**6))
@pytest.mark.parametrize("change", [shifted, shuffled])
def test_neither_the_clock_s_zero_nor_the_order_of_lines_changes_a_verdict(
    change: Callable[[list[Line], int], list[Line]], seed: int, broken: str, by: int
) -> None:
    world = draw_world(seed, RULES[broken].wanting if broken else "")
    told = Play(world, broken).history()
    assert verdicts(judge_lines(world, told)) == verdicts(judge_lines(world, change(told, by)))


def test_a_seed_tells_the_same_history_twice() -> None:
    assert Play(draw_world(5)).history() == Play(draw_world(5)).history()
