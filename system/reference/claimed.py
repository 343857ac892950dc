"""A claim's reply as data, and what its job's own record and the worker's settings make of it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from .settings import TIMEOUT_S_MAX, TIMEOUT_S_MIN, YEARS_S, Settings

TEXT_MAX: Final = 200
COUNT_MAX: Final = 100_000  # as for a worker's own settings
ID_MAX: Final = 2800  # bytes: a board takes no more


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that a slot holds. ``attempts`` failed before; ``delay_us`` is the pause if this run fails, too.

    ``user``: on whose behalf it was enqueued, '' if that was not said.
    """

    queue: str
    id: str
    exec: str
    fence: int
    unsupported: str
    data: bytes
    attempts: int
    attempts_max: int
    timeout_s: float
    result_ttl_s: int
    delay_us: int
    user: str = ""
    enqueued_at: str = ""


def parse(reply: Sequence[Any], settings: Settings, rng: Random) -> Claimed:
    """Read {claimed | replayed, queue, id, exec, fence, unsupported, fields...} as ``lua/claim.lua`` orders them.

    A record's numbers are whatever its producer wrote: each is brought into bounds that board, timers and scripts take.
    A job that stopped its slot here would be claimed again at once, and nothing would count it.
    """
    _, queue, job, exec_, fence, unsupported, data, _, not_after, attempts, *_ = reply[:10]
    timeout, timeout_ms, result_ttl, attempts_max, retries_left, intervals, _, user, enqueued_at = reply[13:22]
    failed = _within(_number(attempts, 0), 0, COUNT_MAX)
    stock = not_after is None
    if stock:
        bound, delay_s = _stock_retry(failed, _number(retries_left, 0), intervals)
    else:
        bound = _number(attempts_max, settings.max_attempts)
        delay_s = settings.backoff.delay_s(failed + 1, rng)
    return Claimed(
        queue=queue.decode(),
        id=job.decode(),
        exec=exec_.decode(),
        fence=int(fence),
        unsupported=unsupported.decode() or (f"an id of {len(job)} bytes" if len(job) > ID_MAX else ""),
        data=data,
        attempts=failed,
        attempts_max=_within(bound, 1, COUNT_MAX),
        timeout_s=_timeout_s(timeout, timeout_ms, settings),
        result_ttl_s=_within(_number(result_ttl, settings.result_ttl_s), -1, int(YEARS_S)),
        delay_us=int(min(delay_s, YEARS_S) * 1e6),
        user=_text(user),
        enqueued_at=_text(enqueued_at),
    )


def superseded_by(queue: str, version: bytes | None, place: bytes | None) -> str:
    """What a queue's control says of its configuration, in words."""
    return f"{queue} is configured in version {_text(version) or '?'} ({_text(place)})"


def _text(field: bytes | None) -> str:
    return (field or b"").decode("utf-8", "replace")[:TEXT_MAX]


def _number(field: bytes | None, default: int) -> int:
    try:
        return int(field) if field else default
    except ValueError:
        return default


def _within(number: int, least: int, most: int) -> int:
    return max(least, min(most, number))


def _timeout_s(timeout: bytes | None, timeout_ms: bytes | None, settings: Settings) -> float:
    most_ms = int(TIMEOUT_S_MAX * 1000)
    if timeout_ms:
        wanted_ms = _number(timeout_ms, 0)
    else:
        whole_s = _number(timeout, 0)
        wanted_ms = whole_s * 1000 if whole_s >= 0 else most_ms  # RQ's -1, "no timeout": everything has a limit here
    return _within(wanted_ms, int(TIMEOUT_S_MIN * 1000), most_ms) / 1000 if wanted_ms else settings.timeout_s


def _stock_retry(failed: int, retries_left: int, intervals: bytes | None) -> tuple[int, float]:
    """Attempts in all and the next delay, as RQ's ``Retry`` and ``Job.get_retry_interval`` have it."""
    try:
        delays = [float(each) for each in json.loads(intervals)] if intervals else []
    except (ValueError, TypeError, OverflowError, RecursionError):
        delays = []
    if not delays:
        return failed + retries_left + 1, 0.0
    return failed + retries_left + 1, max(0.0, delays[min(max(len(delays) - retries_left, 0), len(delays) - 1)])
