"""Fits a scenario to a target: leaves out what the target can't do, and slows the load to what it can take.

What is left out is said; nothing is dropped silently.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

from stormproof_target import Description, JobSpec

from chaos.planned import Planned
from loadtests.arrivals import Arrivals
from scenarios.scenario import Scenario

LOAD_S_MAX: Final = 16.0
KIND_NEEDS: Final = {"fail": "retries"}
"""What a kind of job asks of any target: without it, its jobs are left out."""
OURS_ONLY: Final = frozenset({"store_down", "backup", "refused"})
"""Effects on a store that the harness must have started itself."""
SITUATION_NEEDS: Final = {
    "retries": "retries",
    "dead letters": "dead_letters",
    "timeouts": "soft_timeout",
    "grants known": "grants",
}
"""Situations that a target without the ability can't reach."""
TAKEN_OVER: Final = ("zombies reported late", "repeats explained by an ended lease")
"""Situations that need a lease which ends while the scenario lasts."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """``scenario`` is what will be run. ``stretch`` >= 1: how much slower. ``worker_programs``: how many are spawned.

    ``left_out`` says what was left out; ``not_applicable`` why the whole of it can't be run ('': it can).
    """

    scenario: Scenario
    stretch: float
    worker_programs: int
    slots: int
    jobs_left_out: int
    left_out: tuple[str, ...]
    not_applicable: str


def fit(scenario: Scenario, description: Description, *, own_store: bool = True) -> Fitted:
    """The scenario as this target can run it. ``own_store``: the harness started the Redis, so it may kill it."""
    faults, without_faults = _faults(scenario, description, own_store=own_store)
    jobs, without_jobs = _jobs(scenario, description)
    missing = scenario.needs - description.abilities
    not_applicable = f"the target has no {', '.join(sorted(missing))}" if missing else ""
    if not jobs:
        not_applicable = "the target can run none of the scenario's kinds of job"
    if scenario.faults and not faults:  # what is left would be another experiment under this one's claim
        not_applicable = not_applicable or without_faults[0]
    load = scenario.load.with_jobs(jobs) if jobs else scenario.load
    load, without_delays = _delays(load, description)
    slowed = load.slowed(description.sustainable_rate_s, LOAD_S_MAX)
    programs, slots = _programs(scenario, description.slots_per_worker)
    stretch = slowed.for_s / load.for_s
    return Fitted(
        scenario=replace(
            scenario,
            load=slowed,
            faults=tuple(planned.stretched(stretch) for planned in faults),
            reach=tuple(text for text in scenario.reach if _can_be_reached(text, scenario, faults, description)),
        ),
        stretch=stretch,
        worker_programs=programs,
        slots=slots,
        jobs_left_out=load.count - slowed.count,
        left_out=(*without_faults, *without_jobs, *without_delays),
        not_applicable=not_applicable,
    )


def _faults(scenario: Scenario, description: Description, *, own_store: bool) -> tuple[list[Planned], list[str]]:
    kept, left_out = [], []
    for planned in scenario.faults:
        if planned.fault.effect in OURS_ONLY and not own_store:
            left_out.append(f"fault {planned.fault.name}: not applicable to a Redis that the harness did not start")
            continue
        missing = planned.fault.needs - description.abilities
        if missing:
            left_out.append(f"fault {planned.fault.name}: not applicable without {', '.join(sorted(missing))}")
        else:
            kept.append(planned)
    return kept, left_out


def _jobs(scenario: Scenario, description: Description) -> tuple[dict[JobSpec, float], list[str]]:
    kept, left_out = {}, []
    for spec, weight in scenario.load.jobs.items():
        need = scenario.job_needs.get(spec, KIND_NEEDS.get(spec.kind, ""))
        if need and need not in description.abilities:
            left_out.append(f"jobs {spec.to_json()}: not applicable without {need}")
        else:
            kept[spec] = weight
    return kept, left_out


def _delays(load: Arrivals[JobSpec], description: Description) -> tuple[Arrivals[JobSpec], list[str]]:
    """A target that knows no delay gets all jobs at once."""
    at_once = load if "delay" in description.abilities else load.without_delays()
    return at_once, [] if at_once == load else ["delays of jobs: not applicable without delay"]


def _can_be_reached(text: str, scenario: Scenario, faults: list[Planned], description: Description) -> bool:
    left_out = {planned.fault.name for planned in scenario.faults} - {planned.fault.name for planned in faults}
    if any(f" at {name} " in text for name in left_out):
        return False
    if text.startswith(TAKEN_OVER) and description.promise.lease_s > scenario.load.for_s + scenario.settle_s:
        return False
    return all(ability in description.abilities for name, ability in SITUATION_NEEDS.items() if text.startswith(name))


def _programs(scenario: Scenario, slots_per_worker: int | None) -> tuple[int, int]:
    wanted = scenario.workers
    if slots_per_worker is None or wanted.slots <= slots_per_worker:
        return wanted.processes, wanted.slots
    return math.ceil(wanted.processes * wanted.slots / slots_per_worker), slots_per_worker
