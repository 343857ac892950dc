"""A slot: one process that claims a job, runs it, reports it, and asks for the next in the same round trip.

    python -m system.reference.slot CONTROL_FD BOARD_FD SUPERVISOR_PID

The control pipe brings its briefing (one line), then `go` with the queues it serves. Exit codes: 0 asked to stop, 3 its
incarnation is closed, so that a new one must take over, 4 its queues are configured in another version.
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

from . import linux, worker_log
from .board import Board, Phase, Record
from .claimed import Claimed, parse, superseded_by
from .keys import iso, sp_key
from .link import Link, LinkDown, Retrier
from .performer import Performer
from .resp import Command, Reply, ReplyError
from .scripts import Scripts, load
from .wire import CLOSED_EXIT, SUPERSEDED_EXIT, Briefing, from_line

WAIT_MIN_S: Final = 0.002  # BLPOP takes 0 for ever
HUNG_LEASES: Final = 20  # no step of a slot's own takes so long: a thread that a body left behind holds the interpreter
log: Final = logging.getLogger("stormq.slot")


class _Stopped(BaseException):
    """Raised by the signal handler, and only while the slot waits for a wake-up token."""


class ClosedError(Exception):
    """This incarnation was declared dead, or Redis has forgotten it."""


class SupersededError(Exception):
    """A queue of this slot is configured in another version: which one, and where."""


class Slot:
    """``run`` until asked to stop."""

    def __init__(self, briefing: Briefing, board: Board, rng: Random) -> None:
        self.plan = plan = briefing.plan
        self.incarnation, self.board, self.rng = briefing.incarnation, board, rng
        self.queues = plan.queues
        self.scripts: Scripts = load(Path(plan.overlay) if plan.overlay else None)
        name = f"stormq:{plan.worker}:slot:{os.getpid()}"
        self.link = Link(plan.url, name, self.scripts, plan.settings.io_timeout_s)
        self.performer = Performer(briefing, self.scripts, board)
        self.retrier = Retrier(plan.settings.io_timeout_s, rng)
        self.hung_s = HUNG_LEASES * plan.settings.lease_s
        self.seq = 0
        self.sent_ns = 0
        self.wait_s = plan.settings.poll_s  # until it is worth asking again
        self.waits = False
        self.stopping = False

    def run_and_leave(self) -> None:
        """``run``; the process' exit waits for threads that bodies left behind, but no longer than the grace period."""
        try:
            self.run()
        finally:
            self.performer.timer.arm(self.plan.settings.grace_s)

    def run(self) -> None:
        """Claim, run, report, until asked to stop. Raises ``ClosedError`` or ``SupersededError``."""
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
            self.performer.timer.arm(self.hung_s)
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
        who = (self.plan.worker, self.plan.version, iso())
        return self.scripts.call("claim", self.incarnation, self.seq, lease_us, *who, *self.queues)

    def _reported(self, reply: list[bytes]) -> None:
        if reply[0] == b"lost":
            log.warning("%s: an outcome came too late: the lease had ended", self.incarnation)
        self.board.write(Record(Phase.IDLE, self.seq, self.sent_ns))

    def _is_late(self) -> bool:
        """Whether the lease that the claim gave may be near its end before the body has begun."""
        return linux.boottime_ns() - self.sent_ns > self.plan.settings.fence_after_s * 0.5e9

    def _granted(self, claim: Reply) -> Claimed | None:
        if claim is None:
            return None
        word = claim[0]
        if word in (b"closed", b"stale"):
            raise ClosedError
        if word == b"superseded":
            raise SupersededError(self._by_what(claim[1].decode()))
        if word == b"none":
            self.wait_s = self._until_again_s(claim[1])
            return None
        claimed = parse(claim, self.plan.settings_of(claim[1].decode()), self.rng)
        if self._stop_asked():
            self._release(claimed)
            return None
        return claimed

    def _by_what(self, queue: str) -> str:
        try:
            (reply,) = self.link.exchange([("HMGET", sp_key("ctl", queue), "version", "place")])
        except LinkDown:
            reply = None
        return superseded_by(queue, *(reply if isinstance(reply, list) else (None, None)))

    def _until_again_s(self, allowed_us: bytes | int) -> float:
        """``allowed_us``: when a rate or a breaker allows the next job; '' if that is not known."""
        poll_s = self.plan.settings.poll_s * self.rng.uniform(0.8, 1.0)
        allowed_s = int(allowed_us) / 1e6 * self.rng.uniform(1.0, 1.05) if allowed_us else poll_s
        return max(WAIT_MIN_S, min(poll_s, allowed_s))

    def _release(self, claimed: Claimed) -> None:
        with contextlib.suppress(LinkDown):  # the supervisor tells of our end in any case, which releases it, too
            self.link.exchange([self.scripts.call("release", claimed.queue, claimed.id, claimed.exec)])

    def _perform(self, job: Claimed) -> Command:
        outcome, report = self.performer.perform(job, self.seq, self.sent_ns)
        if outcome.kind == "timeout":  # the exception came at any point: locks, connections, threads may be half used
            log.info("%s retires after a timeout", self.incarnation)
            self.stopping = True
        return report

    def _wait(self) -> None:
        """Until a token says that a job may wait, or a poll's time is over; a stop ends it at once."""
        self.performer.timer.arm(self.hung_s)
        wait_s = self.wait_s
        command: Command = ("BLPOP", *(sp_key("wake", queue) for queue in self.queues), f"{wait_s:.3f}")
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
    worker_log.set_up()
    board = Board(board_fd)
    os.close(board_fd)
    with os.fdopen(control_fd, "r", encoding="utf-8") as control:
        briefing = from_line(control.readline())
        for module in briefing.plan.settings.preload:
            importlib.import_module(module)
        slot = Slot(briefing, board, Random())
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        board.write(Record(Phase.READY))
        word, *queues = control.readline().split() or [""]
        if word != "go":
            return 0
    slot.queues = tuple(queues)
    board.write(Record(Phase.IDLE))
    try:
        slot.run_and_leave()
    except _Stopped:
        return 0
    except ClosedError:
        log.warning("%s: this incarnation is closed; a new slot takes over", briefing.incarnation)
        return CLOSED_EXIT
    except SupersededError as error:
        board.write(Record(Phase.IDLE, told=str(error)))  # the supervisor says so
        return SUPERSEDED_EXIT
    return 0


if __name__ == "__main__":
    sys.exit(main())
