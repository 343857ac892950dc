"""What a scenario will come to on a target, before anything runs: n, arrivals at each trigger, calm jobs, seconds."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from stormproof_target import Description

from chaos.planned import At, Planned
from scenarios.fit import Fitted


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the plan. ``triggers``: each fault, when it comes and how many jobs have arrived by then."""

    scenario: str
    jobs: int
    left_out: int
    rate_s: float
    load_s: float
    at_most_s: float
    calm_jobs: int
    can_succeed: int
    triggers: tuple[str, ...]
    notes: tuple[str, ...]


def plan_row(fitted: Fitted, description: Description, seed: int) -> Row:
    """The plan of one fitted scenario."""
    scenario = fitted.scenario
    arrivals = list(scenario.load.plan(Random(f"{seed}-load")))
    windows = list(_windows(fitted, description))
    calm = [
        arrival
        for arrival in arrivals
        if not any(lo <= arrival.at_s + scenario.enqueue_deadline_s and arrival.at_s <= hi for lo, hi in windows)
    ]
    attempts = scenario.policy.max_attempts
    return Row(
        scenario=scenario.name,
        jobs=len(arrivals),
        left_out=fitted.jobs_left_out,
        rate_s=scenario.load.rate_s,
        load_s=scenario.load.for_s,
        at_most_s=scenario.load.for_s + scenario.settle_s,
        calm_jobs=len(calm),
        can_succeed=sum(arrival.job.can_succeed(attempts) for arrival in arrivals),
        triggers=tuple(
            f"{planned.fault.name} {planned.trigger} (about {sum(a.at_s <= at_s for a in arrivals)} arrived)"
            for planned, at_s in _times(fitted)
        ),
        notes=fitted.left_out,
    )


def _times(fitted: Fitted) -> Iterator[tuple[Planned, float]]:
    for planned in fitted.scenario.faults:
        trigger = planned.trigger
        yield planned, trigger.s if isinstance(trigger, At) else trigger.share * fitted.scenario.load.for_s


def _windows(fitted: Fitted, description: Description) -> Iterator[tuple[float, float]]:
    """Each fault's time with the recovery that the target promises; at least a second where it promises none."""
    recovery_s = description.promise.recovery_s
    after_s = recovery_s if recovery_s != float("inf") else fitted.scenario.load.for_s
    for planned, at_s in _times(fitted):
        yield at_s, at_s + planned.fault.for_s + after_s
