"""The producer's side: a queue that jobs are put into, from any number of threads."""

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Literal

from redis import Redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from .connection import connect
from .errors import Rejected, Unknown
from .keys import ID_PATTERN, QUEUE_PATTERN, iso
from .link import Retrier
from .payload import encode_call
from .scripts import Command, Scripts, load
from .settings import Settings

RETRY_PAUSE_MAX_S: Final = 0.25

# Errors that Redis raises before a script's first write, or at it: by then our scripts have written nothing.
NOTHING_WRITTEN: Final = (
    "STORMQ", "LOADING", "READONLY", "OOM", "MISCONF", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "MOVED", "ASK",
    "TRYAGAIN", "NOAUTH", "NOPERM", "WRONGPASS", "BUSY", "NOSCRIPT", "WRONGTYPE",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Enqueued:
    """An acknowledged job. ``known``: an earlier enqueue with this id had been stored, and this one changed nothing."""

    job_id: str
    outcome: Literal["applied", "known"]


class Queue:
    """Give it a URL, or a client of ``connect``. Thread-safe."""

    def __init__(
        self,
        name: str,
        connection: Redis | str,
        settings: Settings | None = None,
        scripts: Scripts | None = None,
    ) -> None:
        if not QUEUE_PATTERN.fullmatch(name):
            raise ValueError(f"queue name {name!r}: allowed are up to 200 of letters, digits and _ . : -")
        self.name = name
        self.settings = settings or Settings()
        self._scripts = scripts or load()
        redis = connect(connection) if isinstance(connection, str) else connection
        self._pool: Any = redis.connection_pool
        self._clock = _ServerClock()
        self._rng = Random()  # spreads retries, guards nothing

    def enqueue(
        self,
        func: Callable[..., Any] | str,
        *args: Any,
        job_id: str | None = None,
        delay_s: float = 0.0,
        timeout_s: float | None = None,
        result_ttl_s: int | None = None,
        max_attempts: int | None = None,
        window_s: float | None = None,
        description: str = "",
        **kwargs: Any,
    ) -> Enqueued:
        """Store a call for a worker to run, after ``delay_s`` seconds.

        It keeps trying for ``settings.enqueue_timeout_s``; every try has the same id, so that all of them together
        have one effect. Repeating it with the same ``job_id`` within ``window_s`` of the last try has none.
        ``timeout_s``, ``result_ttl_s`` and ``max_attempts`` take the place of the worker's settings for this job.

        Raises ``Rejected`` if provably nothing was stored, ``Unknown`` if nobody knows.
        """
        job_id = job_id or uuid.uuid4().hex
        fields = self._fields(func, args, kwargs, timeout_s, result_ttl_s, max_attempts, description)
        if not ID_PATTERN.fullmatch(job_id):
            raise Rejected(f"job id {job_id!r}: allowed are up to 200 of letters, digits and _ . -")
        if not 0 <= delay_s < 10 * 365 * 86400:
            raise Rejected(f"delay_s is {delay_s}; allowed: 0 to ten years")
        window_s = self.settings.window_s if window_s is None else window_s
        return self._try(job_id, int(delay_s * 1e6), window_s, fields)

    def _fields(
        self,
        func: Callable[..., Any] | str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        timeout_s: float | None,
        result_ttl_s: int | None,
        max_attempts: int | None,
        description: str,
    ) -> list[str | bytes | int]:
        try:
            fields: list[str | bytes | int] = ["data", encode_call(func, args, kwargs)]
        except Exception as error:
            raise Rejected(f"the call can't be stored: {type(error).__name__}: {error}") from error
        if timeout_s is not None:
            if not 0.01 <= timeout_s <= 30 * 86400:
                raise Rejected(f"timeout_s is {timeout_s}; allowed: 0.01 to 30 days")
            fields += ["timeout", max(1, round(timeout_s)), "timeout_ms", round(timeout_s * 1000)]
        if result_ttl_s is not None:
            fields += ["result_ttl", int(result_ttl_s)]
        if max_attempts is not None:
            if max_attempts < 1:
                raise Rejected(f"max_attempts is {max_attempts}; allowed: 1 or more")
            fields += ["max_attempts", int(max_attempts)]
        return fields + (["description", description] if description else [])

    def _try(self, job_id: str, delay_us: int, window_s: float, fields: list[str | bytes | int]) -> Enqueued:
        end_s = time.monotonic() + self.settings.enqueue_timeout_s
        retrier = Retrier(RETRY_PAUSE_MAX_S, self._rng)
        doubt: Exception | None = None
        while True:
            try:
                return self._once(job_id, delay_us, window_s, fields)
            except _Refused as error:
                last: Exception = error
                if not error.may_pass:
                    break
            except _Unsure as error:
                last = doubt = error
            pause_s = retrier.pause_s()
            if time.monotonic() + pause_s >= end_s:
                break
            time.sleep(pause_s)
        if doubt is not None:
            raise Unknown(f"{job_id}: {doubt}") from doubt
        raise Rejected(f"{job_id}: {last}") from last

    def _once(self, job_id: str, delay_us: int, window_s: float, fields: list[str | bytes | int]) -> Enqueued:
        connection = self._connected()
        try:
            not_after_us = self._clock.now_us(connection) + int(window_s * 1e6)
            command = self._scripts.call("enqueue", self.name, job_id, not_after_us, delay_us, iso(), *fields)
            word, server_us = self._ask(connection, command)
        finally:
            self._pool.release(connection)
        self._clock.told(int(server_us))
        if word == b"expired":  # the server's clock has moved; the next try knows it
            raise _Refused("the server's clock is past the window", may_pass=True)
        return Enqueued(job_id, "known" if word == b"known" else "applied")

    def _connected(self) -> Any:
        """A connected connection of the pool; whatever goes wrong here, no byte of the command was sent."""
        try:
            return self._pool.get_connection()
        except (RedisError, OSError) as error:
            raise _Refused(f"no connection: {type(error).__name__}: {error}", may_pass=True) from error

    def _ask(self, connection: Any, command: Command) -> Any:
        try:
            return _call(connection, command)
        except NoScriptError:
            pass
        except ResponseError as error:
            raise _verdict(error) from error
        except (RedisError, OSError) as error:
            connection.disconnect()
            raise _Unsure(f"no answer: {type(error).__name__}: {error}") from error
        try:
            _call(connection, ("SCRIPT", "LOAD", self._scripts.texts["enqueue"]))
        except (RedisError, OSError) as error:
            connection.disconnect()
            raise _Refused(f"no answer to SCRIPT LOAD: {error}", may_pass=True) from error
        try:
            return _call(connection, command)
        except ResponseError as error:
            raise _verdict(error) from error
        except (RedisError, OSError) as error:
            connection.disconnect()
            raise _Unsure(f"no answer: {type(error).__name__}: {error}") from error


class _Refused(Exception):
    """This try changed nothing. ``may_pass``: another may go better."""

    def __init__(self, why: str, *, may_pass: bool) -> None:
        super().__init__(why)
        self.may_pass = may_pass


class _Unsure(Exception):
    """This try may have changed something."""


def _verdict(error: ResponseError) -> Exception:
    text = str(error)
    if type(error).__name__ == "OutOfMemoryError":  # redis-py takes the code off what it has a class for
        text = f"OOM {text}"
    if any(code in text for code in NOTHING_WRITTEN):
        return _Refused(text, may_pass="STORMQ" not in text and "WRONGTYPE" not in text)
    return _Unsure(text)


def _call(connection: Any, command: Command) -> Any:
    connection.send_packed_command(connection.pack_command(*command), check_health=False)
    return connection.read_response()


class _ServerClock:
    """What the server's clock says, from its last answer; a window (rule 3) is a matter of the server's time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: tuple[int, float] | None = None

    def now_us(self, connection: Any) -> int:
        """Server time in µs, or a little less. Asks once; raises ``_Refused`` if that fails."""
        with self._lock:
            seen = self._seen
        if seen is None:
            try:
                seconds, micros = _call(connection, ("TIME",))
            except (RedisError, OSError) as error:
                connection.disconnect()
                raise _Refused(f"no answer to TIME: {error}", may_pass=True) from error
            self.told(int(seconds) * 1_000_000 + int(micros))
            return int(seconds) * 1_000_000 + int(micros)
        server_us, at_s = seen
        return server_us + int((time.monotonic() - at_s) * 1e6)

    def told(self, server_us: int) -> None:
        """An answer of the server brought its time."""
        with self._lock:
            self._seen = server_us, time.monotonic()
