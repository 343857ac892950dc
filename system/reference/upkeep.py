"""The supervisor's talk with Redis, in a thread of its own: heartbeats, what became of slots, sweeps, promotions.

Nothing that must happen in time waits for this thread: name resolution, connecting and TLS block. It tells the main
thread what was renewed and what is lost; the main thread kills.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from redis.exceptions import ResponseError

from . import linux
from .keys import iso
from .link import Link, LinkDown, Reply, Retrier
from .mirror import farewell_commands, worker_commands
from .scripts import Command, Scripts
from .settings import Settings

JOBS_MAX: Final = 200  # one sweep or promotion handles at most so many, to keep Redis responsive
PROMOTE_S: Final = 0.25
PROMOTE_SOON_S: Final = 0.005
MIRROR_S: Final = 10.0
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


@dataclass(frozen=True, slots=True)
class _Asked:
    command: Command
    done: Callable[[Reply], None]


class Upkeep(threading.Thread):
    """``held`` is asked before each heartbeat; ``changed`` is called (from this thread) when something is lost."""

    def __init__(
        self,
        link: Link,
        scripts: Scripts,
        settings: Settings,
        worker: str,
        queues: Sequence[str],
        held: Callable[[], list[Held]],
        changed: Callable[[], None],
        rng: Random,
    ) -> None:
        super().__init__(name="upkeep", daemon=True)
        self.renewed: dict[str, tuple[int, int]] = {}  # incarnation -> (seq, when the acknowledged heartbeat was sent)
        self.lost: frozenset[tuple[str, int]] = frozenset()
        self._link, self._scripts, self._settings = link, scripts, settings
        self._worker, self._queues, self._held, self._changed, self._rng = worker, queues, held, changed, rng
        self._retrier = Retrier(settings.io_timeout_s / 2, rng)
        self._reports: deque[Command] = deque()
        self._wake = threading.Event()
        self._stop_at_s: float | None = None
        now_s = time.monotonic()
        self._heartbeat_at_s = now_s
        self._mirror_at_s = now_s
        self._sweep_at_s = {queue: now_s for queue in queues}
        self._promote_at_s = {queue: now_s for queue in queues}

    def report(self, command: Command) -> None:
        """Send a transition, and again until it is answered; in the order of the calls."""
        self._reports.append(command)
        self._wake.set()

    def stop(self, within_s: float) -> None:
        """Deliver what is left, for at most ``within_s``, then end."""
        self._stop_at_s = time.monotonic() + within_s
        self._wake.set()

    def run(self) -> None:
        """Until ``stop``; no failure of Redis ends it."""
        while True:
            stopping = self._stop_at_s is not None
            asked = self._due(stopping=stopping)
            if asked and not self._carry_out(asked):
                if self._stop_at_s is not None and time.monotonic() > self._stop_at_s:
                    break
                time.sleep(self._retrier.pause_s())
                continue
            if stopping and not self._reports:
                break
            self._wake.wait(self._pause_s())
            self._wake.clear()
        if self._reports:
            log.warning("%d reports could not be delivered; sweeps will find those jobs", len(self._reports))
        self._link.close()

    def _carry_out(self, asked: list[_Asked]) -> bool:
        try:
            replies = self._link.exchange([each.command for each in asked])
        except LinkDown as down:
            log.warning("Redis does not answer: %s", down)
            # Whoever holds a lease that ended meanwhile gets one heartbeat's time to renew it before anyone sweeps.
            grace_at_s = time.monotonic() + self._settings.heartbeat_s
            self._sweep_at_s = {queue: max(at_s, grace_at_s) for queue, at_s in self._sweep_at_s.items()}
            return False
        refused = [reply for reply in replies if isinstance(reply, ResponseError)]
        for each, reply in zip(asked, replies, strict=True):
            if not isinstance(reply, ResponseError):
                each.done(reply)
        if refused:
            log.warning("Redis refuses: %s", refused[0])
            return False
        self._retrier.succeeded()
        return True

    def _due(self, *, stopping: bool) -> list[_Asked]:
        now_s = time.monotonic()
        asked = []
        if now_s >= self._heartbeat_at_s:
            if held := self._held():
                asked.append(self._heartbeat(held))
            else:
                self._heartbeat_at_s = now_s + self._settings.heartbeat_s / 4
        asked += [self._delivery(command) for command in tuple(self._reports)]
        if stopping:
            return asked + [_Asked(command, _ignore) for command in farewell_commands(self._worker, self._queues)]
        for queue in self._queues:
            if now_s >= self._promote_at_s[queue]:
                command = self._scripts.call("promote", queue, JOBS_MAX)
                asked.append(_Asked(command, lambda reply, queue=queue: self._promoted(queue, reply)))
            if now_s >= self._sweep_at_s[queue]:
                command = self._scripts.call("sweep", queue, JOBS_MAX, self._settings.max_stalls, iso())
                asked.append(_Asked(command, lambda reply, queue=queue: self._swept(queue, reply)))
        if now_s >= self._mirror_at_s:
            asked += [_Asked(each, self._mirrored) for each in worker_commands(self._worker, self._queues)]
        return asked

    def _heartbeat(self, held: list[Held]) -> _Asked:
        sent_ns = linux.boottime_ns()
        triples = [text for each in held for text in (each.queue, each.job, each.exec)]
        command = self._scripts.call("heartbeat", int(self._settings.lease_s * 1e6), *triples)
        return _Asked(command, lambda reply: self._beaten(held, sent_ns, reply))

    def _beaten(self, held: list[Held], sent_ns: int, reply: Reply) -> None:
        lost = {int(index) - 1 for index in reply[1:]}
        self.renewed = {each.incarnation: (each.seq, sent_ns) for i, each in enumerate(held) if i not in lost}
        self.lost = frozenset((each.incarnation, each.seq) for i, each in enumerate(held) if i in lost)
        self._heartbeat_at_s = time.monotonic() + self._settings.heartbeat_s * self._rng.uniform(0.85, 1.0)
        if lost:
            self._changed()

    def _delivery(self, command: Command) -> _Asked:
        return _Asked(command, lambda _reply: self._reports.remove(command))

    def _promoted(self, queue: str, reply: Reply) -> None:
        _, promoted, next_due_us = reply
        pause_s = min(PROMOTE_S, int(next_due_us) / 1e6 if next_due_us else PROMOTE_S)
        self._promote_at_s[queue] = time.monotonic() + (0 if promoted == JOBS_MAX else max(PROMOTE_SOON_S, pause_s))

    def _swept(self, queue: str, reply: Reply) -> None:
        _, requeued, dead = reply
        if requeued or dead:
            log.warning("%s: leases ended: %d requeued, %d dead letters", queue, requeued, dead)
        more = requeued + dead == JOBS_MAX
        pause_s = 0.0 if more else self._settings.sweep_interval_s * self._rng.uniform(0.8, 1.0)
        self._sweep_at_s[queue] = time.monotonic() + pause_s

    def _mirrored(self, _reply: Reply) -> None:
        self._mirror_at_s = time.monotonic() + MIRROR_S

    def _pause_s(self) -> float:
        next_s = min(self._heartbeat_at_s, *self._sweep_at_s.values(), *self._promote_at_s.values())
        return max(0.0, next_s - time.monotonic())


def _ignore(_reply: Reply) -> None:
    pass
