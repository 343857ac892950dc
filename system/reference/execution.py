"""Runs one job's body and says how it ended. The soft timeout lives here; what kills does not."""

import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import CoroutineType, FrameType
from typing import Any, Final

from .claimed import Claimed
from .codec import PayloadCodec
from .context import message_of
from .current import CurrentJob, set_current_job
from .errors import Reject, SoftTimeout
from .payload import Undecodable, decode_call, encode_result, encode_trace

RESULT_MAX: Final = 64 * 1024 * 1024  # bytes as stored; Redis takes 512 MiB at most
TOO_LARGE: Final = "Return value too large to be kept"
log: Final = logging.getLogger("stormq.slot")


@dataclass(frozen=True, slots=True)
class Outcome:
    """``kind``: '' for well, else as ``lua/fail.lua`` names it. ``text``: the encoded result, or the encoded trace.

    ``error_type`` and ``message`` are '' for well.
    """

    kind: str
    text: str
    error_type: str = ""
    message: str = ""


class _Alarm:
    """Raises ``SoftTimeout`` in the body, and only there.

    Between the last bytecode of the body and the disarming an alarm may still be handled: in the frame that called the
    body. The body has ended well by then, so nothing is raised.
    """

    def __init__(self) -> None:
        self.armed = False
        self.timeout_s = 0.0

    def install(self) -> None:
        signal.signal(signal.SIGALRM, self._ring)

    def _ring(self, _signal: int, frame: FrameType | None) -> None:
        if self.armed and frame is not None and frame.f_code is not _call.__code__:
            self.armed = False
            raise SoftTimeout(f"the job passed its timeout of {self.timeout_s:g} s")


ALARM: Final = _Alarm()


def _call(body: Callable[[], object], timeout_s: float) -> object:
    ALARM.timeout_s = timeout_s
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    ALARM.armed = True
    try:
        result = body()
        if isinstance(result, CoroutineType):
            import asyncio  # 50 ms that a slot without coroutines need not pay

            result = asyncio.run(result)
        return result
    finally:
        ALARM.armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)


def run(job: Claimed, decoded: "Callable[[partial[Any]], None]", codec: PayloadCodec | None = None) -> Outcome:
    """Run the body of ``job`` in this thread, which must be the main one (signals).

    ``decoded`` is told the call before it is made. ``codec`` opens the call, and seals what comes of it.
    """

    def failed(kind: str, error: BaseException | str, error_type: str) -> Outcome:
        return Outcome(kind, encode_trace(error, codec, job.id), error_type, message_of(error))

    if job.unsupported:
        return failed("unsupported", f"not implemented: {job.unsupported}", "unsupported")
    try:
        body = decode_call(job.data, codec, job.id)
    except Undecodable as error:
        return failed("unserialisable", error, "unserialisable")
    decoded(body)
    if signal.getsignal(signal.SIGALRM) != ALARM._ring:  # noqa: SLF001  # an earlier job may have taken the signal
        ALARM.install()
    deadline_s = time.monotonic() + job.timeout_s
    numbers = (job.attempts + 1, job.attempts_max, job.fence, job.exec, deadline_s)
    set_current_job(CurrentJob(job.id, job.queue, *numbers, job.user))
    try:
        return Outcome("", _stored(_call(body, job.timeout_s), codec, job.id))
    except SoftTimeout as error:
        return failed("timeout", error, "timeout")
    except Reject as error:
        return failed("rejected", error, _type_of(error))
    except BaseException as error:  # noqa: BLE001  # SystemExit in a job ends the job, not the slot
        return failed("error", error, _type_of(error))
    finally:
        set_current_job(None)


def _stored(result: object, codec: PayloadCodec | None, job_id: str) -> str:
    """A result that Redis would never take must not be offered for ever: the body did end well."""
    text = encode_result(result, codec, job_id)
    if len(text) > RESULT_MAX:
        log.warning("%s: its result of %d bytes is too large to be kept", job_id, len(text))
        text = encode_result(TOO_LARGE, codec, job_id)
    return text


def _type_of(error: BaseException) -> str:
    made = type(error)
    return made.__qualname__ if made.__module__ == "builtins" else f"{made.__module__}.{made.__qualname__}"
