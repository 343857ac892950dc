"""A producer's way to Redis: a bounded pool whose connections have timeouts and retry nothing by themselves."""

import os
from typing import Any, Final

from redis import BlockingConnectionPool, Redis

from .link import connection_options

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
    options: dict[str, Any] = connection_options(client_name, timeout_s)
    pool = BlockingConnectionPool.from_url(url, max_connections=connections_max, timeout=wait_s, **options)
    return Redis(connection_pool=pool)
