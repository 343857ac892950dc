"""A Redis that we did not start: nothing is broken in it without its owner's word."""

import contextlib
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from redis.exceptions import RedisError

from chaos.binaries import Binary, server_of
from chaos.campaign import Campaign
from chaos.canary import DATABASE
from chaos.environment import Durability
from chaos.environment.redis_server import clients, connect
from chaos.errors import HarnessError
from chaos.probe import ping_s

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
DEFAULT_PORT: Final = 6379
CONSENT_OPTION: Final = "--i-may-break-this-redis"


class ConsentError(HarnessError):
    """Refused: nothing was touched."""


def require_consent(url: str, *, consent: bool) -> None:
    """Raise ``ConsentError`` unless faults may be injected into the Redis at ``url``.

    Only with the user's explicit consent, and even then only on this machine: what is shared is not for breaking.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
        raise ConsentError(f"{url}: redis://HOST:PORT/DB is needed")
    where = f"{parts.hostname}:{parts.port or DEFAULT_PORT}"
    if parts.hostname not in LOOPBACK:
        raise ConsentError(
            f"the Redis at {where} is not on this machine, and its connections would be cut and its server killed:"
            " refused, whatever the options. Without a URL the harness starts a Redis of its own"
        )
    if not consent:
        raise ConsentError(
            f"the Redis at {where} was not started by the harness, and its connections would be cut and its data"
            f" written to: say {CONSENT_OPTION} if it is yours to break. Without a URL the harness starts its own"
        )


class ExternalRedis:
    """A Redis of the user's on loopback, with consent: links to it break, its process is left alone.

    Its database 0 and the canary's must be empty before, and are emptied after. Raises ``ConsentError`` where anything
    is in the way, before anything was touched.
    """

    name = "redis"

    def __init__(self, url: str, campaign: Campaign, directory: Path, port: int, durability: Durability) -> None:
        """``port`` is what the environment reserved, and is not needed: the server has its own."""
        del campaign, directory, port
        self.url, self.durability = url, durability
        self.port = urlsplit(url).port or DEFAULT_PORT
        self.binary, self.version = Binary(Path("redis"), "unknown"), "unknown"

    def start(self) -> None:
        """Look whether it can be used; idempotent."""
        if self.version != "unknown":
            return
        try:
            with connect(self.port) as client, connect(self.port, db=DATABASE) as canary:
                told, fsync = client.info("server"), client.config_get("appendfsync").get("appendfsync")
                aof = client.config_get("appendonly").get("appendonly")
                used = client.dbsize() + canary.dbsize()
        except RedisError as error:
            raise ConsentError(f"the Redis at {self.url} can't be used: {error}") from error
        if used:
            raise ConsentError(
                f"the Redis at {self.url} holds {used} keys in its databases 0 and {DATABASE}, which are emptied after"
                " each scenario: empty them, or name another server"
            )
        if self.durability == "always" and (aof, fsync) != ("yes", "always"):
            raise ConsentError(
                f"the scenario declares appendfsync always, the Redis at {self.url} has appendonly {aof}, appendfsync"
                f" {fsync}: what it loses would be blamed on the queue. Set both, or declare another durability"
            )
        self.binary = server_of(Path("redis"), told)
        self.version = f"{self.binary.product} {self.binary.version}"

    @property
    def alive(self) -> bool:
        """Whether it answers."""
        return ping_s("127.0.0.1", self.port) is not None

    def kill(self) -> None:
        """Not ours to end. Faults that would are left out before the run."""
        raise ConsentError(f"the Redis at {self.url} was not started by the harness, so it is not killed")

    def back_up(self) -> int:
        """Not offered."""
        raise HarnessError("no backup is taken of the data of a Redis that the harness did not start")

    def restore(self) -> None:
        """Not offered."""
        raise HarnessError("nothing is restored to a Redis that the harness did not start")

    def client_list(self) -> list[dict[str, str]]:
        """CLIENT LIST; empty when it does not answer."""
        return clients(self.port)

    def check(self) -> None:
        """Raise ``HarnessError`` if it is down."""
        if not self.alive:
            raise HarnessError(f"the Redis at {self.url} does not answer any more: look at it, then run again")

    def close(self) -> None:
        """Empty what was empty before."""
        for database in (0, DATABASE):
            with contextlib.suppress(RedisError), connect(self.port, db=database) as client:
                client.flushdb()
