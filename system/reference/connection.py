"""A producer's way to Redis: a bounded pool whose connections have timeouts and retry nothing by themselves."""

import os
from typing import Any, Final

from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

CONNECTIONS_MAX: Final = 64


def connect(
    url: str,
    *,
    name: str | None = None,
    connections_max: int = CONNECTIONS_MAX,
    wait_s: float = 20.0,
    timeout_s: float = 2.0,
) -> Redis:
    """A client for any number of threads: they wait up to ``wait_s`` for one of ``connections_max`` connections.

    ``timeout_s`` bounds connecting and each reply. ``name`` stands in CLIENT LIST as ``stormq:{name}:producer:{pid}``.
    """
    client_name = f"stormq:{name or os.uname().nodename}:producer:{os.getpid()}"
    options: dict[str, Any] = {
        "client_name": client_name,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),  # rule 9: who sends again decides it knowingly
        "health_check_interval": 0,
        "protocol": 2,
        "driver_info": None,  # each of its two commands would be a round trip more before a reconnect is over
    }
    pool = BlockingConnectionPool.from_url(url, max_connections=connections_max, timeout=wait_s, **options)
    return Redis(connection_pool=pool)
