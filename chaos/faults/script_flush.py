"""Redis forgets its scripts, as it may at any time: a restart, a fail-over or an operator does that."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from chaos.causes import Cause
from chaos.environment import Environment
from chaos.faults import Effect, Evidence, Injection
from chaos.faults.direct import direct, errors_so_far
from chaos.planned import Plannable


@dataclass(frozen=True, slots=True)
class ScriptFlush(Plannable):
    """SCRIPT FLUSH, and ``for_s`` seconds for clients to meet it. It explains no repeat: a script can be sent again."""

    for_s: float = 0.5

    name: ClassVar[str] = "script flush"
    effect: ClassVar[Effect] = "forgotten"
    needs: ClassVar[frozenset[str]] = frozenset({"scripts"})
    explains: ClassVar[frozenset[Cause]] = frozenset()

    def problems(self) -> Sequence[str]:
        """What is wrong with the settings."""
        return () if self.for_s > 0 else (f"for_s={self.for_s:g}: more than 0 seconds are needed",)

    def targets(self, env: Environment) -> Sequence[str]:
        """Everybody."""
        return tuple(env.links)

    def inject(self, env: Environment, rng: Random) -> Injection:  # noqa: ARG002  # there is one server
        """Flush."""
        at_ns = time.monotonic_ns()
        before = errors_so_far(env, "NOSCRIPT")
        with direct(env) as client:
            client.script_flush("SYNC")
        return Injection(at_ns, before)

    def evidence(self, env: Environment, injection: Injection) -> tuple[Evidence, ...]:
        """Calls of scripts that were not there."""
        if not isinstance(before := injection.state, int):
            return ()
        met = errors_so_far(env, "NOSCRIPT") - before
        return (Evidence("store", f"{met} calls of a script were answered with NOSCRIPT"),) if met > 0 else ()

    def heal(self, env: Environment, injection: Injection) -> None:
        """Nothing is broken: whoever needs a script sends it."""
