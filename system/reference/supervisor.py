"""A worker's first process: it spawns slots, watches their deadlines, and takes over what they leave behind.

It imports no user code and runs none. The main thread does what must happen in time (kill, fence, reap, spawn); Redis
is spoken to by ``Upkeep``'s thread only.
"""

import contextlib
import logging
import os
import secrets
import select
import signal
import time
from pathlib import Path
from random import Random
from types import FrameType
from typing import Final

from . import linux, slot_process, worker_log
from .board import Phase, Record
from .ends import Ends
from .enrolment import Registering
from .plan import Plan
from .scratch import Scratch
from .scripts import load
from .slot_process import SlotProcess
from .upkeep import Held, Upkeep
from .wire import SUPERSEDED_EXIT, Briefing

START_TICK_S: Final = 0.01
TICK_MAX_S: Final = 0.25
FAREWELL_S: Final = 2.0
RESPAWN_FIRST_S: Final = 0.1
RESPAWN_MAX_S: Final = 5.0
log: Final = logging.getLogger("stormq.supervisor")


class Supervisor:
    """``run`` in the main thread."""

    def __init__(self, plan: Plan, registration: Registering | None = None) -> None:
        """``registration`` is sent once the first slots are ready; none of them claims before it is accepted."""
        linux.require_linux()
        self.plan, self.settings, self.seats = plan, plan.settings, plan.seats
        self.token = secrets.token_hex(5)
        self.count = 0
        self.active: tuple[SlotProcess, ...] = ()  # replaced as a whole: the other thread reads it
        self.spares: list[SlotProcess] = []  # while running, one
        self.stop_at_ns: int | None = None
        self.signals = 0
        self.superseded = ""  # by what
        self.asked_to_enrol = False
        self.respawn_at_ns = 0
        self.respawn_pause_s = RESPAWN_FIRST_S
        self.alarm_read, self.alarm_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.scripts = load(Path(plan.overlay) if plan.overlay else None)
        rng = Random()  # randomness that spreads load and guards nothing
        self.upkeep = Upkeep(plan, self.scripts, self, rng, registration)
        self.scratch = Scratch(self.token)
        self.ends = Ends(plan, self.scripts, self.upkeep.report)
        grace_s = min(plan.settings_of(queue).grace_s for queue in plan.queues)
        self.tick_s = min(TICK_MAX_S, grace_s / 4, self.settings.lease_s - self.settings.fence_after_s)

    def run(self) -> int:
        """Until asked to stop; returns the exit code, 1 if it can't go on. Raises what the registration raised."""
        worker_log.set_up()
        signal.set_wakeup_fd(self.alarm_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        self.scratch.open()
        self.upkeep.start()
        log.info("worker %s serves %s", self.plan.worker, ", ".join(self.plan.queues))
        while (self.stop_at_ns is None or self.active) and not self.upkeep.enrolment.refusal:
            if not self.upkeep.is_alive():  # a fault of ours: no lease is renewed any more
                return self._give_up()
            now_ns = linux.boottime_ns()
            pause_s = self._judge(now_ns)  # before anything that could block: we may just have been thawed
            self._heed_stop(now_ns)
            self._replace(now_ns)
            self._sleep(pause_s if self.upkeep.enrolment.done else min(pause_s, START_TICK_S))
        self._end_spares()
        self.upkeep.stop(FAREWELL_S)
        self.upkeep.join(FAREWELL_S + 2 * self.settings.io_timeout_s)
        self.scratch.close(FAREWELL_S)
        if self.upkeep.enrolment.refusal:
            raise self.upkeep.enrolment.refusal
        log.info("worker %s has stopped", self.plan.worker)
        return 0

    def _give_up(self) -> int:
        """Whoever started us starts us again; other workers' sweeps find what we held."""
        log.critical("worker %s can't go on: the thread that renews leases has ended", self.plan.worker)
        for slot in (*self.active, *self.spares):
            slot.kill(slot_process.FENCED)
            slot.reap()
        self.scratch.close(FAREWELL_S)
        return 1

    def _judge(self, now_ns: int) -> float:
        """Kill what must not run on; returns the seconds until the next deadline that is known."""
        next_ns = now_ns + int(self.tick_s * 1e9)
        for slot in self.active:
            record = slot.record()
            if slot.cause or record.phase is not Phase.RUNNING:
                continue
            fence_ns = self._fence_ns(slot, record)
            if (slot.incarnation, record.seq) in self.upkeep.lost:
                self._kill(slot, record, slot_process.LOST)
            elif now_ns >= record.hard_ns:
                self._kill(slot, record, slot_process.TIMED_OUT)
            elif now_ns >= fence_ns:
                self._kill(slot, record, slot_process.FENCED)
            elif (slot.incarnation, record.seq) in self.upkeep.cancelled:
                self._kill(slot, record, slot_process.CANCELLED)
            else:
                next_ns = min(next_ns, record.hard_ns, fence_ns)
        return max(0.0, (next_ns - linux.boottime_ns()) / 1e9)

    def _fence_ns(self, slot: SlotProcess, record: Record) -> int:
        seq, sent_ns = self.upkeep.renewed.get(slot.incarnation, (0, 0))
        renewed_ns = max(record.sent_ns, sent_ns if seq == record.seq else 0)
        return renewed_ns + int(self.settings.fence_after_s * 1e9)

    def _kill(self, slot: SlotProcess, record: Record, cause: str) -> None:
        if slot.kill_if_running(record.seq, cause):
            log.warning("slot %s was killed with job %s: %s", slot.incarnation, record.job, cause)

    def held(self) -> list[Held]:
        """What is to be renewed now; called from the other thread."""
        held = []
        for slot in self.active:
            record = slot.record()
            if not slot.cause and record.phase in (Phase.RUNNING, Phase.REPORTING):
                held.append(Held(slot.incarnation, record.seq, record.queue, record.job))
        return held

    def _sleep(self, pause_s: float) -> None:
        poller = select.poll()
        poller.register(self.alarm_read, select.POLLIN)
        slots = {slot.pidfd: slot for slot in (*self.active, *self.spares)}
        for pidfd in slots:
            poller.register(pidfd, select.POLLIN)
        for fd, _ in poller.poll(pause_s * 1000 + 0.5):
            if fd == self.alarm_read:
                os.read(self.alarm_read, 4096)
            else:
                self._bury(slots[fd])

    def _bury(self, slot: SlotProcess) -> None:
        """Its process is gone: say what that means for the job it held."""
        self.spares = [each for each in self.spares if each is not slot]
        self.active = tuple(each for each in self.active if each is not slot)
        status, record = slot.reap()
        self.scratch.discard(slot.incarnation)
        self._pace(slot, record)
        self.ends.tell(slot, status, record)
        if status == SUPERSEDED_EXIT and record is not None:
            self._supersede(record.told)

    def _pace(self, slot: SlotProcess, record: Record | None) -> None:
        """A slot that dies before it is ready would be spawned in a hot loop."""
        if record is not None and record.phase is Phase.STARTING and self.stop_at_ns is None:
            log.warning("slot %s died before it was ready", slot.incarnation)
            self._put_off()
        else:
            self.respawn_pause_s = RESPAWN_FIRST_S

    def _replace(self, now_ns: int) -> None:
        """The spare takes a dead slot's place at once, then a new spare is spawned."""
        if self.stop_at_ns is not None:
            return
        may_spawn = now_ns >= self.respawn_at_ns
        taken = {slot.seat for slot in self.active}
        free = [seat for seat in range(len(self.seats)) if seat not in taken]
        while may_spawn and len(self.spares) < len(free):
            may_spawn = self._spawn()
        if not self._enrolled():
            return
        for seat in free[: len(self.spares)]:
            slot = self.spares.pop(0)
            slot.go(seat, self.seats[seat])
            self.active = (*self.active, slot)
        if may_spawn and not self.spares:
            self._spawn()

    def _enrolled(self) -> bool:
        """Whether slots may claim; once all can, the configuration is registered."""
        enrolment = self.upkeep.enrolment
        enough = len(self.spares) >= len(self.seats)
        if not (enrolment.done or self.asked_to_enrol) and enough and all(slot.is_ready for slot in self.spares):
            self.asked_to_enrol = True
            self.upkeep.enrol()
        return enrolment.done and enrolment.refusal is None

    def _spawn(self) -> bool:
        """One more spare. False where the machine has no room for it now: that must not end the slots that run."""
        self.count += 1
        incarnation = f"{self.token}-{self.count}"
        try:
            self.spares.append(SlotProcess(Briefing(incarnation, self.scratch.folder(incarnation), self.plan)))
        except OSError as error:
            log.warning("slot %s could not be started: %s", incarnation, error)
            self.scratch.discard(incarnation)
            self._put_off()
            return False
        return True

    def _put_off(self) -> None:
        self.respawn_at_ns = linux.boottime_ns() + int(self.respawn_pause_s * 1e9)
        self.respawn_pause_s = min(RESPAWN_MAX_S, self.respawn_pause_s * 2)

    def _end_spares(self) -> None:
        for slot in self.spares:
            slot.kill(slot_process.ABORTED)
            slot.reap()
        self.spares = []

    def _supersede(self, why: str) -> None:
        """Another configuration has taken our place: running jobs end, and no more are begun."""
        if why != self.superseded:
            self.superseded = why
            log.warning("worker %s is superseded: %s", self.plan.worker, why)

    def _heed_stop(self, now_ns: int) -> None:
        if by := self.upkeep.enrolment.superseded:
            self._supersede(by)
        if not self.signals and not self.superseded:
            return
        if self.stop_at_ns is None:
            log.info("worker %s stops: running jobs have %g s", self.plan.worker, self.settings.drain_s)
            self.stop_at_ns = now_ns + int(self.settings.drain_s * 1e9)
            for slot in self.active:
                slot.ask_to_stop()
            self._end_spares()
        if now_ns >= self.stop_at_ns or self.signals > 1:
            for slot in self.active:
                if not slot.cause:
                    slot.kill(slot_process.ABORTED)

    def _on_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self.signals += 1

    def ring(self) -> None:
        """Wake the main thread; called from the other."""
        with contextlib.suppress(BlockingIOError):  # it is ringing already
            os.write(self.alarm_write, b"!")


def worker_name() -> str:
    """A name that no other worker has."""
    return f"{os.uname().nodename}.{os.getpid()}.{int(time.time() * 1000) % 100_000:05d}"
