"""Moments: each counted in a history that meets it, none in one that goes well; the table that a suite is judged by."""

from dataclasses import replace
from typing import Final

import pytest
from stormproof_target import ABILITIES
from stormproof_target.spec import exits, fails, hangs

from reports.run_record import Moment, ScenarioRun
from reports.verdict import Verdict
from scenarios.catalog import CATALOG
from scenarios.moments import MOMENTS
from scenarios.situations import SITUATIONS
from scenarios.sometimes import NEEDS, SOMETIMES, met, sometimes
from tests.reports import sample
from tests.scenarios.histories import (
    PROMISE,
    SCENARIO,
    Lines,
    acked,
    answered,
    cancelled,
    cut,
    exited,
    fault,
    frozen,
    history,
    killed,
    run,
    spawned,
    state,
)

pytestmark = pytest.mark.unit

CALM: Final = (acked("j", 0), run("j", 0.1, 0.2), acked("k", 0, delay=1), run("k", 1.1, 1.2), state("j", "finished"),
               state("k", "finished"))  # fmt: skip
DOWN: Final = fault("down", 1, 3, "cut", kind="redis down")
CASES: Final[dict[str, tuple[Lines, ...]]] = {
    "zombies reported late": (acked("j", 0), run("j", 1, 6), frozen("w1", 1.5, 5.9), run("j", 4, 4.1, on="w2")),
    "completions that raced a sweep": (acked("j", 0), run("j", 1, 3.2), frozen("w1", 1.2, 3.1)),
    "claims that nobody heard of": (acked("j", 0), run("j", 1, 1.1, attempt=2)),
    "claims in an outage": (DOWN, acked("j", 0), run("j", 1.5, 3.5)),
    "completions in an outage": (DOWN, acked("j", 0), run("j", 0.5, 1.5)),
    "enqueues carried through an outage": (cut("producer", 1, 3), acked("j", 2, answered=3.1)),
    "enqueues of unknown outcome that ran": (answered("unknown", "j", 1), run("j", 2, 2.1)),
    "retries cut off": (DOWN, acked("j", 0), run("j", 0.5, 1.5, "error"), run("j", 5, 5.1)),
    "supervisors that died with slots at work": (acked("j", 0), run("j", 1), killed("w1", 1.5, slots=(0, 1))),
    "jobs that died in two ways": (acked("j", 0), run("j", 1), killed("w1", 1.5),
                                   run("j", 4, 9, slot=2), frozen("w1", 4.5, 8.9), run("j", 7, 7.1, on="w2")),
    "good runs that were repeated": (acked("j", 0), run("j", 1, 1.1), killed("w1", 1.15), run("j", 3, 3.1, on="w2")),
    "jobs that came due in an outage": (acked("j", 0, delay=2), fault("gone", 1, 3, "store_down")),
    "jobs that came due without their worker": (acked("j", 0, delay=2), killed("w1", 1, slots=(0,)),
                                                spawned("w1", 5, life=2)),
    "jobs cancelled before they started": (acked("j", 0, delay=9), cancelled("j", 1)),
    "jobs cancelled while they ran": (acked("j", 0), run("j", 0.5, 2, "cancelled"), cancelled("j", 1, "requested")),
    "dead letters: exhausted": (acked("j", 0, spec=fails()), state("j", "dead", reason="exhausted")),
    "dead letters: timeout": (acked("j", 0, spec=hangs()), state("j", "dead", reason="timeout")),
    "dead letters: crashed": (acked("j", 0, spec=exits()), state("j", "dead", reason="crashed")),
    "dead letters: stalled": (acked("j", 0), state("j", "dead", reason="stalled")),
    "hard kills by timeout": (acked("j", 0, spec=hangs(in_c=True)), run("j", 1), exited("w1", 2.5)),
}  # fmt: skip


def moments(*lines: Lines) -> dict[str, int]:
    return {each.name: each.times for each in met(history(*lines), PROMISE, SCENARIO)}


@pytest.mark.parametrize("name", CASES)
def test_a_moment_is_counted_where_it_was_met(name: str) -> None:
    assert moments(*CASES[name], acked("other", 20), run("other", 20.1, 20.2))[name] == 1


def test_nothing_is_met_where_all_goes_well() -> None:
    assert moments(*CALM) == {}


def test_an_outage_that_never_fired_is_none() -> None:
    assert moments(fault("down", 1, 3, "cut", fired=0), acked("j", 0), run("j", 0.5, 1.5)) == {}


def test_torn_lines_are_counted() -> None:
    told = history(*CALM)
    told.torn = 2
    assert met(told, PROMISE, SCENARIO) == (Moment(name="ledger lines torn by a kill", times=2),)


def test_every_moment_is_tried_explained_and_may_be_asked_for() -> None:
    assert MOMENTS.keys() == {*CASES, "ledger lines torn by a kill"}
    assert MOMENTS.keys() <= SITUATIONS.keys()
    assert all((moment.__doc__ or "").endswith(".") for moment in MOMENTS.values())
    assert MOMENTS.keys() >= SOMETIMES
    assert NEEDS.keys() <= MOMENTS.keys()
    assert {ability for each in NEEDS.values() for ability in each} <= ABILITIES.keys()


def ran(name: str, *seen: str) -> ScenarioRun:
    run = sample.rq_part().scenarios[0]
    return replace(run, name=name, title=name, moments=tuple(Moment(name=each, times=2) for each in seen))


WHOLE: Final = [ran(name, *SOMETIMES) for name in CATALOG]


def verdicts(runs: list[ScenarioRun], without: str = "") -> dict[str, Verdict]:
    abilities = set(ABILITIES) - {without}
    return {row.name: row.verdict for row in sometimes(runs, PROMISE, abilities, CATALOG)}


def test_a_whole_suite_that_met_what_it_needs_passes() -> None:
    assert set(verdicts(WHOLE).values()) == {Verdict.PASS, Verdict.NOT_JUDGED}


@pytest.mark.parametrize("name", sorted(SOMETIMES))
def test_a_whole_suite_that_missed_one_proves_nothing(name: str) -> None:
    missed = [ran(each, *(SOMETIMES - {name})) for each in CATALOG]
    assert [each for each, verdict in verdicts(missed).items() if verdict is Verdict.INCONCLUSIVE] == [name]


def test_a_single_scenario_is_shown_and_not_judged() -> None:
    assert set(verdicts([ran("steady")]).values()) == {Verdict.NOT_JUDGED}


def test_what_a_target_can_t_do_it_need_not_meet() -> None:
    told = verdicts([ran(each) for each in CATALOG], without="cancel")
    assert told["jobs cancelled while they ran"] is Verdict.NOT_APPLICABLE


def test_a_lease_that_outlasts_every_scenario_wakes_no_zombie() -> None:
    runs = [ran(each) for each in CATALOG]
    rows = sometimes(runs, replace(PROMISE, lease_s=90.0), ABILITIES, CATALOG)
    row = next(row for row in rows if row.name == "zombies reported late")
    assert (row.verdict, "90 s" in row.not_applicable) == (Verdict.NOT_APPLICABLE, True)


def test_a_row_names_its_scenarios_the_richest_first() -> None:
    runs = [ran("a", "retries cut off"), ran("b", "retries cut off"), ran("c")]
    runs[1] = replace(runs[1], moments=(Moment(name="retries cut off", times=5),))
    row = next(row for row in sometimes(runs, PROMISE, ABILITIES, CATALOG) if row.name == "retries cut off")
    assert (row.times, row.scenarios) == (7, ("b", "a"))
