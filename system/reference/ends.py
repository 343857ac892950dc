"""What the end of a slot's process means for the job it held: the reports that a supervisor makes."""

import logging
import signal
from collections.abc import Callable
from typing import Final

from . import context, linux, slot_process
from .board import Phase, Record
from .events import CRASHED, CRASHES, DROPS, STALLED
from .keys import iso
from .payload import encode_trace
from .plan import Plan
from .resp import Command
from .scripts import Scripts
from .slot_process import SlotProcess

log: Final = logging.getLogger("stormq.supervisor")


class Ends:
    """``report`` delivers a transition, in the order of the calls."""

    def __init__(self, plan: Plan, scripts: Scripts, report: Callable[[Command], None]) -> None:
        self._plan, self._scripts, self._report = plan, scripts, report

    def tell(self, slot: SlotProcess, status: int, record: Record | None) -> None:
        """Its process has ended with ``status``, doing ``record`` (None: about to say so, so no body ran)."""
        if record is not None and record.phase is Phase.RUNNING:
            self._run(slot, record, status)
        elif record is None or record.phase not in (Phase.STARTING, Phase.READY):
            self._dead(slot, "", 1, "", "", "")

    def _run(self, slot: SlotProcess, record: Record, status: int) -> None:
        settings = self._plan.settings_of(record.queue)
        overdue = status == -signal.SIGKILL and linux.boottime_ns() >= record.hard_ns
        if slot.cause == slot_process.FENCED:
            self._dead(slot, DROPS, settings.max_stalls, STALLED, *self._told(record, "interrupted", slot.cause))
        elif slot.cause == slot_process.TIMED_OUT or (not slot.cause and overdue):
            self._timed_out(slot, record)
        elif slot.cause in (slot_process.ABORTED, slot_process.CANCELLED):
            log.info("%s was ended: %s", record.job, slot.cause)
            self._report(self._scripts.call("abort", *_held(slot, record)))
            self._dead(slot, "", 1, "", "", "")
        elif slot.cause:
            self._dead(slot, "", 1, "", "", "")
        else:
            self._dead(slot, CRASHES, settings.max_crashes, CRASHED, *self._told(record, CRASHED, _says(status)))

    def _timed_out(self, slot: SlotProcess, record: Record) -> None:
        grace_s = self._plan.settings_of(record.queue).grace_s
        text, told = self._told(record, "timeout", f"killed: the job passed its timeout and {grace_s:g} s of grace")
        bounds = (record.attempts_max, record.delay_us)
        more = (iso(), self._plan.worker, encode_trace(text), "timeout", told)
        self._report(self._scripts.call("fail", *_held(slot, record), "timeout", *bounds, *more))
        self._dead(slot, "", 1, "", "", "")

    def _told(self, record: Record, kind: str, text: str) -> tuple[str, str]:
        """The text, and the context of the run with it; the log hears of it, too."""
        duration_ms = (linux.boottime_ns() - record.started_ns) // 1_000_000
        told = context.from_board(record.told)
        log.warning("%s", context.line(told, kind, duration_ms, text))
        return text, context.ended_badly(told, duration_ms, text)

    def _dead(self, slot: SlotProcess, counter: str, bound: int, reason: str, text: str, told: str) -> None:
        trace = encode_trace(text) if text else ""
        arguments = (slot.incarnation, counter, bound, reason, iso(), self._plan.worker, trace, told)
        self._report(self._scripts.call("slot_dead", *arguments))


def _held(slot: SlotProcess, record: Record) -> tuple[str, str, str]:
    return record.queue, record.job, f"{slot.incarnation}.{record.seq}"


def _says(status: int) -> str:
    if status >= 0:
        return f"the slot's process left with status {status} in the job's body"
    try:
        name = signal.Signals(-status).name
    except ValueError:  # a real-time signal
        name = f"signal {-status}"
    return f"the slot's process died of {name} in the job's body"
