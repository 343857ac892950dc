"""The supervisor's talk with Redis, in a thread of its own: heartbeats, what became of slots, chores.

Nothing that must happen in time waits for this thread: name resolution, connecting and TLS block. It tells the main
thread what was renewed and what is lost; the main thread kills.
"""

import logging
import os
import threading
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final, Protocol

from . import linux
from .chores import Asked, Chores
from .enrolment import Enrolment, Registering
from .link import Link, LinkDown, Retrier
from .mirror import farewell_commands
from .plan import Plan
from .resp import Command, Reply, ReplyError
from .scripts import Scripts

log: Final = logging.getLogger("stormq.upkeep")


@dataclass(frozen=True, slots=True)
class Held:
    """What a slot holds: the pair (job, exec) of a heartbeat, and which claim of which incarnation it is."""

    incarnation: str
    seq: int
    queue: str
    job: str

    @property
    def exec(self) -> str:
        """The lease's identity, as ``lua/claim.lua`` makes it."""
        return f"{self.incarnation}.{self.seq}"


class Watched(Protocol):
    """The main thread, as this one sees it; both are called from here."""

    def held(self) -> list[Held]:
        """What is to be renewed now."""

    def ring(self) -> None:
        """Something has changed: look."""


class Upkeep(threading.Thread):
    """``report``, ``enrol`` and ``stop`` are for the main thread, which also reads what stands below."""

    def __init__(
        self, plan: Plan, scripts: Scripts, watched: Watched, rng: Random, registration: Registering | None
    ) -> None:
        super().__init__(name="upkeep", daemon=True)
        self.enrolment = Enrolment(plan, registration, watched.ring)
        self.renewed: dict[str, tuple[int, int]] = {}  # incarnation -> (seq, when the acknowledged heartbeat was sent)
        self.lost: frozenset[tuple[str, int]] = frozenset()
        self.cancelled: frozenset[tuple[str, int]] = frozenset()  # their cancellation was asked for
        self._plan, self._scripts, self._watched, self._rng = plan, scripts, watched, rng
        timeout_s = plan.settings.io_timeout_s
        self._link = Link(plan.url, f"stormq:{plan.worker}:supervisor:{os.getpid()}", scripts, timeout_s)
        self._retrier = Retrier(timeout_s / 2, rng)
        self._chores = Chores(plan, scripts, rng)
        self._reports: deque[Command] = deque()
        self._wake = threading.Event()
        self._heartbeat_at_s = time.monotonic()
        self._stop_at_s: float | None = None

    def report(self, command: Command) -> None:
        """Send a transition, and again until it is answered; in the order of the calls."""
        self._reports.append(command)
        self._wake.set()

    def enrol(self) -> None:
        """Register the configuration: the slots are ready."""
        self.enrolment.begin()
        self._wake.set()

    def stop(self, within_s: float) -> None:
        """Deliver what is left, for at most ``within_s``, then end."""
        self._stop_at_s = time.monotonic() + within_s
        self._wake.set()

    def run(self) -> None:
        """Until ``stop``; no failure of Redis ends it."""
        while self._stop_at_s is None:
            if self._carry_out(self._due()):
                self._wake.wait(max(0.0, self._next_s() - time.monotonic()))
                self._wake.clear()
            else:
                time.sleep(self._retrier.pause_s())
        while not self._carry_out(self._farewell()) and time.monotonic() < self._stop_at_s:
            time.sleep(self._retrier.pause_s())
        if self._reports:
            log.warning("%d reports could not be delivered; other workers' sweeps find those jobs", len(self._reports))
        self._link.close()

    def _due(self) -> list[Asked]:
        now_s = time.monotonic()
        asked = []
        if now_s >= self._heartbeat_at_s:
            if held := self._watched.held():
                asked.append(self._heartbeat(held))
            else:
                self._heartbeat_at_s = now_s + self._plan.settings.heartbeat_s / 4
        return asked + self._deliveries() + self.enrolment.due(now_s) + self._chores.due(now_s)

    def _next_s(self) -> float:
        return min(self._heartbeat_at_s, self._chores.next_s(), self.enrolment.next_s())

    def _farewell(self) -> list[Asked]:
        commands = farewell_commands(self._plan.worker, self._plan.queues)
        return self._deliveries() + [Asked(command, lambda _reply: None) for command in commands]

    def _deliveries(self) -> list[Asked]:
        return [Asked(command, partial(self._delivered, command)) for command in tuple(self._reports)]

    def _delivered(self, command: Command, _reply: Reply) -> None:
        self._reports.remove(command)

    def _carry_out(self, asked: list[Asked]) -> bool:
        try:
            replies = self._link.exchange([each.command for each in asked]) if asked else []
        except LinkDown as down:
            self._failed("does not answer", down)
            return False
        for each, reply in zip(asked, replies, strict=True):
            if not isinstance(reply, ReplyError):
                each.done(reply)
        refused = [reply for reply in replies if isinstance(reply, ReplyError)]
        if refused:
            self._failed("refuses", refused[0])
            return False
        if self._retrier.failures:
            log.info("Redis answers again")
        self._retrier.succeeded()
        return True

    def _failed(self, what: str, error: Exception) -> None:
        if not self._retrier.failures:
            log.warning("Redis %s: %s; trying on", what, error)

    def _heartbeat(self, held: list[Held]) -> Asked:
        sent_ns = linux.boottime_ns()
        triples = [text for each in held for text in (each.queue, each.job, each.exec)]
        command = self._scripts.call("heartbeat", int(self._plan.settings.lease_s * 1e6), *triples)
        return Asked(command, partial(self._beaten, held, sent_ns))

    def _beaten(self, held: list[Held], sent_ns: int, reply: Reply) -> None:
        lost = {int(index) - 1 for index in reply[1]}
        self.renewed = {each.incarnation: (each.seq, sent_ns) for i, each in enumerate(held) if i not in lost}
        self.lost = frozenset((each.incarnation, each.seq) for i, each in enumerate(held) if i in lost)
        self.cancelled = frozenset((held[int(index) - 1].incarnation, held[int(index) - 1].seq) for index in reply[2])
        self._heartbeat_at_s = time.monotonic() + self._plan.settings.heartbeat_s * self._rng.uniform(0.85, 1.0)
        if lost or self.cancelled:
            self._watched.ring()
