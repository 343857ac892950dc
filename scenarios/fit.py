"""Fits a scenario to a target: leaves out what the target can't do, and slows the load to what it can take.

What is left out is said; nothing is dropped silently.
"""

import math
from dataclasses import dataclass, replace
from typing import Final

from stormproof_target import Description

from chaos.planned import Planned
from scenarios.scenario import Scenario

LOAD_S_MAX: Final = 16.0


@dataclass(frozen=True, slots=True)
class Fitted:
    """``scenario`` is what will be run. ``stretch`` >= 1 is how much slower; ``worker_programs`` how many are spawned.

    ``not_applicable`` says why the whole of it can't be run ('': it can); ``left_out`` says what else was left out.
    """

    scenario: Scenario
    stretch: float
    worker_programs: int
    slots: int
    jobs_left_out: int
    left_out: tuple[str, ...]
    not_applicable: str


def fit(scenario: Scenario, description: Description) -> Fitted:
    """The scenario as this target can run it."""
    left_out: list[str] = []
    faults: list[Planned] = []
    reach = list(scenario.reach)
    for planned in scenario.faults:
        missing = planned.fault.needs - description.abilities
        if missing:
            reach = [situation for situation in reach if f" at {planned.fault.name} " not in situation]
            left_out.append(f"fault {planned.fault.name}: not applicable without {', '.join(sorted(missing))}")
        else:
            faults.append(planned)
    jobs = dict(scenario.load.jobs)
    for spec, ability in scenario.job_needs.items():
        if spec in jobs and ability not in description.abilities:
            left_out.append(f"jobs {spec.to_json()}: not applicable without {ability}")
            del jobs[spec]
    missing = scenario.needs - description.abilities
    not_applicable = f"the target has no {', '.join(sorted(missing))}" if missing else ""
    if not jobs:
        not_applicable = "the target can run none of the scenario's kinds of job"
    load = scenario.load.with_jobs(jobs) if jobs else scenario.load
    slowed = load.slowed(description.sustainable_rate_s, LOAD_S_MAX)
    programs, slots = _programs(scenario, description.slots_per_worker)
    stretch = slowed.for_s / load.for_s
    return Fitted(
        scenario=replace(
            scenario, load=slowed, reach=tuple(reach), faults=tuple(planned.stretched(stretch) for planned in faults)
        ),
        stretch=stretch,
        worker_programs=programs,
        slots=slots,
        jobs_left_out=load.count - slowed.count,
        left_out=tuple(left_out),
        not_applicable=not_applicable,
    )


def _programs(scenario: Scenario, slots_per_worker: int | None) -> tuple[int, int]:
    wanted = scenario.workers
    if slots_per_worker is None or wanted.slots <= slots_per_worker:
        return wanted.processes, wanted.slots
    return math.ceil(wanted.processes * wanted.slots / slots_per_worker), slots_per_worker
