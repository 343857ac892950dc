"""A worker's configuration becomes known to all, and the worker learns when another has taken its place."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from .chores import Asked
from .claimed import superseded_by
from .keys import sp_key
from .plan import Plan
from .resp import Command, Reply

LOOK_MAX_S: Final = 10.0
log: Final = logging.getLogger("stormq.enrolment")


class Registering(Protocol):
    """What a configuration says to Redis, and what it makes of the answers."""

    @property
    def queues(self) -> Sequence[str]:
        """Those that it registers; a worker may serve others, too."""

    def commands(self) -> list[Command]:
        """The `register` transitions. Sent again until all are answered."""

    def judge(self, replies: list[Reply]) -> None:
        """Raise if the worker must not serve. ``replies``: one for each command, none of them an error."""


class Enrolment:
    """``begin`` once slots are ready: a version that can't start must supersede nobody.

    ``done``: slots may claim. ``refusal``: why they never may. ``superseded``: by what, once that is known.
    Afterwards it looks now and then whether Redis still knows the configuration: a store that lost it would grant
    without limits, so it is told again.
    """

    def __init__(self, plan: Plan, registration: Registering | None, ring: Callable[[], None]) -> None:
        self._plan, self._registration, self._ring = plan, registration, ring
        self.done = registration is None
        self.refusal: Exception | None = None
        self.superseded = ""
        self._begun = False
        self._look_at_s = math.inf
        self._pause_s = min(LOOK_MAX_S, plan.settings.clean_interval_s)

    def begin(self) -> None:
        """From now on it may register; called from the main thread."""
        self._begun = True

    def due(self, now_s: float) -> list[Asked]:
        """What is to be sent."""
        if self._begun and self._registration is not None:
            commands = self._registration.commands()
            replies: list[Reply] = []
            return [Asked(command, partial(self._answered, len(commands), replies)) for command in commands]
        if now_s < self._look_at_s or self.refusal:
            return []
        return [
            Asked(("HMGET", sp_key("ctl", queue), "version", "place"), partial(self._seen, queue))
            for queue in (self._registration.queues if self._registration else self._plan.queues)
        ]

    def next_s(self) -> float:
        """When something will be due."""
        return self._look_at_s

    def _answered(self, wanted: int, replies: list[Reply], reply: Reply) -> None:
        replies.append(reply)
        if len(replies) < wanted:
            return
        assert self._registration is not None  # noqa: S101  # for the type checker: it sent the commands
        try:
            self._registration.judge(replies)
        except Exception as error:  # noqa: BLE001  # the main thread raises it
            if self.done:
                self.superseded = str(error)
            else:
                self.refusal = error
        self._begun = False
        self.done = True
        self._look_at_s = time.monotonic() + self._pause_s
        self._ring()

    def _seen(self, queue: str, reply: Reply) -> None:
        self._look_at_s = time.monotonic() + self._pause_s
        version, place = reply
        if version is None and self._registration is not None:
            log.warning("%s: Redis has lost the configuration; it is registered again", queue)
            self._begun = True
        elif version not in (None, self._plan.version.encode()) and not self.superseded:
            self.superseded = superseded_by(queue, version, place)
            self._ring()
