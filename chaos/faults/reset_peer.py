"""Connections are reset in mid-conversation, as by a firewall that lost its state."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from chaos.causes import Cause
from chaos.environment import Environment
from chaos.faults import Effect, Evidence, Injection
from chaos.faults.links import Struck, lost_connections, on_each, open_connections
from chaos.planned import Plannable

ALL: Final = "all"


@dataclass(frozen=True, slots=True)
class ResetPeer(Plannable):
    """For ``for_s`` seconds each connection ``of`` one client (or ``all``) is reset at its next byte, either way.

    A connection that is quiet all the time is not touched.
    """

    for_s: float
    of: str = ALL

    name: ClassVar[str] = "reset peer"
    effect: ClassVar[Effect] = "cut"
    needs: ClassVar[frozenset[str]] = frozenset()
    explains: ClassVar[frozenset[Cause]] = frozenset({Cause.LEASE_ENDED, Cause.LOST_REPLY})

    def problems(self) -> Sequence[str]:
        """What is wrong with the settings."""
        return () if self.for_s > 0 else (f"for_s={self.for_s:g}: more than 0 seconds are needed",)

    def targets(self, env: Environment) -> Sequence[str]:
        """The one client, or everybody."""
        return tuple(client for client in env.links if self.of in {ALL, client})

    def inject(self, env: Environment, rng: Random) -> Injection:  # noqa: ARG002  # the settings say who
        """Add the toxic to both directions of each link."""
        at_ns = time.monotonic_ns()
        struck = Struck(f"reset_peer-{at_ns}", open_connections(env, self.targets(env)))
        links = [env.links[client] for client in struck.before]
        on_each(
            links, lambda link: link.poison(struck.by, "reset_peer", {"timeout": 0}), lambda link: link.cure(struck.by)
        )
        return Injection(at_ns, struck)

    def evidence(self, env: Environment, injection: Injection) -> tuple[Evidence, ...]:
        """Connections that clients had and have no more."""
        return lost_connections(env, injection.state.before) if isinstance(injection.state, Struck) else ()

    def heal(self, env: Environment, injection: Injection) -> None:
        """Remove the toxics."""
        if isinstance(struck := injection.state, Struck):
            on_each([env.links[client] for client in struck.before], lambda link: link.cure(struck.by))
