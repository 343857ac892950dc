"""What can be wrong with a scenario before it is run: everything at once, each with its place and what is allowed."""

from collections import Counter
from collections.abc import Iterator, Sequence

from stormproof_target import ABILITIES
from stormproof_target.ledger import is_id

from chaos.planned import problems
from reports.objectives import ObjectiveError, parse_objectives
from scenarios.registered import ScenarioFileError
from scenarios.scenario import Scenario
from scenarios.situations import situation_errors

PROCESSES_MAX = 16
SLOTS_MAX = 64
WAIT_S_MAX = 3600


def validate_all(scenarios: Sequence[tuple[str, Scenario]]) -> None:
    """``(origin, scenario)`` pairs; raises ``ScenarioFileError`` with a line for each error."""
    wrong = [f"{origin}: {scenario.name}: {error}" for origin, scenario in scenarios for error in errors(scenario)]
    counted = Counter(scenario.name for _, scenario in scenarios)
    wrong += [
        f"{name}: {times} scenarios of this name; each needs its own" for name, times in counted.items() if times > 1
    ]
    if wrong:
        raise ScenarioFileError("\n".join(wrong))


def errors(scenario: Scenario) -> Iterator[str]:
    """``key: what is wrong, and what is allowed``."""
    yield from _values(scenario)
    yield from _abilities(scenario)
    yield from (f"faults: {error}" for error in problems(scenario.faults, scenario.load.for_s))
    kinds = {planned.fault.name for planned in scenario.faults}
    yield from (f"reach: {error}" for error in situation_errors(scenario.reach, kinds))
    try:
        parse_objectives(scenario.objectives, "objectives")
    except ObjectiveError as error:
        yield from (each.removeprefix("objectives: ") for each in error.errors)


def _values(scenario: Scenario) -> Iterator[str]:
    if not is_id(scenario.name):
        yield f"name: {scenario.name!r} is not made of letters, digits and _ . : - (at most 64)"
    for key in ("claim", "stands_for"):
        if not getattr(scenario, key).strip():
            yield f"{key}: a sentence is needed"
    workers = scenario.workers
    if not 1 <= workers.processes <= PROCESSES_MAX:
        yield f"workers.processes: {workers.processes} is not in 1..{PROCESSES_MAX}"
    if not 1 <= workers.slots <= SLOTS_MAX:
        yield f"workers.slots: {workers.slots} is not in 1..{SLOTS_MAX}"
    if scenario.durability not in {"always", "everysec", "no"}:
        yield f"durability: {scenario.durability!r} is not one of always, everysec, no"
    for key in ("enqueue_deadline_s", "rest_s", "settle_s"):
        if not 0 < getattr(scenario, key) <= WAIT_S_MAX:
            yield f"{key}: {getattr(scenario, key)} is not above 0 and at most {WAIT_S_MAX}"


def _abilities(scenario: Scenario) -> Iterator[str]:
    unknown = (scenario.needs | set(scenario.job_needs.values())) - set(ABILITIES)
    if unknown:
        yield f"needs: no ability {', '.join(sorted(unknown))}; there are {', '.join(ABILITIES)}"
    for spec in scenario.job_needs:
        if spec not in scenario.load.jobs:
            yield f"job_needs: {spec.to_json()} is none of the load's jobs"
