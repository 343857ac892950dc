"""An operator pauses queues in mid-load, and resumes them."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from chaos.causes import Cause
from chaos.environment import Environment
from chaos.faults import Effect, Evidence, Injection
from chaos.planned import Plannable


@dataclass(frozen=True, slots=True)
class _Paused:
    acked: int
    started: int


@dataclass(frozen=True, slots=True)
class Pause(Plannable):
    """The queue is paused by the target's own means for ``for_s`` seconds; each step is told as an ``op``."""

    for_s: float
    queue: str = "default"

    name: ClassVar[str] = "pause"
    effect: ClassVar[Effect] = "pause"
    needs: ClassVar[frozenset[str]] = frozenset({"pause"})
    explains: ClassVar[frozenset[Cause]] = frozenset()

    def problems(self) -> Sequence[str]:
        """What is wrong with the settings."""
        return () if self.for_s > 0 else (f"for_s={self.for_s:g}: more than 0 seconds are needed",)

    def targets(self, env: Environment) -> Sequence[str]:  # noqa: ARG002  # it hits no client
        """The queue, and so nobody's link."""
        return ()

    def inject(self, env: Environment, rng: Random) -> Injection:  # noqa: ARG002  # nothing is chosen
        """Pause it."""
        at_ns = time.monotonic_ns()
        try:
            self._operate(env, "pause")
        except BaseException:
            with contextlib.suppress(Exception):  # nobody knows whether it is paused; the first error is told
                self._operate(env, "resume")
            raise
        return Injection(at_ns, _Paused(env.view.acked, env.view.started))

    def evidence(self, env: Environment, injection: Injection) -> tuple[Evidence, ...]:
        """That more jobs came than were started."""
        if not isinstance(paused := injection.state, _Paused):
            return ()
        came, began = env.view.acked - paused.acked, env.view.started - paused.started
        return (Evidence("store", f"{came} jobs were acknowledged and {began} started"),) if came > began else ()

    def heal(self, env: Environment, injection: Injection) -> None:  # noqa: ARG002  # whoever paused it
        """Resume it."""
        self._operate(env, "resume")

    def _operate(self, env: Environment, step: str) -> None:
        env.tell("op", op=step, queue=self.queue, phase="invoked")
        env.operate(step, self.queue)
        env.tell("op", op=step, queue=self.queue, phase="acked")
