"""Dead letters: which there are, why, after what; another life for them, or an end."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from redis import Redis

from .codec import PayloadCodec
from .errors import StormqError
from .history import Run, history
from .inspection import queue_names
from .keys import iso, job_key, sp_key
from .operations import Actor, RefusedError, Transitions, this_actor
from .payload import open_text
from .redaction import redact_text
from .scripts import Scripts

BATCH: Final = 500


class NoDeadLetterError(StormqError):
    """The job is none: not there, or in another state."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job that ended for good without success.

    ``died_at``: RFC 3339, server time; ``age_s``: since then. ``death``: the identity of this death, which a step on it
    presents. The counts are those of its last life; ``requeues`` lives came before it.
    """

    job_id: str
    queue: str
    reason: str
    error_type: str
    error_message: str
    died_at: str
    age_s: float
    attempts: int
    timeouts: int
    crashes: int
    stalls: int
    requeues: int
    description: str
    user: str
    death: str


@dataclass(frozen=True, slots=True)
class Which:
    """Dead letters that have all of it; '' and None ask for nothing.

    ``error_type``: with its module or without; ``older_than_s``: dead for longer.
    """

    queues: tuple[str, ...] = ()
    reason: str = ""
    error_type: str = ""
    older_than_s: float | None = None

    def fits(self, letter: DeadLetter) -> bool:
        """Whether the letter has what is asked for, its queue and age apart."""
        error_types = {"", letter.error_type, letter.error_type.rpartition(".")[2]}
        return self.reason in {"", letter.reason} and self.error_type in error_types


@dataclass(slots=True)
class Tally:
    """What came of a step on many: how many it was done to, and why not to the others."""

    done: int = 0
    refused: Counter[str] = field(default_factory=Counter)


class DeadLetters:
    """Reads are by ``codec`` where it is given; steps are ``actor``'s."""

    def __init__(
        self,
        redis: Redis,
        scripts: Scripts | None = None,
        actor: Actor | None = None,
        codec: PayloadCodec | None = None,
    ) -> None:
        self._redis: Any = redis
        self._transitions = Transitions(redis, scripts)
        self._actor = actor or this_actor()
        self._codec = codec

    def queues(self) -> list[str]:
        """Every queue that was ever put into."""
        return queue_names(self._redis)

    def find(self, which: Which = Which(), *, newest_first: bool = False) -> Iterator[DeadLetter]:  # frozen
        """Those that were dead when it was called, the oldest first in each queue. Each at most once."""
        now_s = self._transitions.now_us() / 1e6
        until_s = now_s - (which.older_than_s or 0.0)
        for queue in which.queues or self.queues():
            ids = self._redis.zrangebyscore(sp_key("dead", queue), "-inf", f"{until_s:.6f}")
            if newest_first:
                ids.reverse()
            for start in range(0, len(ids), BATCH):
                yield from filter(which.fits, self._letters(queue, ids[start : start + BATCH], now_s))

    def get(self, job_id: str) -> DeadLetter:
        """One. Raises ``NoDeadLetterError``."""
        queue = (self._redis.hget(job_key(job_id), "origin") or b"").decode()
        for letter in self._letters(queue, [job_id.encode()], self._transitions.now_us() / 1e6):
            return letter
        raise NoDeadLetterError(f"{job_id} is no dead letter")

    def stored(self, job_id: str) -> tuple[dict[bytes, bytes], list[Run]]:
        """The job's record and history as Redis has them: what is sealed stays so."""
        return dict(self._redis.hgetall(job_key(job_id))), history(self._redis, job_id)

    def history(self, job_id: str) -> list[Run]:
        """The runs of a job that left a line, the oldest first, earlier lives included (the last fifty)."""
        return history(self._redis, job_id, lambda text: open_text(text, self._codec, job_id))

    def requeue(self, letter: DeadLetter, reason: str, *, times_max: int | None = None, delay_s: float = 0.0) -> None:
        """Another life, from the queue's tail, or after ``delay_s``; all its counts begin anew.

        ``times_max``: refused if it had as many lives already. Raises ``RefusedError``.
        """
        self._step(
            letter, reason, "requeue", letter.death, "" if times_max is None else times_max, int(delay_s * 1e6), iso()
        )

    def discard(
        self, letter: DeadLetter, reason: str, *, action: Literal["discard", "archive", "expire"] = "discard"
    ) -> None:
        """Record, results and every mention go. Raises ``RefusedError``."""
        self._step(letter, reason, "discard", letter.death, action)

    def requeue_all(  # noqa: PLR0913  # keywords, each with a default
        self,
        letters: Iterable[DeadLetter],
        reason: str,
        *,
        times_max: int | None = None,
        delay_s: float = 0.0,
        per_minute: float | None = None,
        told: Callable[[DeadLetter, str], None] = lambda _letter, _outcome: None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> Tally:
        """``requeue`` for each, ``per_minute`` of them a minute at most, evenly. ``told`` hears of each at once."""
        tally, next_s = Tally(), clock()
        for letter in letters:
            wait_s = next_s - clock()
            if per_minute and wait_s > 0:
                sleep(wait_s)
            outcome = _outcome(lambda it=letter: self.requeue(it, reason, times_max=times_max, delay_s=delay_s))  # type: ignore[misc]
            if per_minute and not outcome:  # what was refused took nobody's time
                next_s = max(next_s, clock()) + 60.0 / per_minute
            _count(tally, letter, outcome, told)
        return tally

    def discard_all(
        self,
        letters: Iterable[DeadLetter],
        reason: str,
        *,
        action: Literal["discard", "archive", "expire"] = "discard",
        told: Callable[[DeadLetter, str], None] = lambda _letter, _outcome: None,
    ) -> Tally:
        """``discard`` for each."""
        tally = Tally()
        for letter in letters:
            outcome = _outcome(lambda it=letter: self.discard(it, reason, action=action))  # type: ignore[misc]
            _count(tally, letter, outcome, told)
        return tally

    def _step(self, letter: DeadLetter, reason: str, script: str, *arguments: str | int) -> None:
        if not letter.death and script != "discard":  # which takes away what is left of it
            raise RefusedError(f"{script} {letter.job_id}", "its record is gone")
        by = (self._actor.name, self._actor.origin, reason)
        self._transitions.applied(f"{script} {letter.job_id}", script, letter.queue, letter.job_id, *arguments, *by)

    def _letters(self, queue: str, ids: list[bytes], now_s: float) -> Iterator[DeadLetter]:
        pipe = self._redis.pipeline(transaction=True)
        for job in ids:
            pipe.zscore(sp_key("dead", queue), job)
            pipe.hgetall(job_key(job.decode()))
        replies = pipe.execute()
        for job, died_s, record in zip(ids, replies[::2], replies[1::2], strict=True):
            if died_s is not None:
                yield self._letter(job.decode(), queue, died_s, now_s, record)

    def _letter(self, job_id: str, queue: str, died_s: float, now_s: float, record: dict[bytes, bytes]) -> DeadLetter:
        def text(name: str) -> str:
            return record.get(name.encode(), b"").decode("utf-8", "replace")

        def number(name: str) -> int:
            return int(text(name)) if text(name).isdecimal() else 0

        return DeadLetter(
            job_id=job_id,
            queue=queue,
            reason=text("dead_reason"),
            error_type=text("error_type"),
            error_message=open_text(text("error_message"), self._codec, job_id),
            died_at=datetime.fromtimestamp(died_s, UTC).isoformat(timespec="milliseconds"),
            age_s=max(0.0, now_s - died_s),
            attempts=number("attempts"),
            timeouts=number("timeouts"),
            crashes=number("crashes"),
            stalls=number("stalls"),
            requeues=number("requeues"),
            description=redact_text(text("description")),
            user=text("user"),
            death=text("settled"),
        )


def _outcome(step: Callable[[], None]) -> str:
    """'' if it was done, else why not."""
    try:
        step()
    except RefusedError as refused:
        return refused.why
    return ""


def _count(tally: Tally, letter: DeadLetter, outcome: str, told: Callable[[DeadLetter, str], None]) -> None:
    if outcome:
        tally.refused[outcome] += 1
    else:
        tally.done += 1
    told(letter, outcome)
