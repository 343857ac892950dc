"""What a supervisor does for its queues at intervals: promotes, sweeps, and shows itself to RQ's readers."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final

from .keys import iso
from .mirror import worker_commands
from .plan import Plan
from .resp import Command, Reply
from .scripts import Scripts

JOBS_MAX: Final = 200  # one sweep or promotion handles at most so many, to keep Redis responsive
PROMOTE_S: Final = 0.25
PROMOTE_SOON_S: Final = 0.005
MIRROR_S: Final = 10.0
log: Final = logging.getLogger("stormq.chores")


@dataclass(frozen=True, slots=True)
class Asked:
    """A command, and what its reply (never an error) is told to."""

    command: Command
    done: Callable[[Reply], None]


class Chores:
    """``due`` says what is to be sent now; ``next_s`` when something will be. Times by ``time.monotonic()``."""

    def __init__(self, plan: Plan, scripts: Scripts, rng: Random) -> None:
        self._plan, self._scripts, self._rng = plan, scripts, rng
        now_s = time.monotonic()
        self._mirror_at_s = now_s
        self._sweep_at_s = dict.fromkeys(plan.queues, now_s)
        self._promote_at_s = dict.fromkeys(plan.queues, now_s)

    def due(self, now_s: float) -> list[Asked]:
        """What is to be sent."""
        asked = []
        for queue in self._plan.queues:
            if now_s >= self._promote_at_s[queue]:
                command = self._scripts.call("promote", queue, JOBS_MAX)
                asked.append(Asked(command, partial(self._promoted, queue)))
            if now_s >= self._sweep_at_s[queue]:
                command = self._scripts.call("sweep", queue, JOBS_MAX, *self._sweeping(), iso())
                asked.append(Asked(command, partial(self._swept, queue)))
        if now_s >= self._mirror_at_s:
            commands = worker_commands(self._plan.worker, self._plan.queues)
            asked += [Asked(command, self._mirrored) for command in commands]
        return asked

    def next_s(self) -> float:
        """When something will be due."""
        return min(self._mirror_at_s, *self._sweep_at_s.values(), *self._promote_at_s.values())

    def spare_holders(self, for_s: float) -> None:
        """Sweep nothing for a while: Redis was away, and whoever holds a job gets the time to renew its lease first."""
        at_s = time.monotonic() + for_s
        self._sweep_at_s = {queue: max(each_s, at_s) for queue, each_s in self._sweep_at_s.items()}

    def _sweeping(self) -> tuple[int, int, int]:
        settings = self._plan.settings
        return settings.max_stalls, int(settings.lease_s * 1e6), int(settings.sweep_interval_s * 1e6)

    def _promoted(self, queue: str, reply: Reply) -> None:
        _, promoted, next_due_us = reply
        pause_s = min(PROMOTE_S, int(next_due_us) / 1e6 if next_due_us else PROMOTE_S)
        self._promote_at_s[queue] = time.monotonic() + (0 if promoted == JOBS_MAX else max(PROMOTE_SOON_S, pause_s))

    def _swept(self, queue: str, reply: Reply) -> None:
        _, requeued, dead, *_ = reply
        if requeued or dead:
            log.warning("%s: leases ended: %d jobs requeued, %d dead letters", queue, requeued, dead)
        more = requeued + dead == JOBS_MAX
        pause_s = 0.0 if more else self._plan.settings.sweep_interval_s * self._rng.uniform(0.8, 1.0)
        self._sweep_at_s[queue] = time.monotonic() + pause_s

    def _mirrored(self, _reply: Reply) -> None:
        self._mirror_at_s = time.monotonic() + MIRROR_S
