"""The *sometimes* table: which moments a target's scenarios met between them, and without which they prove nothing."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from stormproof_target import Promise

from reports.run_record import Moment, ScenarioRun, Sometimes
from scenarios.moments import MOMENTS

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario


NEEDS: Final[Mapping[str, frozenset[str]]] = {
    "claims that nobody heard of": frozenset({"attempt_numbers"}),
    "retries cut off": frozenset({"retries"}),
    "supervisors that died with slots at work": frozenset({"slot_processes"}),
    "jobs that came due in an outage": frozenset({"delay"}),
    "jobs that came due without their worker": frozenset({"delay"}),
    "jobs cancelled before they started": frozenset({"cancel"}),
    "jobs cancelled while they ran": frozenset({"cancel"}),
    "dead letters: exhausted": frozenset({"dead_letters", "retries"}),
    "dead letters: timeout": frozenset({"dead_letters", "soft_timeout"}),
    "dead letters: crashed": frozenset({"dead_letters", "crash_bound"}),
    "dead letters: stalled": frozenset({"dead_letters", "stall_bound"}),
    "hard kills by timeout": frozenset({"hard_timeout"}),
}
"""Moments that a target needs these abilities for."""
LEASES_END: Final = frozenset({"zombies reported late", "completions that raced a sweep"})
LEASE_S_MAX: Final = 10.0
"""A lease longer than this does not end in any scenario, so no zombie wakes to one that ended."""

SOMETIMES: Final = frozenset(
    {
        "zombies reported late",
        "claims in an outage",
        "completions in an outage",
        "enqueues carried through an outage",
        "supervisors that died with slots at work",
        "jobs that came due without their worker",
        "jobs cancelled before they started",
        "jobs cancelled while they ran",
        "dead letters: exhausted",
        "dead letters: crashed",
        "dead letters: stalled",
        "hard kills by timeout",
    }
)
"""Those that the catalogue meets on the reference in every run: a suite that misses one proves nothing. The others are
left to chance, and are shown."""


def met(history: "History", promise: Promise, scenario: "Scenario") -> tuple[Moment, ...]:
    """What one scenario's history met, without what it did not."""
    counted = ((name, moment(history, promise, scenario)) for name, moment in MOMENTS.items())
    return tuple(Moment(name=name, times=times) for name, times in counted if times)


def sometimes(
    runs: Sequence[ScenarioRun], promise: Promise, abilities: Collection[str], catalogue: Iterable[str]
) -> tuple[Sometimes, ...]:
    """The table of a part. It is judged where every scenario of the ``catalogue`` is among its ``runs``."""
    judged = {run.name for run in runs} >= set(catalogue)
    rows = []
    for name, moment in MOMENTS.items():
        where = {run.title: met.times for run in runs for met in run.moments if met.name == name}
        rows.append(
            Sometimes(
                name=name,
                says=(moment.__doc__ or "").strip(),
                times=sum(where.values()),
                scenarios=tuple(sorted(where, key=lambda title: (-where[title], title))),
                needed=name in SOMETIMES,
                judged=judged,
                not_applicable=_unreachable(name, promise, abilities),
            )
        )
    return tuple(rows)


def _unreachable(name: str, promise: Promise, abilities: Collection[str]) -> str:
    missing = sorted(NEEDS.get(name, frozenset()) - set(abilities))
    if missing:
        return f"the target has no {', '.join(missing)}"
    if name in LEASES_END and promise.lease_s > LEASE_S_MAX:
        return f"the target's lease of {promise.lease_s:g} s does not end within a scenario"
    return ""
