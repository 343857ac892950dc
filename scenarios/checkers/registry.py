"""Every checker by name: what it looks at, which clause it holds the target to, and when a workload needs it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stormproof_target import Promise

from scenarios.checkers import Checker
from scenarios.checkers.attempts import attempts
from scenarios.checkers.backoff import backoff
from scenarios.checkers.concurrency import concurrency
from scenarios.checkers.control import control
from scenarios.checkers.dead_letters import dead_letters
from scenarios.checkers.duplicates import duplicates
from scenarios.checkers.early import early
from scenarios.checkers.late import CLAUSE as CLAIM
from scenarios.checkers.late import late
from scenarios.checkers.leaks import leaks
from scenarios.checkers.lost import lost
from scenarios.checkers.overlap import overlap
from scenarios.checkers.phantom import phantom
from scenarios.checkers.rate import rate
from scenarios.checkers.residue import residue
from scenarios.checkers.results import results
from scenarios.checkers.states import states
from scenarios.checkers.timeouts import timeouts
from scenarios.checkers.unknown import unknown

if TYPE_CHECKING:
    from scenarios.scenario import Scenario


def _always(scenario: "Scenario") -> bool:
    del scenario
    return True


def _never(scenario: "Scenario") -> bool:
    del scenario
    return False


def _jobs_fail(scenario: "Scenario") -> bool:
    return any(spec.kind != "succeed" for spec in scenario.load.jobs)


def _jobs_are_retried(scenario: "Scenario") -> bool:
    return scenario.policy.max_attempts > 1 and any(spec.kind == "fail" for spec in scenario.load.jobs)


def _concurrency_is_limited(scenario: "Scenario") -> bool:
    return scenario.policy.concurrency is not None


def _rate_is_limited(scenario: "Scenario") -> bool:
    return scenario.policy.rate_n is not None


def _something_is_paused(scenario: "Scenario") -> bool:
    return any(planned.fault.effect in {"pause", "cancel"} for planned in scenario.faults)


def _jobs_are_delayed(scenario: "Scenario") -> bool:
    return _delays(scenario.load)


def _delays(load: object) -> bool:
    """Of a profile, or of several together: a plan need not be drawn to know."""
    delayed = getattr(load, "delayed", None)
    return bool(delayed and delayed.share and delayed.delay_s) or any(map(_delays, getattr(load, "loads", ())))


def _results_are_large(scenario: "Scenario") -> bool:
    return any(spec.result_kb for spec in scenario.load.jobs)


def _jobs_end_dead(scenario: "Scenario") -> bool:
    return any(not spec.can_succeed(scenario.policy.max_attempts) for spec in scenario.load.jobs)


@dataclass(frozen=True, slots=True)
class Registered:
    """A checker. ``needed``: the workload needs it, so that nothing examined is inconclusive, not just n/a.

    ``clause`` is the one that its findings break. ``abilities``: one of them must be the target's (none: always).
    """

    check: Checker
    looks_at: str
    needed: Callable[["Scenario"], bool]
    clause: str
    abilities: tuple[str, ...] = ()


CHECKERS: Final[Mapping[str, Registered]] = {
    "lost": Registered(lost, "acknowledged jobs that are nowhere, or lie while workers are free", _always, "delivery"),
    "duplicates": Registered(duplicates, "jobs that ran again without a cause", _always, "repeats"),
    "dead_letters": Registered(
        dead_letters, "jobs that must be dead letters, or must not", _jobs_end_dead, "dead_letters", ("dead_letters",)
    ),
    "attempts": Registered(
        attempts,
        "jobs run too often, given up early, or told a false attempt number",
        _jobs_fail,
        "max_attempts",
        ("retries",),
    ),
    "overlap": Registered(
        overlap, "two bodies of one job at once under a lease, and the fences of leases", _always, "overlap"
    ),
    "timeouts": Registered(
        timeouts,
        "bodies ended too late, too early, or for no reason",
        _always,
        "timeout",
        ("soft_timeout", "hard_timeout"),
    ),
    "backoff": Registered(
        backoff, "delays between attempts, and their spread", _jobs_are_retried, "backoff", ("backoff",)
    ),
    "concurrency": Registered(
        concurrency,
        "bodies and leases of a queue at once",
        _concurrency_is_limited,
        "concurrency",
        ("concurrency",),
    ),
    "rate": Registered(rate, "jobs granted within a queue's window", _rate_is_limited, "rate", ("rate",)),
    "control": Registered(
        control,
        "jobs started although their queue was paused, or they were cancelled",
        _something_is_paused,
        "pause",
        ("pause", "cancel"),
    ),
    "early": Registered(early, "delayed jobs started before their time", _jobs_are_delayed, "early", ("delay",)),
    "late": Registered(late, "jobs that waited although a slot was idle", _never, CLAIM),
    "results": Registered(results, "what is stored as a job's result, against its runs", _results_are_large, "results"),
    "phantom": Registered(phantom, "runs of what nobody enqueued, or of other arguments", _always, "delivery"),
    "states": Registered(states, "what the keys say of a job, against its runs", _always, "states"),
    "leaks": Registered(leaks, "what workers' processes keep, and what they use when idle", _never, "leaks"),
    "residue": Registered(residue, "keys left behind in the store", _never, "residue"),
    "unknown": Registered(unknown, "enqueues of unknown outcome, or rejected, in calm time", _never, "delivery"),
}

STANDS_IN: Final[Mapping[str, tuple[str, ...]]] = {
    "overlap": ("overlap", "lease", "lease_s"),
    "self_fencing": ("self_fencing", "overlap", "lease", "lease_s"),
    "timeout": ("timeout", "timeout_s"),
    "backoff": ("backoff", "repeats"),  # who repeats when the policy says so does not repeat before
}
"""Under which names a target may have declared a clause; the last ones are broader promises that include it."""


def clause_of(promise: Promise, clause: str) -> str:
    """The name under which the target promises this ('' : it does not, so it can't break it)."""
    return next((name for name in STANDS_IN.get(clause, (clause,)) if name in promise.sources), "")
