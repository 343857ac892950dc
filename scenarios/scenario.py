"""A scenario: one declared experiment. Reads as one sentence after another; says nothing about how it is run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from stormproof_target import JobSpec, Policy

from chaos.planned import Planned
from loadtests.arrivals import Arrivals


@dataclass(frozen=True, slots=True)
class Workers:
    """How many worker programs, and how many bodies each runs at once."""

    processes: int = 2
    slots: int = 2


@dataclass(frozen=True, slots=True)
class Scenario:
    """``claim`` is what must hold, ``stands_for`` where in life it came from.

    ``queues``: those that its workers serve, in this order; the load names the queue of each job.
    ``faults``: each with its trigger, ``kill("slot").at(s=2.5)`` or ``kill("tree").on(started=0.75)``. ``reach``:
    situations that must have occurred for the verdict to mean anything. ``objectives``: tighter than the policy's.
    ``needs``: abilities of the target without which the whole scenario is not applicable; ``job_needs``: the ability
    that one kind of job needs, without which its jobs are left out, and that is said. ``rest_s``: quiet that counts as
    rest. ``settle_s``: how long the runner waits for jobs that are still out.
    """

    name: str
    claim: str
    stands_for: str
    load: Arrivals[JobSpec]
    workers: Workers = field(default_factory=Workers)
    policy: Policy = field(default_factory=Policy)
    queues: Sequence[str] = ("default",)
    faults: Sequence[Planned] = ()
    reach: Sequence[str] = ()
    objectives: Sequence[str] = ()
    needs: frozenset[str] = frozenset()
    job_needs: Mapping[JobSpec, str] = field(default_factory=dict)
    durability: Literal["always", "everysec", "no"] = "always"
    enqueue_deadline_s: float = 1.0
    rest_s: float = 3.0
    settle_s: float = 15.0

    @property
    def title(self) -> str:
        """``workers_killed`` as people say it: ``Workers killed``."""
        return self.name.replace("_", " ").capitalize()
