"""What the raw keys say, for operators: counts. Reads only."""
# ruff: noqa: ANN401  # redis-py types each reply as both of its clients would give it, which is of no use

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .keys import PREFIX, rq_key, sp_key


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
