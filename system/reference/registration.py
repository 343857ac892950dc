"""That a queue has one configuration: in a process, in a version, and over all workers.

A worker registers its configuration once its slots are ready (see ``enrolment``). Redis then knows one version of each
queue: one version with two contents is an error that names both places, an older version must not start, and workers of
an older version drain when a newer one has come. In a process, two queues of one name must agree (``declare``).
"""

import gc
import socket
import sys
import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .config import Config, QueueConfig, digest_of
from .errors import SettingsError
from .resp import Argument, Command, Reply
from .scripts import Scripts
from .settings import Settings

HOME: Final = str(Path(__file__).parent)


class RegistrationError(SettingsError):
    """A queue is configured twice, and not alike; ``problems`` names both places of each."""


def register_arguments(
    queue: QueueConfig, version: int, replaces: int, actor: str, origin: str, reason: str
) -> tuple[Argument, ...]:
    """Arguments of the transition `register`. ``replaces``: for a rollback, the version that it replaces; else 0."""
    place = f"{queue.place} on {socket.gethostname()}"
    fields = [part for pair in queue.limits().items() for part in pair]
    return (queue.name, version, queue.digest(), place, replaces, actor, origin, reason, *fields)


def refusal(queue: QueueConfig, version: int, reply: Sequence[bytes | str]) -> str:
    """What is wrong, by a reply of `register`; '' if nothing is."""
    word, current, other = (part.decode("utf-8", "replace") if isinstance(part, bytes) else part for part in reply)
    if word == "conflict":
        return (
            f"queue {queue.name}: version {version} stands for two configurations: {queue.place}, and {other}, which is"
            " registered; allowed: the same contents, or a higher version"
        )
    if word == "superseded":
        return (
            f"queue {queue.name}: version {version} ({queue.place}) is superseded by version {current} ({other});"
            " allowed: a higher version than any before, or `stormq activate` to go back"
        )
    return ""


class Registration:
    """What a worker of ``queues`` says to Redis before it serves."""

    def __init__(self, config: Config, queues: Sequence[str], worker: str, scripts: Scripts) -> None:
        self._config, self._worker, self._scripts = config, worker, scripts
        self.queues = tuple(queues)

    def commands(self) -> list[Command]:
        """One `register` for each queue. Sent again, it has no second effect."""
        by = (self._worker, f"worker on {socket.gethostname()}", "a worker starts")
        version = self._config.version
        return [
            self._scripts.call("register", *register_arguments(self._config.queues[name], version, 0, *by))
            for name in self.queues
        ]

    def judge(self, replies: Sequence[Reply]) -> None:
        """Raise ``RegistrationError`` unless every queue is configured as here."""
        version = self._config.version
        told = [
            refusal(self._config.queues[name], version, reply) for name, reply in zip(self.queues, replies, strict=True)
        ]
        if problems := [problem for problem in told if problem]:
            raise RegistrationError(problems)


@dataclass(frozen=True, slots=True)
class _Declared:
    owner: "weakref.ref[object]"
    digest: str
    place: str


_lock: Final = threading.Lock()
_declared: Final[dict[tuple[str, str], list[_Declared]]] = {}


def declare(name: str, settings: Settings, owner: object, *, where: str = "") -> None:
    """``owner`` is a queue of this name at this Redis (``where``), for as long as it lives.

    Raises ``RegistrationError`` if another one has a different policy, naming both places in the code.
    """
    place, digest = _caller(), digest_of(settings)
    with _lock:
        other = _at_odds(where, name, digest)
        if other is not None:
            gc.collect()  # it may be gone, but for references in a circle
            other = _at_odds(where, name, digest)
        if other is not None:
            told = f"queue {name} is registered twice in this process with different settings"
            raise RegistrationError([f"{told}: at {other.place} and at {place}; allowed: the same settings"])
        _declared[where, name].append(_Declared(weakref.ref(owner), digest, place))


def _at_odds(where: str, name: str, digest: str) -> _Declared | None:
    living = [each for each in _declared.get((where, name), []) if each.owner() is not None]
    _declared[where, name] = living
    return next((each for each in living if each.digest != digest), None)


def _caller() -> str:
    """``file:line`` of the code that called into this package."""
    frame = sys._getframe()  # noqa: SLF001  # `inspect` reads source files for the same
    while frame.f_back is not None and frame.f_code.co_filename.startswith(HOME):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
