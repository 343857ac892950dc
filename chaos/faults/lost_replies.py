"""Commands reach Redis and are carried out; their replies are lost: did it happen, or not?"""

import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final
from urllib.parse import urlsplit

from chaos.causes import Cause
from chaos.environment import Environment
from chaos.faults import Effect, Evidence, Injection
from chaos.faults.direct import calls_so_far
from chaos.faults.links import on_each, open_connections
from chaos.planned import Plannable

ALL: Final = "all"
PROBE_TIMEOUT_S: Final = 1.0
COUNT_S_MAX: Final = 0.5  # the probe's connection may be closed before Redis has counted its command


@dataclass(frozen=True, slots=True)
class _Limited:
    """What was added under the name ``by``: how many bytes of replies a connection of each client still carries."""

    by: str
    limits: Mapping[str, int]
    before: Mapping[str, frozenset[int]]


@dataclass(frozen=True, slots=True)
class LostReplies(Plannable):
    """For ``for_s`` seconds each connection ``of`` one client (or ``all``) ends in the middle of a reply.

    It carries so many bytes of replies as were drawn for its client, from 0 to ``bytes_max``, and is closed with the
    next: a client that connects again gets a few commands through, and loses the reply to another one each time.
    """

    for_s: float
    of: str = ALL
    bytes_max: int = 800

    name: ClassVar[str] = "lost replies"
    effect: ClassVar[Effect] = "cut"
    needs: ClassVar[frozenset[str]] = frozenset()
    explains: ClassVar[frozenset[Cause]] = frozenset({Cause.LEASE_ENDED, Cause.LOST_REPLY})

    def problems(self) -> Sequence[str]:
        """What is wrong with the settings."""
        wrong = [] if self.for_s > 0 else [f"for_s={self.for_s:g}: more than 0 seconds are needed"]
        return wrong if self.bytes_max >= 0 else [*wrong, f"bytes_max={self.bytes_max}: 0 or more bytes are needed"]

    def targets(self, env: Environment) -> Sequence[str]:
        """The one client, or everybody."""
        return tuple(client for client in env.links if self.of in {ALL, client})

    def inject(self, env: Environment, rng: Random) -> Injection:
        """Limit what each link carries of Redis' replies."""
        at_ns = time.monotonic_ns()
        limits = {client: rng.randint(0, self.bytes_max) for client in self.targets(env)}
        limited = _Limited(f"lost_replies-{at_ns}", limits, open_connections(env, tuple(limits)))
        on_each(
            [env.links[client] for client in limits],
            lambda link: link.poison(limited.by, "limit_data", {"bytes": limits[link.name]}),
            lambda link: link.cure(limited.by),
        )
        return Injection(at_ns, limited)

    def evidence(self, env: Environment, injection: Injection) -> tuple[Evidence, ...]:
        """Clients that lost connections, and on whose link Redis carries out a command whose reply does not come."""
        if not isinstance(limited := injection.state, _Limited):
            return ()
        found = []
        for client, had in limited.before.items():
            lost = had - env.links[client].connections()
            if lost and _is_carried_out_unanswered(env, client, limited.limits[client]):
                says = (
                    f"{client}: {len(lost)} of {len(had)} open connections lost; Redis did an ECHO, its reply was lost"
                )
                found.append(Evidence(client, says))
        return tuple(found)

    def heal(self, env: Environment, injection: Injection) -> None:
        """Let replies through again."""
        if isinstance(limited := injection.state, _Limited):
            on_each([env.links[client] for client in limited.limits], lambda link: link.cure(limited.by))


def _is_carried_out_unanswered(env: Environment, client: str, limit: int) -> bool:
    """ECHO changes nothing and is counted: one whose reply is longer than what is let through must come back torn."""
    before = calls_so_far(env, "echo")
    if _echo(env.links[client].url, "x" * (limit + 1)):
        return False
    end_s = time.monotonic() + COUNT_S_MAX
    while calls_so_far(env, "echo") == before:
        if time.monotonic() > end_s:
            return False
    return True


def _echo(url: str, text: str) -> bool:
    """Whether the whole reply came."""
    where = urlsplit(url)
    wanted = f"${len(text)}\r\n{text}\r\n".encode()
    try:
        with socket.create_connection((where.hostname, where.port), PROBE_TIMEOUT_S) as connection:
            connection.settimeout(PROBE_TIMEOUT_S)
            connection.sendall(f"*2\r\n$4\r\nECHO\r\n${len(text)}\r\n{text}\r\n".encode())
            came = b""
            while len(came) < len(wanted) and (more := connection.recv(65536)):
                came += more
            return came == wanted
    except OSError:
        return False
