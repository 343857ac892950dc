"""Redis' answers come late, and unevenly so."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Final

from chaos.causes import Cause
from chaos.environment import Environment
from chaos.faults import Effect, Evidence, Injection
from chaos.faults.links import Struck, on_each, open_connections
from chaos.planned import Plannable

PROBE_SLACK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Latency(Plannable):
    """Each answer is delayed by ``latency_ms`` ± ``jitter_ms`` milliseconds, on every link, for ``for_s`` seconds."""

    latency_ms: int
    for_s: float
    jitter_ms: int = 0

    name: ClassVar[str] = "latency"
    effect: ClassVar[Effect] = "slow"
    needs: ClassVar[frozenset[str]] = frozenset()
    explains: ClassVar[frozenset[Cause]] = frozenset({Cause.LEASE_ENDED, Cause.LOST_REPLY})

    def problems(self) -> Sequence[str]:
        """What is wrong with the settings."""
        wrong = [] if self.for_s > 0 else [f"for_s={self.for_s:g}: more than 0 seconds are needed"]
        if not 0 <= self.jitter_ms < self.latency_ms:
            wrong.append(
                f"latency_ms={self.latency_ms}, jitter_ms={self.jitter_ms}:"
                " a jitter from 0 to below the latency is needed"
            )
        return wrong

    def targets(self, env: Environment) -> Sequence[str]:
        """Everybody."""
        return tuple(env.links)

    def inject(self, env: Environment, rng: Random) -> Injection:  # noqa: ARG002  # Toxiproxy draws the jitter
        """Add the toxic to each link."""
        at_ns = time.monotonic_ns()
        struck = Struck(f"latency-{at_ns}", open_connections(env, self.targets(env)))
        attributes = {"latency": self.latency_ms, "jitter": self.jitter_ms}
        on_each(
            list(env.links.values()),
            lambda link: link.poison(struck.by, "latency", attributes),
            lambda link: link.cure(struck.by),
        )
        return Injection(at_ns, struck)

    def evidence(self, env: Environment, injection: Injection) -> tuple[Evidence, ...]:
        """A probe on the link that is as late as it should be, where the link's client has connections open as well."""
        users = {client: len(found) for client, found in open_connections(env, tuple(env.links)).items() if found}
        if not users or not isinstance(injection.state, Struck):
            return ()
        timeout_s = 2 * (self.latency_ms + self.jitter_ms) / 1000 + PROBE_SLACK_S
        with ThreadPoolExecutor(len(users), "probe") as pool:
            delays = zip(users, pool.map(lambda client: env.links[client].probe(timeout_s), users), strict=True)
            return tuple(
                Evidence(
                    client, f"{client}: a PING took {delay_s * 1000:.0f} ms beside its {users[client]} connections"
                )
                for client, delay_s in delays
                if delay_s is not None and delay_s * 1000 >= self.latency_ms - self.jitter_ms
            )

    def heal(self, env: Environment, injection: Injection) -> None:
        """Remove the toxics."""
        if isinstance(struck := injection.state, Struck):
            on_each(list(env.links.values()), lambda link: link.cure(struck.by))
