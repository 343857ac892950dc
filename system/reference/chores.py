"""What a supervisor does for its queues at intervals: promotes, sweeps, cleans, shows itself to RQ's readers."""

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
        self._clean_at_s = {queue: now_s + self._pause_s(plan.settings.clean_interval_s) for queue in plan.queues}

    def due(self, now_s: float) -> list[Asked]:
        """What is to be sent."""
        asked = []
        for queue in self._plan.queues:
            if now_s >= self._promote_at_s[queue]:
                command = self._scripts.call("promote", queue, JOBS_MAX)
                asked.append(Asked(command, partial(self._promoted, queue)))
            if now_s >= self._sweep_at_s[queue]:
                asked.append(Asked(self._sweep(queue), partial(self._swept, queue)))
            if now_s >= self._clean_at_s[queue]:
                asked.append(Asked(self._clean(queue), partial(self._cleaned, queue)))
        if now_s >= self._mirror_at_s:
            commands = worker_commands(self._plan.worker, self._plan.queues)
            asked += [Asked(command, self._mirrored) for command in commands]
        return asked

    def next_s(self) -> float:
        """When something will be due."""
        times = (self._sweep_at_s, self._promote_at_s, self._clean_at_s)
        return min(self._mirror_at_s, *(at_s for each in times for at_s in each.values()))

    def _sweep(self, queue: str) -> Command:
        worker = self._plan.settings
        lease_us, interval_us = int(worker.lease_s * 1e6), int(worker.sweep_interval_s * 1e6)
        stalls_max = self._plan.settings_of(queue).max_stalls
        return self._scripts.call("sweep", queue, JOBS_MAX, stalls_max, lease_us, interval_us, iso())

    def _clean(self, queue: str) -> Command:
        keep = self._plan.settings_of(queue).keep_finished
        audit_keep_s = int(self._plan.settings.audit_retention_s)
        return self._scripts.call("clean", queue, JOBS_MAX, "" if keep is None else keep, audit_keep_s)

    def _promoted(self, queue: str, reply: Reply) -> None:
        _, promoted, next_due_us = reply
        pause_s = min(PROMOTE_S, int(next_due_us) / 1e6 if next_due_us else PROMOTE_S)
        self._promote_at_s[queue] = time.monotonic() + (0 if promoted == JOBS_MAX else max(PROMOTE_SOON_S, pause_s))

    def _swept(self, queue: str, reply: Reply) -> None:
        _, requeued, dead, cancelled, hold_us = reply
        if requeued or dead or cancelled:
            counts = f"{requeued} jobs requeued, {dead} dead letters, {cancelled} cancelled"
            log.warning("%s: leases ended: %s", queue, counts)
        if int(hold_us) > 0:
            said = "%s: no lease ends for %.1f s: nobody had swept, so holders renew first"
            log.debug(said, queue, int(hold_us) / 1e6)
        more = requeued + dead + cancelled == JOBS_MAX
        pause_s = 0.0 if more else self._pause_s(self._plan.settings.sweep_interval_s)
        self._sweep_at_s[queue] = time.monotonic() + pause_s

    def _cleaned(self, queue: str, reply: Reply) -> None:
        _, removed, more = reply
        if removed:
            log.debug("%s: %d entries of old jobs removed", queue, removed)
        pause_s = 0.0 if more else self._pause_s(self._plan.settings.clean_interval_s)
        self._clean_at_s[queue] = time.monotonic() + pause_s

    def _mirrored(self, _reply: Reply) -> None:
        self._mirror_at_s = time.monotonic() + MIRROR_S

    def _pause_s(self, interval_s: float) -> float:
        """Somewhat less: workers that started together should not stay so."""
        return interval_s * self._rng.uniform(0.8, 1.0)
