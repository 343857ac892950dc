"""One try to store a job, and what it proves if it fails: nothing happened, or nobody knows (rule 9)."""
# ruff: noqa: ANN401  # redis-py's pools and connections are typed for both of its clients at once, which is of no use

import threading
import time
from typing import Any, Final

from redis import Redis
from redis.exceptions import (
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from .keys import iso
from .resp import Argument, Command
from .scripts import Scripts

# Errors that Redis raises before a script's first write, or at it: by then our scripts have written nothing.
NOTHING_WRITTEN: Final = (
    "STORMQ", "LOADING", "READONLY", "OOM", "MISCONF", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "MOVED", "ASK",
    "TRYAGAIN", "NOAUTH", "NOPERM", "WRONGPASS", "BUSY", "NOSCRIPT", "WRONGTYPE",
)  # fmt: skip
HOPELESS: Final = ("STORMQ", "WRONGTYPE", "NOPERM")


class NothingDoneError(Exception):
    """This try changed nothing. ``may_pass``: another may go better."""

    def __init__(self, why: str, *, may_pass: bool) -> None:
        super().__init__(why)
        self.may_pass = may_pass


class DoubtError(Exception):
    """This try may have changed something."""


class Storing:
    """Thread-safe. ``redis`` must not send again by itself (``connect`` makes such clients)."""

    def __init__(self, redis: Redis, scripts: Scripts) -> None:
        self._pool: Any = redis.connection_pool
        self._scripts = scripts
        self._clock = ServerClock()

    def store(self, queue: str, job_id: str, delay_us: int, window_s: float, fields: list[Argument]) -> bool:
        """Store a job; whether it was new. Raises ``NothingDoneError`` or ``DoubtError``."""
        connection = self._connected()
        try:
            not_after_us = self._clock.now_us(connection) + int(window_s * 1e6)
            command = self._scripts.call("enqueue", queue, job_id, not_after_us, delay_us, iso(), *fields)
            word, server_us = self._ask(connection, command)
        finally:
            self._pool.release(connection)
        self._clock.told(int(server_us))
        if word == b"expired":
            raise NothingDoneError("the server's clock is past the window", may_pass=True)  # the next try knows it
        return bool(word == b"applied")

    def _connected(self) -> Any:
        """A connected connection of the pool; whatever goes wrong here, no byte of the command was sent."""
        try:
            return self._pool.get_connection()
        except (RedisError, OSError) as error:
            raise NothingDoneError(f"no connection: {_said(error)}", may_pass=True) from error

    def _ask(self, connection: Any, command: Command) -> Any:
        try:
            return self._send(connection, command)
        except NoScriptError:  # it was not executed
            pass
        try:
            _call(connection, ("SCRIPT", "LOAD", self._scripts.texts["enqueue"]))
        except (RedisError, OSError) as error:
            connection.disconnect()
            raise NothingDoneError(f"no answer to SCRIPT LOAD: {_said(error)}", may_pass=True) from error
        try:
            return self._send(connection, command)
        except NoScriptError as error:
            raise _verdict(error) from error

    def _send(self, connection: Any, command: Command) -> Any:
        try:
            return _call(connection, command)
        except NoScriptError:
            raise
        except ResponseError as error:
            if isinstance(error, ReadOnlyError | MasterDownError):
                connection.disconnect()  # the next connection may lead to the server that took over
            raise _verdict(error) from error
        except (RedisError, OSError) as error:
            connection.disconnect()
            raise DoubtError(f"no answer: {_said(error)}") from error


class ServerClock:
    """What the server's clock says, from its last answer: a window (rule 3) is a matter of the server's time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: tuple[int, float] | None = None

    def now_us(self, connection: Any) -> int:
        """Server time in µs, or a little less. Asks once; raises ``NothingDoneError`` if that fails."""
        with self._lock:
            seen = self._seen
        if seen is None:
            try:
                seconds, micros = _call(connection, ("TIME",))
            except (RedisError, OSError) as error:
                connection.disconnect()
                raise NothingDoneError(f"no answer to TIME: {_said(error)}", may_pass=True) from error
            self.told(int(seconds) * 1_000_000 + int(micros))
            return int(seconds) * 1_000_000 + int(micros)
        server_us, at_s = seen
        return server_us + int((time.monotonic() - at_s) * 1e6)

    def told(self, server_us: int) -> None:
        """An answer of the server brought its time."""
        with self._lock:
            self._seen = server_us, time.monotonic()


def _verdict(error: ResponseError) -> Exception:
    text = f"OOM {error}" if isinstance(error, OutOfMemoryError) else str(error)  # redis-py takes that code off
    code = next((code for code in NOTHING_WRITTEN if code in text), None)
    return NothingDoneError(text, may_pass=code not in HOPELESS) if code else DoubtError(text)


def _call(connection: Any, command: Command) -> Any:
    connection.send_packed_command(connection.pack_command(*command), check_health=False)
    return connection.read_response()


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
