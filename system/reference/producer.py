"""The producer's side: a queue that jobs are put into, from any number of threads."""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Literal

from redis import Redis

from .connection import connect
from .errors import Rejected, Unknown
from .keys import ID_PATTERN, QUEUE_PATTERN
from .link import Retrier
from .one_try import DoubtError, NothingDoneError, Storing
from .payload import encode_call
from .resp import Argument
from .scripts import Scripts, load
from .settings import TIMEOUT_S_MAX, TIMEOUT_S_MIN, Settings

RETRY_PAUSE_MAX_S: Final = 0.25
DELAY_S_MAX: Final = 10 * 365 * 86400


@dataclass(frozen=True, slots=True)
class Enqueued:
    """An acknowledged job. ``known``: an earlier enqueue with this id had been stored, and this one changed nothing."""

    job_id: str
    outcome: Literal["applied", "known"]


class Queue:
    """Give it a URL, or a client of ``connect``. Thread-safe."""

    def __init__(
        self, name: str, connection: Redis | str, settings: Settings | None = None, scripts: Scripts | None = None
    ) -> None:
        if not QUEUE_PATTERN.fullmatch(name):
            raise ValueError(f"queue name {name!r}: allowed are up to 200 of letters, digits and _ . : -")
        self.name = name
        self.settings = settings or Settings()
        self._storing = Storing(connect(connection) if isinstance(connection, str) else connection, scripts or load())
        self._rng = Random()

    def enqueue(  # noqa: PLR0913  # all but the call are keywords, each with a default
        self,
        func: Callable[..., Any] | str,
        *args: object,
        job_id: str | None = None,
        delay_s: float = 0.0,
        timeout_s: float | None = None,
        result_ttl_s: int | None = None,
        max_attempts: int | None = None,
        window_s: float | None = None,
        description: str = "",
        **kwargs: object,
    ) -> Enqueued:
        """Store a call for a worker to run, after ``delay_s`` seconds.

        It keeps trying for ``settings.enqueue_timeout_s``; every try has the same id, so that all of them together
        have one effect. Repeating it with the same ``job_id`` within ``window_s`` of the last try has none.
        ``timeout_s``, ``result_ttl_s`` and ``max_attempts`` take the place of the worker's settings for this job.

        Raises ``Rejected`` if provably nothing was stored, ``Unknown`` if nobody knows.
        """
        job_id = uuid.uuid4().hex if job_id is None else job_id
        problems = [
            problem
            for wrong, problem in (
                (
                    not ID_PATTERN.fullmatch(job_id),
                    f"job id {job_id!r}: allowed are up to 200 of letters, digits and _ . -",
                ),
                (not 0 <= delay_s <= DELAY_S_MAX, f"delay_s is {delay_s}; allowed: 0 to ten years"),
                (not _lawful(timeout_s), f"timeout_s is {timeout_s}; allowed: {TIMEOUT_S_MIN:g} to {TIMEOUT_S_MAX:g}"),
                (max_attempts is not None and max_attempts < 1, f"max_attempts is {max_attempts}; allowed: 1 or more"),
            )
            if wrong
        ]
        if problems:
            raise Rejected("; ".join(problems))
        try:
            fields: list[Argument] = ["data", encode_call(func, args, kwargs)]
        except Exception as error:
            raise Rejected(f"the call can't be stored: {type(error).__name__}: {error}") from error
        if timeout_s is not None:
            fields += [
                "timeout",
                max(1, round(timeout_s)),
                "timeout_ms",
                round(timeout_s * 1000),
            ]  # RQ's is whole seconds
        fields += [] if result_ttl_s is None else ["result_ttl", int(result_ttl_s)]
        fields += [] if max_attempts is None else ["max_attempts", int(max_attempts)]
        fields += ["description", description] if description else []
        return self._keep_trying(
            job_id, int(delay_s * 1e6), self.settings.window_s if window_s is None else window_s, fields
        )

    def _keep_trying(self, job_id: str, delay_us: int, window_s: float, fields: list[Argument]) -> Enqueued:
        end_s = time.monotonic() + self.settings.enqueue_timeout_s
        retrier = Retrier(RETRY_PAUSE_MAX_S, self._rng)
        doubt: DoubtError | None = None
        last: Exception
        while True:
            try:
                new = self._storing.store(self.name, job_id, delay_us, window_s, fields)
                return Enqueued(job_id, "applied" if new else "known")
            except DoubtError as error:
                doubt = last = error
            except NothingDoneError as error:
                last = error
                if not error.may_pass:
                    break
            pause_s = retrier.pause_s()
            if time.monotonic() + pause_s >= end_s:
                break
            time.sleep(pause_s)
        if doubt is not None:
            raise Unknown(f"{job_id}: {doubt}") from doubt
        raise Rejected(f"{job_id}: {last}") from last


def _lawful(timeout_s: float | None) -> bool:
    return timeout_s is None or TIMEOUT_S_MIN <= timeout_s <= TIMEOUT_S_MAX
