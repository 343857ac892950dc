"""The producer's side: a queue that jobs are put into, from any number of threads."""

import time
import uuid
from collections.abc import Callable
from random import Random
from typing import Any, Final

from redis import Redis

from .address import Endpoint, Outage
from .claimed import COUNT_MAX
from .codec import PayloadCodec
from .connection import connect, endpoint_of
from .errors import Rejected, SettingsError
from .keys import ID_PATTERN, QUEUE_ALLOWED, QUEUE_PATTERN
from .link import Retrier
from .one_try import DoubtError, NothingDoneError, Storing
from .outage import RETRY_PAUSE_MAX_S, Attempts, Buffered, Enqueued, Outbox
from .payload import encode_call
from .redaction import redact_text
from .registration import declare
from .resp import Argument
from .scripts import Scripts, load
from .settings import TIMEOUT_S_MAX, TIMEOUT_S_MIN, YEARS_S, Settings

DELAY_S_MAX: Final = 10 * 365 * 86400
USER_MAX: Final = 200


class Queue:
    """Give it an endpoint, its URL, or a client of ``connect``. Thread-safe.

    ``codec`` seals what jobs are called with. ``outage`` (default: the endpoint's) says what an enqueue does while
    Redis is away: ``raise`` after one try; ``block`` and try on for ``settings.enqueue_timeout_s``; or ``buffer`` the
    job in memory, which acknowledges nothing (``Buffered``): ``flush`` and ``close`` are for that one.

    Raises ``SettingsError``: as ``RegistrationError`` if this process has such a queue with another policy.
    """

    def __init__(
        self,
        name: str,
        connection: Redis | Endpoint | str,
        settings: Settings | None = None,
        scripts: Scripts | None = None,
        codec: PayloadCodec | None = None,
        outage: Outage | None = None,
    ) -> None:
        if not QUEUE_PATTERN.fullmatch(name):
            raise SettingsError([f"queue name {name!r}: {QUEUE_ALLOWED}"])
        redis = connect(connection) if isinstance(connection, str | Endpoint) else connection
        endpoint = endpoint_of(redis)
        self.name = name
        self.settings = settings or Settings()
        if settings is not None:
            declare(name, settings, self, where=f"{endpoint}/{endpoint.db}")
        self._storing = Storing(redis, scripts or load())
        self._codec = codec
        self._rng = Random()
        self._outage = outage or endpoint.outage
        self._outbox = Outbox(endpoint.buffer_jobs, endpoint.buffer_bytes, self._rng)

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
        user: str = "",
        **kwargs: object,
    ) -> Enqueued | Buffered:
        """Store a call for a worker to run, after ``delay_s`` seconds.

        Every try has the same id, so that all of them together have one effect. Repeating it with the same ``job_id``
        within ``window_s`` of the last try has none.
        ``timeout_s``, ``result_ttl_s`` and ``max_attempts`` take the place of the worker's settings for this job.
        ``user`` is on whose behalf it runs; secrets in ``description`` are taken out.

        Raises ``Rejected`` if provably nothing was stored, ``Unknown`` if nobody knows.
        """
        job_id = uuid.uuid4().hex if job_id is None else job_id
        window_s = self.settings.window_s if window_s is None else window_s
        description = description.encode("utf-8", "replace").decode()  # a file's name may hold half a pair
        problems = [
            problem
            for wrong, problem in (
                (
                    not ID_PATTERN.fullmatch(job_id),
                    f"job id {job_id!r}: allowed are up to 200 of letters, digits and _ . -",
                ),
                (not 0 <= delay_s <= DELAY_S_MAX, f"delay_s is {delay_s}; allowed: 0 to ten years"),
                (not _lawful(timeout_s), f"timeout_s is {timeout_s}; allowed: {TIMEOUT_S_MIN:g} to {TIMEOUT_S_MAX:g}"),
                (not 0 < window_s <= YEARS_S, f"window_s is {window_s}; allowed: above 0, up to ten years"),
                (
                    not 1 <= (1 if max_attempts is None else max_attempts) <= COUNT_MAX,
                    f"max_attempts is {max_attempts}; allowed: 1 to {COUNT_MAX}",
                ),
                (
                    not -1 <= (result_ttl_s or 0) <= YEARS_S,
                    f"result_ttl_s is {result_ttl_s}; allowed: -1 (for good) to ten years",
                ),
                (len(user) > USER_MAX, f"user has {len(user)} characters; allowed: up to {USER_MAX}"),
                (not _is_whole(user), f"user is {user!r}; allowed: text that UTF-8 can hold"),
            )
            if wrong
        ]
        if problems:
            raise Rejected("; ".join(problems))
        try:
            fields: list[Argument] = ["data", encode_call(func, args, kwargs, self._codec, job_id)]
        except Exception as error:
            raise Rejected(f"the call can't be stored: {type(error).__name__}: {error}") from error
        if timeout_s is not None:
            whole_s = max(1, round(timeout_s))  # RQ's unit
            fields += ["timeout", whole_s, "timeout_ms", round(timeout_s * 1000)]
        fields += [] if result_ttl_s is None else ["result_ttl", int(result_ttl_s)]
        fields += [] if max_attempts is None else ["max_attempts", int(max_attempts)]
        fields += ["description", redact_text(description)] if description else []
        fields += ["user", user] if user else []
        moves = self._outage != "buffer"
        attempts = Attempts(self._storing, self.name, job_id, delay_s, window_s, fields, window_moves=moves)
        return self._blocking(attempts) if moves else self._outbox.put(attempts)

    def flush(self, timeout_s: float | None = None) -> int:
        """Wait until no buffered job waits any more; how many still do."""
        return self._outbox.flush(timeout_s)

    def close(self, timeout_s: float = 0.0) -> int:
        """Wait for buffered jobs, then give up the others, as ``Rejected`` or ``Unknown``; how many those were."""
        return self._outbox.close(timeout_s)

    def _blocking(self, attempts: Attempts) -> Enqueued:
        end_s = time.monotonic() + (0.0 if self._outage == "raise" else self.settings.enqueue_timeout_s)
        retrier = Retrier(RETRY_PAUSE_MAX_S, self._rng)
        last: Exception
        while True:
            try:
                return attempts.once()
            except DoubtError as error:
                last = error
            except NothingDoneError as error:
                last = error
                if not error.may_pass:
                    break
            pause_s = retrier.pause_s()
            if time.monotonic() + pause_s >= end_s:
                break
            time.sleep(pause_s)
        raise attempts.verdict(last) from last


def _is_whole(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _lawful(timeout_s: float | None) -> bool:
    return timeout_s is None or TIMEOUT_S_MIN <= timeout_s <= TIMEOUT_S_MAX
