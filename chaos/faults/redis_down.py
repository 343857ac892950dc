"""Redis can't be reached: every connection is dropped, and new ones are refused."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from chaos.causes import Cause
from chaos.environment import Environment
from chaos.faults import Effect, Evidence, Injection
from chaos.faults.links import Struck, lost_connections, on_each, open_connections
from chaos.planned import Plannable


@dataclass(frozen=True, slots=True)
class RedisDown(Plannable):
    """All links are down for ``for_s`` seconds. The server itself goes on."""

    for_s: float

    name: ClassVar[str] = "redis down"
    effect: ClassVar[Effect] = "cut"
    needs: ClassVar[frozenset[str]] = frozenset()
    explains: ClassVar[frozenset[Cause]] = frozenset({Cause.LEASE_ENDED, Cause.LOST_REPLY})

    def problems(self) -> Sequence[str]:
        """What is wrong with the settings."""
        return () if self.for_s > 0 else (f"for_s={self.for_s:g}: more than 0 seconds are needed",)

    def targets(self, env: Environment) -> Sequence[str]:
        """Everybody."""
        return tuple(env.links)

    def inject(self, env: Environment, rng: Random) -> Injection:  # noqa: ARG002  # it spares nobody
        """Take all links down."""
        at_ns = time.monotonic_ns()
        struck = Struck(f"redis_down-{at_ns}", open_connections(env, self.targets(env)))
        on_each(list(env.links.values()), lambda link: link.cut(struck.by), lambda link: link.mend(struck.by))
        return Injection(at_ns, struck)

    def evidence(self, env: Environment, injection: Injection) -> tuple[Evidence, ...]:
        """Connections that clients had and have no more."""
        return lost_connections(env, injection.state.before) if isinstance(injection.state, Struck) else ()

    def heal(self, env: Environment, injection: Injection) -> None:
        """Bring the links up again."""
        if isinstance(struck := injection.state, Struck):
            on_each(list(env.links.values()), lambda link: link.mend(struck.by))
