"""What can be wrong with a scenario before it is run: everything at once, each with its place and what is allowed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random

from stormproof_target import ABILITIES, Policy
from stormproof_target.ledger import is_id

from chaos.planned import problems
from reports.objectives import ObjectiveError, parse_objectives
from scenarios.registered import ScenarioFileError
from scenarios.scenario import Scenario
from scenarios.situations import situation_errors

PROCESSES_MAX = 16
SLOTS_MAX = 64
WAIT_S_MAX = 3600
ARRIVALS_SEEN = 1000


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
    yield from _queues(scenario)
    yield from _limits(scenario.policy)
    for key in ("enqueue_deadline_s", "rest_s", "settle_s"):
        if not 0 < getattr(scenario, key) <= WAIT_S_MAX:
            yield f"{key}: {getattr(scenario, key)} is not above 0 and at most {WAIT_S_MAX}"


def _queues(scenario: Scenario) -> Iterator[str]:
    bad = [queue for queue in scenario.queues if not is_id(queue)]
    if bad or not scenario.queues:
        yield f"queues: {', '.join(map(repr, bad)) or 'none'}; one or more of letters, digits and _ . : - are needed"
    used = {arrival.queue for arrival in islice(scenario.load.plan(Random(0)), ARRIVALS_SEEN)}
    for queue in sorted(used - set(scenario.queues)):
        yield f"load: sends to queue {queue!r}; no worker serves it, only {', '.join(scenario.queues)}"


def _limits(policy: Policy) -> Iterator[str]:
    for key, value in (("concurrency", policy.concurrency), ("rate_n", policy.rate_n)):
        if value is not None and value < 1:
            yield f"policy.{key}: {value} is not 1 or more, or None for no limit"
    if policy.rate_window_s <= 0:
        yield f"policy.rate_window_s: {policy.rate_window_s:g} is not above 0"


def _abilities(scenario: Scenario) -> Iterator[str]:
    unknown = (scenario.needs | set(scenario.job_needs.values())) - set(ABILITIES)
    if unknown:
        yield f"needs: no ability {', '.join(sorted(unknown))}; there are {', '.join(ABILITIES)}"
    for spec in scenario.job_needs:
        if spec not in scenario.load.jobs:
            yield f"job_needs: {spec.to_json()} is none of the load's jobs"
