"""The store over the direct link, as faults of the store itself use it: one try, and every failure is the harness's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from chaos.environment import Environment
from chaos.errors import HarnessError

TIMEOUT_S: Final = 2.0


@contextmanager
def direct(env: Environment) -> Iterator[Any]:
    """A client for the length of a ``with``, past the proxies. Raises ``HarnessError`` where a command fails."""
    retry = Retry(NoBackoff(), 0)
    client = Redis.from_url(
        env.store.url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=retry, decode_responses=True
    )
    try:
        with client:
            yield client
    except RedisError as error:
        raise HarnessError(f"Redis at {env.store.url} did not do what the fault needs: {error}") from error


def errors_so_far(env: Environment, code: str) -> int:
    """How often it has answered with an error that begins with ``code``, since its start or its last CONFIG RESETSTAT.

    Source: INFO errorstats (Redis 6.2 and later).
    """
    with direct(env) as client:
        told = client.info("errorstats").get(f"errorstat_{code}", {})
    return int(told.get("count", 0)) if isinstance(told, dict) else 0


def calls_so_far(env: Environment, command: str) -> int:
    """How often it has carried out ``command`` (in lower case). Source: INFO commandstats."""
    with direct(env) as client:
        told = client.info("commandstats").get(f"cmdstat_{command}", {})
    return int(told.get("calls", 0)) if isinstance(told, dict) else 0
