"""What the raw keys say, for operators: counts and dead letters. Reads only."""
# ruff: noqa: ANN401  # redis-py types each reply as both of its clients would give it, which is of no use

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .keys import PREFIX, job_key, results_key, rq_key, sp_key
from .payload import decode_trace


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """Jobs of a queue by state. ``swept_s_ago``: since a worker last looked for leases that ended (None: never)."""

    queue: str
    waiting: int
    delayed: int
    running: int
    finished: int
    dead: int
    swept_s_ago: float | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job that ended for good without success. ``died_at``: RFC 3339, server time."""

    job_id: str
    queue: str
    reason: str
    died_at: str
    attempts: int
    timeouts: int
    crashes: int
    stalls: int
    description: str


def queue_names(redis: Any) -> list[str]:
    """Every queue that was ever put into, by name."""
    head = f"{PREFIX}:queue:"
    return sorted(key.decode().removeprefix(head) for key in redis.smembers(f"{PREFIX}:queues"))


def info(redis: Any, queues: Sequence[str]) -> list[QueueInfo]:
    """Counts of each queue, read in one step a queue."""
    found = []
    for queue in queues:
        pipe = redis.pipeline(transaction=True)
        pipe.llen(rq_key("queue", queue))
        for key in (
            rq_key("scheduled", queue),
            sp_key("lease", queue),
            rq_key("finished", queue),
            sp_key("dead", queue),
        ):
            pipe.zcard(key)
        pipe.hget(sp_key("sweep", queue), "last")
        pipe.time()
        waiting, delayed, running, finished, dead, last, (seconds, micros) = pipe.execute()
        ago_s = None if last is None else max(0.0, seconds + micros / 1e6 - int(last) / 1e6)
        found.append(QueueInfo(queue, waiting, delayed, running, finished, dead, ago_s))
    return found


def dead_letters(redis: Any, queue: str, limit: int) -> Iterator[DeadLetter]:
    """The newest first."""
    for member, died_s in redis.zrange(sp_key("dead", queue), 0, limit - 1, desc=True, withscores=True):
        yield _letter(member.decode(), queue, died_s, redis.hgetall(job_key(member.decode())))


def find_dead(redis: Any, job_id: str) -> tuple[DeadLetter, list[str]] | None:
    """One dead letter and the traces of its failures (the newest last, ten at most); None if it is none."""
    record = redis.hgetall(job_key(job_id))
    queue = record.get(b"origin", b"").decode()
    died_s = redis.zscore(sp_key("dead", queue), job_id) if queue else None
    if died_s is None:
        return None
    entries = redis.xrange(results_key(job_id))
    traces = [_trace(fields[b"exc_string"]) for _, fields in entries if b"exc_string" in fields]
    return _letter(job_id, queue, died_s, record), traces


def _trace(field: bytes) -> str:
    try:
        return decode_trace(field)
    except (ValueError, zlib.error):
        return repr(field)


def _letter(job_id: str, queue: str, died_s: float, record: dict[bytes, Any]) -> DeadLetter:
    def number(name: bytes) -> int:
        text = record.get(name, b"0")
        return int(text) if text.isdigit() else 0

    return DeadLetter(
        job_id=job_id,
        queue=queue,
        reason=record.get(b"dead_reason", b"").decode(),
        died_at=datetime.fromtimestamp(died_s, UTC).isoformat(timespec="milliseconds"),
        attempts=number(b"attempts"),
        timeouts=number(b"timeouts"),
        crashes=number(b"crashes"),
        stalls=number(b"stalls"),
        description=record.get(b"description", b"").decode("utf-8", "replace"),
    )
