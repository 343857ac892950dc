"""A scenario fitted to what a target can do, and what is said about the rest."""

from dataclasses import replace
from random import Random

import pytest
from stormproof_target import ABILITIES, Description, Promise

from scenarios.catalog import CATALOG
from scenarios.fit import fit

ABLE = Description("able", "1", Promise(), frozenset(ABILITIES))


def test_an_able_target_runs_the_scenario_as_declared() -> None:
    for scenario in CATALOG.values():
        fitted = fit(scenario, ABLE)
        assert (fitted.stretch, fitted.jobs_left_out, fitted.left_out) == (1.0, 0, ())
        assert fitted.scenario.load == scenario.load
        assert (fitted.worker_programs, fitted.slots) == (scenario.workers.processes, scenario.workers.slots)


def test_a_slow_target_gets_the_same_faults_later_and_no_more_jobs_than_sixteen_seconds_take() -> None:
    scenario = CATALOG["workers_killed"]
    fitted = fit(scenario, replace(ABLE, sustainable_rate_s=25.0))
    assert fitted.stretch == 1.6
    assert fitted.scenario.load.for_s == 16.0
    assert fitted.scenario.load.count == 400
    assert fitted.jobs_left_out == 400
    assert [str(planned.trigger) for planned in fitted.scenario.faults] == [
        "at 0.64 s",
        "at 1.6 s",
        "at 2.24 s",
        "when 28% of the jobs have started",
        "at 8.96 s",
    ]


def test_a_worker_of_one_slot_is_started_as_often_as_slots_are_asked_for() -> None:
    fitted = fit(CATALOG["steady"], replace(ABLE, slots_per_worker=1))
    assert (fitted.worker_programs, fitted.slots) == (4, 1)


def test_what_the_target_lacks_is_left_out_with_its_situations_and_said() -> None:
    able_but = replace(ABLE, abilities=ABLE.abilities - {"slot_processes", "retries", "hard_timeout"})
    fitted = fit(CATALOG["workers_killed"], able_but)
    assert "kill slot" not in [planned.fault.name for planned in fitted.scenario.faults]
    assert fitted.left_out[0] == "fault kill slot: not applicable without slot_processes"
    assert not [text for text in fitted.scenario.reach if text.startswith("retries")]
    poison = fit(CATALOG["poison"], able_but)
    assert {spec.kind for spec in poison.scenario.load.jobs} == {"succeed", "exit", "segfault", "hang"}
    assert len(poison.left_out) == 4


@pytest.mark.parametrize("name", ["pause_resume", "cancelled"])
def test_a_target_without_delays_gets_the_same_jobs_at_once_and_that_is_said(name: str) -> None:
    scenario = CATALOG[name]
    fitted = fit(scenario, replace(ABLE, abilities=ABLE.abilities - {"delay"}))
    assert not fitted.not_applicable
    assert any(arrival.delay_s for arrival in scenario.load.plan(Random(1)))
    arrivals = list(fitted.scenario.load.plan(Random(1)))
    assert len(arrivals) == scenario.load.count
    assert not any(arrival.delay_s for arrival in arrivals)
    assert fitted.left_out == ("delays of jobs: not applicable without delay",)


def test_a_scenario_that_needs_what_the_target_lacks_is_not_applicable() -> None:
    scenario = replace(CATALOG["steady"], needs=frozenset({"delay"}))
    fitted = fit(scenario, replace(ABLE, abilities=frozenset()))
    assert fitted.not_applicable == "the target has no delay"


def test_a_scenario_whose_every_fault_is_left_out_is_another_experiment_and_not_applicable() -> None:
    fitted = fit(CATALOG["redis_restart"], ABLE, own_store=False)
    assert fitted.not_applicable == ("fault redis restart: not applicable to a Redis that the harness did not start")
    assert fit(CATALOG["restore_backup"], ABLE, own_store=False).not_applicable.startswith("fault backup: not applic")
    refuses = fit(
        CATALOG["redis_refuses"], ABLE, own_store=False
    )  # a setting of somebody's server is not ours to change
    assert [planned.fault.name for planned in refuses.scenario.faults] == ["script flush", "script flush", "freeze"]
    assert [text for text in refuses.scenario.reach if "out of memory" in text] == []
    assert fit(CATALOG["steady"], ABLE, own_store=False).not_applicable == ""
    assert fit(CATALOG["redis_disconnects"], ABLE, own_store=False).not_applicable == ""


def test_whose_lease_outlasts_the_scenario_has_no_zombies() -> None:
    told = [text for text in CATALOG["payloads"].reach if text.startswith("zombies")]
    assert told
    leased = replace(ABLE, promise=Promise(lease_s=2.0))
    assert set(told) <= set(fit(CATALOG["payloads"], leased).scenario.reach)
    for lease_s in (90.0, float("inf")):
        fitted = fit(CATALOG["payloads"], replace(ABLE, promise=Promise(lease_s=lease_s)))
        assert not set(told) & set(fitted.scenario.reach)


def test_who_calls_no_script_can_t_miss_one() -> None:
    fitted = fit(CATALOG["redis_refuses"], replace(ABLE, abilities=ABLE.abilities - {"scripts"}))
    assert {planned.fault.name for planned in fitted.scenario.faults} == {"out of memory", "freeze"}
    assert fitted.left_out == ("fault script flush: not applicable without scripts",) * 2
    assert not [text for text in fitted.scenario.reach if "script flush" in text]


def test_limits_steps_of_an_operator_and_releases_ask_for_a_target_that_has_them() -> None:
    bare = replace(
        ABLE,
        abilities=ABLE.abilities
        - {"concurrency", "rate", "pause", "releases", "stall_bound", "grants", "delay", "cancel"},
    )
    for name, ability in {
        "concurrency_limit": "concurrency", "five_queues": "concurrency", "slow_queue": "concurrency",
        "rate_limit": "rate", "pause_resume": "pause", "rolling_deploy": "releases",
        "worker_poison": "stall_bound", "delayed": "delay", "cancelled": "cancel",
    }.items():  # fmt: skip
        assert fit(CATALOG[name], bare).not_applicable == f"the target has no {ability}"
    assert fit(CATALOG["retries"], replace(ABLE, abilities=ABLE.abilities - {"backoff"})).not_applicable
    mute = fit(CATALOG["rate_limit"], replace(ABLE, abilities=ABLE.abilities - {"grants"})).scenario
    assert not any(text.startswith("grants known") for text in mute.reach)
