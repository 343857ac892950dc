"""A slot: one process that claims a job, runs it, reports it, and asks for the next in the same round trip.

    python -m system.reference.slot CONTROL_FD BOARD_FD SUPERVISOR_PID

The control pipe brings its configuration (one line of JSON), then `go`. Exit codes: 0 asked to stop, 3 its incarnation
is closed, so that a new one must take over.
"""

import contextlib
import importlib
import logging
import os
import signal
import sys
import time
from pathlib import Path
from random import Random
from types import FrameType
from typing import Final

from . import linux
from .board import Board, Phase, Record
from .claimed import Claimed, parse
from .execution import Outcome, run
from .keys import iso, sp_key
from .link import Link, LinkDown, Retrier
from .plan import Plan
from .resp import Command, Reply, ReplyError
from .scripts import Scripts, load
from .wire import plan_from_json

CLOSED_EXIT: Final = 3
log: Final = logging.getLogger("stormq.slot")


class _Stopped(BaseException):
    """Raised by the signal handler, and only while the slot waits for a wake-up token."""


class ClosedError(Exception):
    """This incarnation was declared dead, or Redis has forgotten it."""


class Slot:
    """``run`` until asked to stop."""

    def __init__(self, plan: Plan, incarnation: str, board: Board, rng: Random) -> None:
        self.plan, self.incarnation, self.board, self.rng = plan, incarnation, board, rng
        self.scripts: Scripts = load(Path(plan.overlay) if plan.overlay else None)
        self.link = Link(
            plan.url,
            f"stormq:{plan.worker}:slot:{os.getpid()}",
            self.scripts,
            plan.settings.io_timeout_s,
        )
        self.timer = linux.KillTimer()
        self.retrier = Retrier(plan.settings.io_timeout_s, rng)
        self.seq = 0
        self.sent_ns = 0
        self.waits = False
        self.stopping = False

    def run(self) -> None:
        """Claim, run, report, until asked to stop. Raises ``ClosedError``."""
        report: Command | None = None
        while True:
            self._catch_stop()
            claimed = self._next(report)
            report = None
            if claimed is not None:
                report = self._perform(claimed)
            elif self._stop_asked():
                return
            else:
                self._wait()

    def _next(self, report: Command | None) -> Claimed | None:
        """Offer the last outcome until it is answered, and ask for the next job unless asked to stop."""
        self.seq += 1
        pending = [report] if report else []
        claim: Reply = None
        while True:
            wants = claim is None and not self._stop_asked()
            if not pending and not wants:
                break
            sent_ns = linux.boottime_ns()
            try:
                replies = self.link.exchange([*pending, self._claim()] if wants else pending)
            except LinkDown as down:
                self._pause("does not answer", down)
                continue
            if wants and not isinstance(replies[-1], ReplyError):
                claim, self.sent_ns = replies[-1], sent_ns
            refused = [reply for reply in replies if isinstance(reply, ReplyError)]
            if pending and not isinstance(replies[0], ReplyError):
                self._reported(replies[0])
                pending = []
            if refused:
                self._pause("refuses", refused[0])
            else:
                self._went_well()
            if claim is not None and not pending and self._is_late():
                claim = None  # frozen, or kept waiting: is it still ours? The same claim again tells
        return self._granted(claim)

    def _claim(self) -> Command:
        lease_us = int(self.plan.settings.lease_s * 1e6)
        return self.scripts.call(
            "claim", self.incarnation, self.seq, lease_us, self.plan.worker, "", iso(), *self.plan.queues
        )

    def _reported(self, reply: list[bytes]) -> None:
        if reply[0] == b"lost":
            log.warning("%s: an outcome came too late: the lease had ended", self.incarnation)
        self.board.write(Record(Phase.IDLE, self.seq, self.sent_ns))

    def _is_late(self) -> bool:
        """Whether the lease that the claim gave may be near its end before the body has begun."""
        return linux.boottime_ns() - self.sent_ns > self.plan.settings.fence_after_s * 0.5e9

    def _granted(self, claim: Reply) -> Claimed | None:
        word = claim[0] if claim else b"none"
        if word in (b"closed", b"stale"):
            raise ClosedError
        if word == b"none":
            return None
        claimed = parse(claim, self.plan.settings, self.rng)
        if self._stop_asked():
            self._release(claimed)
            return None
        return claimed

    def _release(self, claimed: Claimed) -> None:
        with contextlib.suppress(LinkDown):  # the supervisor tells of our end in any case, which releases it, too
            self.link.exchange([self.scripts.call("release", claimed.queue, claimed.id, claimed.exec)])

    def _perform(self, job: Claimed) -> Command:
        settings = self.plan.settings
        now_ns = linux.boottime_ns()
        hard_s = job.timeout_s + settings.grace_s
        record = Record(
            phase=Phase.RUNNING,
            seq=self.seq,
            sent_ns=self.sent_ns,
            started_ns=now_ns,
            hard_ns=now_ns + int(hard_s * 1e9),
            attempts_max=job.attempts_max,
            delay_us=job.delay_us,
            queue=job.queue,
            job=job.id,
        )
        self.board.write(record)
        self.timer.arm(hard_s + settings.grace_s / 2)  # behind the supervisor's, for the case that it is frozen
        outcome = run(job)
        self.board.write(Record(Phase.REPORTING, self.seq, self.sent_ns, queue=job.queue, job=job.id))
        self.timer.arm(0)
        return self._outcome(job, outcome)

    def _outcome(self, job: Claimed, outcome: Outcome) -> Command:
        name, held = self.plan.worker, (job.queue, job.id, job.exec)
        if outcome.kind == "":
            return self.scripts.call("complete", *held, job.result_ttl_s, iso(), name, outcome.text, "")
        bounds = (job.attempts_max, job.delay_us)
        return self.scripts.call("fail", *held, outcome.kind, *bounds, iso(), name, outcome.text, "", "")

    def _wait(self) -> None:
        """Until a token says that a job may wait, or a poll's time is over; a stop ends it at once."""
        wait_s = self.plan.settings.poll_s * self.rng.uniform(0.8, 1.0)
        command: Command = ("BLPOP", *(sp_key("wake", queue) for queue in self.plan.queues), f"{wait_s:.3f}")
        try:
            self.waits = True
            if not self._stop_asked():
                (reply,) = self.link.exchange([command], wait_s=wait_s)
                if isinstance(reply, ReplyError):  # somebody's key has the name of the tokens' list: poll instead
                    time.sleep(wait_s)
        except LinkDown as down:
            self.waits = False
            self._pause("does not answer", down)
        except _Stopped:
            pass
        finally:
            self.waits = False

    def _pause(self, what: str, error: Exception) -> None:
        if not self.retrier.failures:
            log.warning("%s: Redis %s: %s; trying on", self.incarnation, what, error)
        time.sleep(self.retrier.pause_s())

    def _went_well(self) -> None:
        if self.retrier.failures:
            log.info("%s: Redis answers again", self.incarnation)
        self.retrier.succeeded()

    def _stop_asked(self) -> bool:
        return self.stopping or self.board.asked_to_stop

    def _catch_stop(self) -> None:
        if signal.getsignal(signal.SIGTERM) != self._on_term:  # a job may have taken it
            signal.signal(signal.SIGTERM, self._on_term)

    def _on_term(self, _signal: int, _frame: FrameType | None) -> None:
        self.stopping = True
        if self.waits:
            self.waits = False
            raise _Stopped


def main() -> int:
    """Be a slot."""
    control_fd, board_fd, supervisor = (int(each) for each in sys.argv[1:4])
    linux.die_with_parent(supervisor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the supervisor's to handle
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    board = Board(board_fd)
    os.close(board_fd)
    with os.fdopen(control_fd, "r", encoding="utf-8") as control:
        incarnation, plan = plan_from_json(control.readline())
        for module in plan.settings.preload:
            importlib.import_module(module)
        slot = Slot(plan, incarnation, board, Random())
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if control.readline() != "go\n":
            return 0
    board.write(Record(Phase.IDLE))
    try:
        slot.run()
    except _Stopped:
        return 0
    except ClosedError:
        log.warning("%s: this incarnation is closed; a new slot takes over", incarnation)
        return CLOSED_EXIT
    return 0


if __name__ == "__main__":
    sys.exit(main())
