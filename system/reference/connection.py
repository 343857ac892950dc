"""A producer's way to Redis: a bounded pool whose connections have timeouts and send nothing again by themselves."""
# ruff: noqa: ANN401  # redis-py's pools and connections are typed for both of its clients at once, which is of no use

import os
import socket
import ssl
import time
from dataclasses import replace
from random import Random
from typing import Any

from redis import BlockingConnectionPool, Connection, CredentialProvider, Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from .address import Endpoint, Login
from .dial import dial
from .endpoint_url import parse
from .link import Retrier


def connect(
    where: Endpoint | str,
    *,
    name: str | None = None,
    connections_max: int | None = None,
    wait_s: float | None = None,
    timeout_s: float | None = None,
) -> Redis:
    """A client for any number of threads. Nothing is connected before the first command.

    ``where`` is an endpoint or its URL; the numbers, where given, take the place of the endpoint's: ``connections_max``
    of the pool, ``wait_s`` for one of them, ``timeout_s`` for connecting and for each reply. ``name`` stands in CLIENT
    LIST as ``stormq:{name}:producer:{pid}``. Raises ``SettingsError``.
    """
    endpoint = parse(where) if isinstance(where, str) else where
    given: dict[str, Any] = {
        "connections_max": connections_max,
        "connection_wait_s": wait_s,
        "connect_timeout_s": timeout_s,
        "command_timeout_s": timeout_s,
    }
    endpoint = replace(endpoint, **{name: value for name, value in given.items() if value is not None})
    options: dict[str, Any] = {
        "endpoint": endpoint,
        "client_name": f"stormq:{name or os.uname().nodename}:producer:{os.getpid()}",
        "db": endpoint.db,
        "credential_provider": _Credentials(endpoint.login) if endpoint.login != Login() else None,
        "socket_timeout": endpoint.command_timeout_s,
        "socket_connect_timeout": endpoint.connect_timeout_s,
        "retry": Retry(NoBackoff(), 0),  # rule 9: who sends again decides it knowingly
        "health_check_interval": endpoint.health_check_s,
        "protocol": 2,
        "driver_info": None,  # each of its two commands would be a round trip more before a reconnect is over
    }
    bounds: dict[str, Any] = {"max_connections": endpoint.connections_max, "timeout": endpoint.connection_wait_s}
    make: Any = BlockingConnectionPool
    return Redis(connection_pool=make(connection_class=_Dialled, **bounds, **options))


def endpoint_of(redis: Redis) -> Endpoint:
    """What a client of ``connect`` was made of; the default for any other client."""
    pool: Any = redis.connection_pool
    endpoint = pool.connection_kwargs.get("endpoint")
    return endpoint if isinstance(endpoint, Endpoint) else Endpoint()


class _Credentials(CredentialProvider):
    """Asked at each connecting, so that a password's file may change."""

    def __init__(self, login: Login) -> None:
        self._login = login

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """What AUTH is given."""
        login = self._login
        try:
            secret = login.secret()
        except OSError as error:  # redis-py would keep the socket, on which nobody has logged in
            raise RedisConnectionError(f"no password: {error}") from error
        return (login.username, secret) if login.username else (secret,)


class _Dialled(Connection):
    """Connects as a worker does, and tries again to: nothing was sent yet, so whatever comes can't happen twice."""

    def __init__(self, endpoint: Endpoint, **options: Any) -> None:
        super().__init__(host=str(endpoint), port=endpoint.port, **options)  # type: ignore[no-untyped-call]
        self._endpoint = endpoint

    def _connect(self) -> socket.socket:
        endpoint, retrier = self._endpoint, Retrier(self._endpoint.retry_cap_s, Random())  # guards nothing
        end_s = time.monotonic() + endpoint.connect_timeout_s
        while True:
            try:
                connection = dial(endpoint, endpoint.connect_timeout_s)
            except ssl.SSLCertVerificationError:
                raise  # no later try would trust it
            except OSError:
                pause_s = retrier.pause_s()
                if retrier.failures > endpoint.connect_retries or time.monotonic() + pause_s >= end_s:
                    raise
                time.sleep(pause_s)
            else:
                connection.settimeout(endpoint.command_timeout_s)
                return connection

    def _host_error(self) -> str:
        return str(self._endpoint)
