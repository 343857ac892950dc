"""One try to store a job, and what it proves if it fails: nothing happened, or nobody knows (rule 9)."""
# ruff: noqa: ANN401  # redis-py's pools and connections are typed for both of its clients at once, which is of no use

import threading
import time
from typing import Any, Final

from redis import Redis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from .connection import endpoint_of
from .keys import iso
from .resp import Argument, Command
from .scripts import Scripts

# Errors that Redis raises before a script's first write, or at it: by then our scripts have written nothing. Of some
# redis-py takes the code off and gives them a type.
NOTHING_WRITTEN: Final = ("STORMQ", "MISCONF", "NOREPLICAS", "BUSY", "WRONGTYPE", "NOSCRIPT")
REFUSALS: Final = (
    AuthenticationError, BusyLoadingError, ClusterDownError, MovedError, NoPermissionError, NoScriptError,
    OutOfMemoryError, ReadOnlyError, TryAgainError,
)  # fmt: skip
HOPELESS: Final = ("STORMQ", "WRONGTYPE")
LEAVE: Final = (AuthenticationError, MasterDownError, MovedError, ReadOnlyError)


class NothingDoneError(Exception):
    """This try changed nothing. ``may_pass``: another may go better."""

    def __init__(self, why: str, *, may_pass: bool) -> None:
        super().__init__(why)
        self.may_pass = may_pass


class DoubtError(Exception):
    """This try may have changed something. ``not_after_us``: no copy of it can any more, from that server time on."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.not_after_us = 0


class Storing:
    """Thread-safe. ``redis`` must not send again by itself (``connect`` makes such clients)."""

    def __init__(self, redis: Redis, scripts: Scripts) -> None:
        self._pool: Any = redis.connection_pool
        self._endpoint = endpoint_of(redis)
        self._scripts = scripts
        self._clock = ServerClock()

    def store(
        self, queue: str, job_id: str, delay_us: int, window_s: float, fields: list[Argument], not_after_us: int = 0
    ) -> bool:
        """Store a job; whether it was new. Raises ``NothingDoneError`` or ``DoubtError``.

        ``not_after_us``: of an earlier try that nobody knows the end of; the window is not extended beyond it.
        """
        connection = self._connected()
        try:
            not_after_us = not_after_us or self._clock.now_us(connection) + int(window_s * 1e6)
            command = self._scripts.call("enqueue", queue, job_id, not_after_us, delay_us, iso(), *fields)
            word, server_us = self._ask(connection, command)
            self._clock.told(int(server_us))
            if word == b"expired":  # the next try knows the server's time
                raise NothingDoneError("the server's clock is past the window", may_pass=True)  # noqa: TRY301
            self._wait_for_replicas(connection)
        except DoubtError as doubt:
            doubt.not_after_us = not_after_us
            raise
        except NothingDoneError:
            raise
        except BaseException:  # an exception of a signal, such as a job's timeout: the answer may be still to come,
            connection.disconnect()  # and would be taken for the next command's
            raise
        finally:
            self._pool.release(connection)
        return bool(word == b"applied")

    def _wait_for_replicas(self, connection: Any) -> None:
        """WAIT is for all that the primary had written before: for what an earlier try stored, too."""
        wanted = self._endpoint.wait_replicas
        if not wanted:
            return
        try:
            reached = int(_call(connection, ("WAIT", wanted, self._endpoint.wait_ms)))
        except (RedisError, OSError) as error:
            connection.disconnect()
            raise DoubtError(f"stored, but no answer to WAIT: {_said(error)}") from error
        if reached < wanted:
            raise DoubtError(f"stored, but on {reached} of {wanted} replicas within {self._endpoint.wait_ms} ms")

    def _connected(self) -> Any:
        """A connection of the pool that works; whatever goes wrong here, no byte of the command was sent."""
        try:
            connection = self._pool.get_connection()
        except (RedisError, OSError) as error:
            raise NothingDoneError(f"no connection: {_said(error)}", may_pass=True) from error
        try:
            connection.check_health()  # a PING, if it was idle for long
        except (RedisError, OSError) as error:
            connection.disconnect()
            self._pool.release(connection)
            raise NothingDoneError(f"no connection: {_said(error)}", may_pass=True) from error
        return connection

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
        except (ResponseError, AuthenticationError, BusyLoadingError) as error:
            if isinstance(error, LEAVE) or str(error).startswith("NOREPLICAS"):
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


def _verdict(error: RedisError) -> Exception:
    code = str(error).partition(" ")[0]
    if isinstance(error, REFUSALS) or code in NOTHING_WRITTEN:
        hopeless = isinstance(error, NoPermissionError) or code in HOPELESS
        return NothingDoneError(_said(error), may_pass=not hopeless)
    return DoubtError(_said(error))


def _call(connection: Any, command: Command) -> Any:
    connection.send_packed_command(connection.pack_command(*command), check_health=False)
    return connection.read_response()


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
