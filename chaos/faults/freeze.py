"""A worker stands still while it runs a job, or only who renews its leases, and then goes on: the zombie."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from chaos.causes import Cause
from chaos.environment import Environment
from chaos.faults import Effect, Evidence, Injection
from chaos.faults.victims import Victim, catch, is_stopped
from chaos.planned import Plannable

PARTS: Final = ("tree", "supervisor")


@dataclass(frozen=True, slots=True)
class Freeze(Plannable):
    """SIGSTOP to ``part`` of a worker, ``tree`` or ``supervisor``, SIGCONT ``for_s`` seconds later.

    Longer than the lease, it makes a zombie that reports a job which somebody else may hold by then; shorter, it is a
    control: nothing may happen. A tree that wakes may find out that it is late before its body ends; where only the
    supervisor stands still, the body ends in its time. ``open_s``: for how long at least and at most a run of the
    worker has been open.
    """

    for_s: float
    part: str = "tree"
    open_s: tuple[float, float] = (0.0, math.inf)

    effect: ClassVar[Effect] = "freeze"
    needs: ClassVar[frozenset[str]] = frozenset()
    explains: ClassVar[frozenset[Cause]] = frozenset({Cause.LEASE_ENDED})

    @property
    def name(self) -> str:
        """``freeze``, or ``freeze supervisor``."""
        return "freeze" if self.part == "tree" else f"freeze {self.part}"

    def problems(self) -> Sequence[str]:
        """What is wrong with the settings."""
        wrong = [] if self.for_s > 0 else [f"for_s={self.for_s:g}: more than 0 seconds are needed"]
        least_s, most_s = self.open_s
        wrong += [] if 0 <= least_s < most_s else [f"open_s={self.open_s}: from 0 seconds on to more is needed"]
        return wrong + ([] if self.part in PARTS else [f"part {self.part!r}: one of {', '.join(PARTS)} is needed"])

    def targets(self, env: Environment) -> Sequence[str]:  # noqa: ARG002  # chosen when it is injected
        """Chosen among those that run a job."""
        return ()

    def inject(self, env: Environment, rng: Random) -> Injection:
        """Stop a worker that runs a job; of its supervisor's tree, let go of the rest."""
        victim = catch(env, rng, self.open_s)
        if victim is not None and self.part == "supervisor":
            victim.worker.signal([pid for pid in victim.pids if pid != victim.worker.pid], "CONT")
        return Injection(victim.at_ns if victim is not None else time.monotonic_ns(), victim)

    def evidence(self, env: Environment, injection: Injection) -> tuple[Evidence, ...]:  # noqa: ARG002
        """The runs that were open when it was stopped, and whose process, or whose supervisor, still is."""
        if not isinstance(victim := injection.state, Victim):
            return ()
        name, supervisor = victim.worker.name, victim.worker.pid
        if self.part == "supervisor":
            runs = victim.runs if is_stopped(supervisor) else ()
            return tuple(
                Evidence(name, f"{name}: supervisor {supervisor} stands still, job {run.job} was open in pid {run.pid}")
                for run in runs
            )
        return tuple(
            Evidence(name, f"{name}: job {run.job} stands still in pid {run.pid}")
            for run in victim.runs
            if is_stopped(run.pid)
        )

    def heal(self, env: Environment, injection: Injection) -> None:  # noqa: ARG002
        """Let it go on."""
        if isinstance(injection.state, Victim):
            injection.state.let_go()
