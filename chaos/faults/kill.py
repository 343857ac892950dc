"""A process of a worker is killed while it runs a job: its slot, its supervisor, or all of it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from chaos.causes import Cause
from chaos.environment import Environment, Worker
from chaos.faults import Effect, Evidence, Injection
from chaos.faults.victims import Victim, catch
from chaos.planned import Plannable

PARTS: Final = ("slot", "supervisor", "tree")
BACK_S_MAX: Final = 15.0
POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Kill(Plannable):
    """SIGKILL to ``part`` of a worker that has a run open: ``slot``, ``supervisor`` (orphans live on) or ``tree``."""

    part: str

    effect: ClassVar[Effect] = "kill"
    for_s: ClassVar[float] = 0.0
    # a supervisor that is gone renews no lease of the slots that outlive it
    explains: ClassVar[frozenset[Cause]] = frozenset({Cause.KILLED, Cause.LEASE_ENDED})

    @property
    def name(self) -> str:
        """``kill tree``."""
        return f"kill {self.part}"

    @property
    def needs(self) -> frozenset[str]:
        """A slot can only be killed apart where it is a process apart."""
        return frozenset({"slot_processes"}) if self.part == "slot" else frozenset()

    def problems(self) -> Sequence[str]:
        """What is wrong with the settings."""
        return () if self.part in PARTS else (f"kill({self.part!r}): one of {', '.join(PARTS)} is needed",)

    def targets(self, env: Environment) -> Sequence[str]:  # noqa: ARG002  # chosen when it is injected
        """Chosen among those that run a job."""
        return ()

    def inject(self, env: Environment, rng: Random) -> Injection:
        """Stop a worker that runs a job, kill the part, continue the rest."""
        victim = catch(env, rng)
        at_ns = time.monotonic_ns()
        if victim is None:
            return Injection(at_ns)
        try:
            if self.part == "slot":
                victim.runs = [rng.choice(victim.runs)]
                victim.worker.signal([victim.runs[0].pid], "KILL")
            else:
                victim.worker.signal([victim.worker.pid] if self.part == "supervisor" else victim.pids, "KILL")
        finally:
            victim.let_go()
        return Injection(at_ns, victim)

    def evidence(self, env: Environment, injection: Injection) -> tuple[Evidence, ...]:  # noqa: ARG002
        """The runs that were open when the signal was sent."""
        if not isinstance(victim := injection.state, Victim):
            return ()
        name = victim.worker.name
        return tuple(
            Evidence(name, f"{name}: job {run.job} was open in pid {run.pid} at SIGKILL of its {self.part}")
            for run in victim.runs
        )

    def heal(self, env: Environment, injection: Injection) -> None:
        """Wait until the worker is back: spawned again where its first process died, and connected."""
        if not isinstance(victim := injection.state, Victim):
            return
        end_s = time.monotonic() + BACK_S_MAX
        while not self._is_back(env, victim.worker, victim.lives) and time.monotonic() < end_s:
            time.sleep(POLL_S)

    def _is_back(self, env: Environment, worker: Worker, lives: int) -> bool:
        survived = self.part == "slot" and worker.alive
        return (survived or worker.lives > lives) and bool(env.links[worker.name].connections())
