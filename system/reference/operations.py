"""What an operator does to a queue or a job. Each step names what it saw, and leaves its line in the audit stream."""
# ruff: noqa: ANN401  # redis-py types each reply as both of its clients would give it, which is of no use

import getpass
import os
import socket
import time
import uuid
from dataclasses import dataclass
from typing import Any, Final, Literal

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from .errors import StormqError, UnreachableError
from .keys import iso, job_key, sp_key
from .resp import Argument
from .scripts import Scripts, load

TRIES: Final = 3
PAUSE_S: Final = 0.2
CANCELLED_KEEP_S: Final = 86400
WINDOW_S: Final = 60.0


class RefusedError(StormqError):
    """The step changed nothing (but left its line in the audit stream): ``why``."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")
        self.why = why


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it, and from where; both stand in the audit stream."""

    name: str
    origin: str


def this_actor(name: str = "", program: str = "python") -> Actor:
    """``name`` (default: user@host), and this process as the origin."""
    host = socket.gethostname()
    return Actor(name or f"{_user()}@{host}", f"{host} {os.getpid()} {program}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without an entry, as in many containers
        return str(os.getuid())


class Transitions:
    """Calls scripts; a call whose answer was lost is sent again as it was, which has no second effect."""

    def __init__(self, redis: Redis, scripts: Scripts | None = None) -> None:
        self._redis: Any = redis
        self._scripts = scripts or load()

    def call(self, name: str, *arguments: Argument) -> list[str]:
        """The reply. Raises ``UnreachableError`` if none came: then nobody knows whether it was done."""
        command = self._scripts.call(name, *arguments)
        for left in reversed(range(TRIES)):
            try:
                return [part.decode() if isinstance(part, bytes) else str(part) for part in self._ask(name, command)]
            except (RedisConnectionError, RedisTimeoutError) as error:
                if not left:
                    raise UnreachableError(f"{name}: unknown whether it was done, no answer: {error}") from error
                time.sleep(PAUSE_S)
        raise AssertionError

    def _ask(self, name: str, command: tuple[Argument, ...]) -> Any:
        try:
            try:
                return self._redis.execute_command(*command)
            except NoScriptError:
                self._redis.script_load(self._scripts.texts[name])
                return self._redis.execute_command(*command)
        except ResponseError as error:
            raise UnreachableError(f"{name}: {error}") from error

    def applied(self, what: str, name: str, *arguments: Argument) -> list[str]:
        """The reply behind its first word. Raises ``RefusedError``, or as ``call`` does."""
        word, *told = self.call(name, *arguments)
        if word == "refused":
            raise RefusedError(what, told[0])
        return told

    def now_us(self) -> int:
        """The server's time."""
        seconds, micros = self._redis.time()
        return int(seconds) * 1_000_000 + int(micros)


@dataclass(frozen=True, slots=True)
class Control:
    """What an operator, or the breaker, has set for a queue. ``broken_by``: the error type that opened the breaker."""

    queue: str
    epoch: int
    paused: bool
    paused_by: str
    paused_reason: str
    broken_by: str


class Operations:
    """Pause, resume, cancel. ``reason`` is for whoever reads the audit stream."""

    def __init__(self, redis: Redis, scripts: Scripts | None = None, actor: Actor | None = None) -> None:
        self._transitions = Transitions(redis, scripts)
        self._redis: Any = redis
        self._actor = actor or this_actor()

    def control(self, queue: str) -> Control:
        """What holds for the queue now."""
        names = ("epoch", "paused", "paused_by", "paused_reason")
        epoch, paused, by, reason = (_text(each) for each in self._redis.hmget(sp_key("ctl", queue), names))
        broken = _text(self._redis.hget(sp_key("breaker", queue), "open"))
        return Control(queue, int(epoch or 0), bool(paused), by, reason, broken)

    def pause(self, queue: str, reason: str) -> int:
        """Nothing of the queue is started any more; what runs goes on. The new epoch.

        Raises ``RefusedError`` if it is paused already, or if somebody else changed it at the same time.
        """
        return self._set("pause", queue, reason)

    def resume(self, queue: str, reason: str) -> int:
        """Jobs are started again; an open breaker is closed. The new epoch. Raises ``RefusedError``."""
        return self._set("resume", queue, reason)

    def _set(self, verb: str, queue: str, reason: str) -> int:
        epoch = self.control(queue).epoch
        by = (self._actor.name, self._actor.origin, reason)
        (new,) = self._transitions.applied(f"{verb} {queue}", verb, queue, epoch, uuid.uuid4().hex, *by)
        return int(new)

    def cancel(
        self, job_id: str, reason: str, *, keep_s: int = CANCELLED_KEEP_S, window_s: float = WINDOW_S
    ) -> Literal["cancelled", "requested"]:
        """End a waiting or delayed job at once; ``requested``: it runs, and its worker ends it at the next heartbeat.

        An outcome that comes first wins. The record is kept for ``keep_s``. Raises ``RefusedError``.
        """
        queue, life = (_text(each) for each in self._redis.hmget(job_key(job_id), ("origin", "requeues")))
        not_after_us = self._transitions.now_us() + int(window_s * 1e6)
        by = (self._actor.name, self._actor.origin, reason)
        (told,) = self._transitions.applied(
            f"cancel {job_id}", "cancel", queue, job_id, life or "0", not_after_us, keep_s, iso(), *by
        )
        return "requested" if told == "requested" else "cancelled"


def _text(value: bytes | None) -> str:
    return value.decode("utf-8", "replace") if value else ""
