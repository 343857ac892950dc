"""One connection of a worker to Redis: explicit timeouts, no retries of its own, several commands a round trip."""

from collections.abc import Sequence
from random import Random
from typing import Any, Final

from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError, ResponseError
from redis.retry import Retry

from .scripts import Command, Scripts

BACKOFF_FIRST_S: Final = 0.02

Reply = Any  # what Redis says: bytes, int, None, a list of these, or a ResponseError (of one command among several)


class LinkDown(Exception):  # noqa: N818  # a state, not a fault of the caller
    """No answer: the connection broke, timed out, or could not be made. Nobody knows what the commands did."""


def connection_options(name: str, timeout_s: float) -> dict[str, Any]:
    """Keyword arguments of redis-py for every connection of ours."""
    return {
        "client_name": name,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),  # rule 9: who sends again decides it knowingly
        "health_check_interval": 0,
        "protocol": 2,
        "driver_info": None,  # each of its two commands would be a round trip more before a reconnect is over
    }


class Link:
    """Not for several threads. Raises ``LinkDown`` for everything that is the network's or the server's absence."""

    def __init__(self, url: str, name: str, scripts: Scripts, timeout_s: float) -> None:
        """``name`` is what CLIENT LIST shows; ``timeout_s`` bounds connecting and each reply."""
        pool = ConnectionPool.from_url(url, **connection_options(name, timeout_s))
        self._connection: Any = pool.make_connection()
        self._scripts = scripts
        self._timeout_s = timeout_s

    def exchange(self, commands: Sequence[Command], *, wait_s: float = 0.0) -> list[Reply]:
        """Send all at once and read all replies; ``wait_s``: how long one may block in the server.

        A script that the server does not know is loaded and its command sent again: it had not been executed.
        """
        try:
            self._connect()
            replies = self._send(commands, wait_s)
            unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            if unknown:
                self._load_scripts()
                for i, reply in zip(unknown, self._send([commands[i] for i in unknown], wait_s), strict=True):
                    replies[i] = reply
        except (RedisError, OSError) as error:
            self.close()
            raise LinkDown(f"{type(error).__name__}: {error}") from error
        except BaseException:
            self.close()  # a signal's exception in the middle of a reply: what follows could not be matched
            raise
        return replies

    def close(self) -> None:
        """Close the connection; the next exchange makes a new one."""
        self._connection.disconnect()

    def _connect(self) -> None:
        if not self._connection.is_connected:
            self._connection.connect()
            self._load_scripts()

    def _load_scripts(self) -> None:
        for reply in self._send(self._scripts.load_commands(), 0.0):
            if isinstance(reply, ResponseError):
                raise reply

    def _send(self, commands: Sequence[Command], wait_s: float) -> list[Reply]:
        self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)
        return [self._read(wait_s) for _ in commands]

    def _read(self, wait_s: float) -> Reply:
        try:
            return self._connection.read_response(timeout=self._timeout_s + wait_s)
        except ResponseError as error:
            return error


class Retrier:
    """Jittered pauses between tries, growing from 20 ms to ``most_s``; starts afresh after a success."""

    def __init__(self, most_s: float, rng: Random) -> None:
        self._most_s, self._rng, self._next_s = most_s, rng, BACKOFF_FIRST_S

    def pause_s(self) -> float:
        """How long to wait before the next try."""
        pause_s = self._next_s * self._rng.uniform(0.5, 1.0)
        self._next_s = min(self._most_s, self._next_s * 2)
        return pause_s

    def succeeded(self) -> None:
        """The last try went well."""
        self._next_s = BACKOFF_FIRST_S
