"""Redis has no memory left: it answers, and refuses whatever would need more."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from chaos.causes import Cause
from chaos.environment import Environment
from chaos.errors import HarnessError
from chaos.faults import Effect, Evidence, Injection
from chaos.faults.direct import direct, errors_so_far
from chaos.planned import Plannable

FULL: Final[Mapping[str, str]] = {"maxmemory-policy": "noeviction", "maxmemory": "1"}
"""One byte: below what any server uses, so that it is full from the first to the last moment whatever is deleted."""


@dataclass(frozen=True, slots=True)
class _Full:
    """``before``: the settings as they were; ``refused``: errors of that kind so far.

    The memory comes first of the settings: under a policy that evicts, a full server would forget everything.
    """

    before: Mapping[str, str]
    refused: int


@dataclass(frozen=True, slots=True)
class OutOfMemory(Plannable):
    """``maxmemory`` is below what is used for ``for_s`` seconds, and nothing is evicted.

    Commands that may need memory get the error OOM, and so do scripts at their first such command; reads and deletions
    go on. A worker whose renewal is a write can't renew.
    """

    for_s: float

    name: ClassVar[str] = "out of memory"
    effect: ClassVar[Effect] = "refused"
    needs: ClassVar[frozenset[str]] = frozenset()
    explains: ClassVar[frozenset[Cause]] = frozenset({Cause.LEASE_ENDED})

    def problems(self) -> Sequence[str]:
        """What is wrong with the settings."""
        return () if self.for_s > 0 else (f"for_s={self.for_s:g}: more than 0 seconds are needed",)

    def targets(self, env: Environment) -> Sequence[str]:
        """Everybody."""
        return tuple(env.links)

    def inject(self, env: Environment, rng: Random) -> Injection:  # noqa: ARG002  # there is one server
        """Fill it up. If that fails half-way, the settings are as they were."""
        at_ns = time.monotonic_ns()
        with direct(env) as client:
            before = {name: str(client.config_get(name)[name]) for name in reversed(list(FULL))}
        full = _Full(before, errors_so_far(env, "OOM"))
        try:
            _configure(env, FULL)
        except HarnessError:
            self.heal(env, Injection(at_ns, full))
            raise
        return Injection(at_ns, full)

    def evidence(self, env: Environment, injection: Injection) -> tuple[Evidence, ...]:
        """Commands that were refused for it."""
        if not isinstance(full := injection.state, _Full):
            return ()
        refused = errors_so_far(env, "OOM") - full.refused
        return (Evidence("store", f"{refused} commands were answered with OOM"),) if refused > 0 else ()

    def heal(self, env: Environment, injection: Injection) -> None:
        """Give it its memory back. A server that was killed meanwhile comes back with the settings of its start."""
        if isinstance(full := injection.state, _Full) and env.store.alive:
            _configure(env, full.before)


def _configure(env: Environment, settings: Mapping[str, str]) -> None:
    with direct(env) as client:
        for name, value in settings.items():
            client.config_set(name, value)
