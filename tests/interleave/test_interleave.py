"""A small world in all orders, and each rule switched off, as `make interleave` does for larger ones."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.interleave.__main__ import NOTHING, main
from tests.interleave.crew import Crew, crew
from tests.interleave.explore import explore
from tests.interleave.rules import RULES, SOUND, Rule, overlays
from tests.interleave.world import Bounds, begin, steps

SMALL = {
    "an answer lost": replace(NOTHING, lost=1, claims=1),
    "a late command": replace(NOTHING, jobs=1, held=1, waits=1, claims=1),
    "a kill": replace(NOTHING, jobs=1, kills=1, waits=1, sweeps=1, claims=1),
    "a heartbeat": replace(NOTHING, jobs=1, claims=1, waits=1, sweeps=1, heartbeats=1),
    "a roll-back": replace(NOTHING, jobs=1, slots=1, waits=1, rollbacks=1, sweeps=1),
}


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    with crew(overlays(tmp_path_factory.mktemp("lua")), 1) as running:
        yield running


@pytest.mark.parametrize("bounds", SMALL.values(), ids=SMALL)
def test_every_promise_holds_in_all_orders(processes: Crew, bounds: Bounds) -> None:
    explored = explore(processes, SOUND, bounds)
    assert not explored.problem, f"{explored.problem}: {explored.trace}"
    assert explored.complete
    assert {"enqueue", "claim", "complete", "fail"} <= explored.kinds.keys()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_switched_off_is_found(processes: Crew, rule: Rule) -> None:
    explored = explore(processes, rule.name, rule.bounds)
    assert explored.problem, f"{explored.states} states, {explored.transitions} transitions, and nothing broken"


def test_the_network_may_lose_an_answer_or_hold_a_command() -> None:
    taken = {str(step) for step in steps(begin(replace(NOTHING, lost=1, held=1)))}
    assert {"enqueue(a)", "enqueue(a) [answer lost]", "enqueue(a) [held]", "claim(s0 1)"} <= taken


def test_a_depth_bounds_the_search(processes: Crew) -> None:
    explored = explore(processes, SOUND, Bounds(), depth=2)
    assert (explored.depth, explored.complete) == (2, False)


def test_a_rule_whose_place_is_gone_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 places 'no such text'"):
        Rule("r", "claim", "no such text", "", NOTHING).overlay(tmp_path)


def test_wrong_options_are_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["interleave", "--jobs", "0"])
    with pytest.raises(SystemExit):
        main()
    assert "--jobs takes 1 to 8" in capsys.readouterr().err
