"""A worker stands still while it runs a job, and then goes on as if nothing had been: the zombie."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from chaos.causes import Cause
from chaos.environment import Environment
from chaos.faults import Effect, Evidence, Injection
from chaos.faults.victims import Victim, catch, is_stopped
from chaos.planned import Plannable


@dataclass(frozen=True, slots=True)
class Freeze(Plannable):
    """SIGSTOP to a whole tree, SIGCONT ``for_s`` seconds later.

    Longer than the lease, it makes a zombie that reports a job which somebody else may hold by then; shorter, it is a
    control: nothing may happen.
    """

    for_s: float

    name: ClassVar[str] = "freeze"
    effect: ClassVar[Effect] = "freeze"
    needs: ClassVar[frozenset[str]] = frozenset()
    explains: ClassVar[frozenset[Cause]] = frozenset({Cause.LEASE_ENDED})

    def problems(self) -> Sequence[str]:
        """What is wrong with the settings."""
        return () if self.for_s > 0 else (f"for_s={self.for_s:g}: more than 0 seconds are needed",)

    def targets(self, env: Environment) -> Sequence[str]:  # noqa: ARG002  # chosen when it is injected
        """Chosen among those that run a job."""
        return ()

    def inject(self, env: Environment, rng: Random) -> Injection:
        """Stop a worker that runs a job."""
        victim = catch(env, rng)
        return Injection(victim.at_ns if victim is not None else time.monotonic_ns(), victim)

    def evidence(self, env: Environment, injection: Injection) -> tuple[Evidence, ...]:  # noqa: ARG002
        """The runs that stand still: open when it was stopped, and their process still stopped."""
        if not isinstance(victim := injection.state, Victim):
            return ()
        name = victim.worker.name
        return tuple(
            Evidence(name, f"{name}: job {run.job} stands still in pid {run.pid}")
            for run in victim.runs
            if is_stopped(run.pid)
        )

    def heal(self, env: Environment, injection: Injection) -> None:  # noqa: ARG002
        """Let it go on."""
        if isinstance(injection.state, Victim):
            injection.state.let_go()
