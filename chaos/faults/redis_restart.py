"""Redis is killed, and comes back on the data that it left."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from chaos.causes import Cause
from chaos.environment import Environment
from chaos.faults import Effect, Evidence, Injection
from chaos.faults.links import lost_connections, open_connections
from chaos.planned import Plannable


@dataclass(frozen=True, slots=True)
class _Killed:
    before: Mapping[str, frozenset[int]]
    clients: int


@dataclass(frozen=True, slots=True)
class RedisRestart(Plannable):
    """SIGKILL to the server, which is started again ``down_s`` seconds later; what it wrote by then is on the disk."""

    down_s: float

    name: ClassVar[str] = "redis restart"
    effect: ClassVar[Effect] = "store_down"
    needs: ClassVar[frozenset[str]] = frozenset()
    explains: ClassVar[frozenset[Cause]] = frozenset({Cause.LEASE_ENDED, Cause.LOST_REPLY, Cause.STORE_LOSS})

    @property
    def for_s(self) -> float:
        """Seconds until it is started again; then it loads its data."""
        return self.down_s

    def problems(self) -> Sequence[str]:
        """What is wrong with the settings."""
        return () if self.down_s >= 0 else (f"down_s={self.down_s:g}: 0 seconds or more are needed",)

    def targets(self, env: Environment) -> Sequence[str]:
        """Everybody."""
        return tuple(env.links)

    def inject(self, env: Environment, rng: Random) -> Injection:  # noqa: ARG002  # there is one server
        """Kill it."""
        at_ns = time.monotonic_ns()
        killed = _Killed(open_connections(env, self.targets(env)), len(env.store.client_list()))
        env.store.kill()
        return Injection(at_ns, killed)

    def evidence(self, env: Environment, injection: Injection) -> tuple[Evidence, ...]:
        """That it is gone, and the connections that clients lost by it."""
        if env.store.alive or not isinstance(killed := injection.state, _Killed):
            return ()
        lost = lost_connections(env, killed.before)
        return (Evidence("store", f"killed with {killed.clients} clients connected"), *lost) if lost else ()

    def heal(self, env: Environment, injection: Injection) -> None:  # noqa: ARG002  # whoever killed it
        """Start it and wait until it has loaded its data."""
        env.store.start()
