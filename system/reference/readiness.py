"""Whether a worker can run a job: by running one. Each configured worker has a slot that serves nothing else."""

import time
import uuid
from typing import Any, Final

from redis import Redis

from .config import HEALTH_HEAD, health_queues
from .errors import EnqueueError, SettingsError, UnreachableError
from .keys import PREFIX, job_key
from .operations import Actor, Operations, RefusedError, Transitions
from .producer import Queue
from .settings import Settings

HEALTH_JOB: Final = "system.reference.health_job.answer"
LOOK_S: Final = 0.05
KEEP_S: Final = 10
REASON: Final = "a probe of readiness gave up"


def probe(redis: Redis, queue: str, actor: Actor, timeout_s: float) -> str:
    """Have a health job run; '' once it has, else what is wrong. It leaves nothing behind.

    Raises ``UnreachableError`` if nobody could be asked.
    """
    job_id = f"health-{uuid.uuid4().hex}"
    settings = Settings(enqueue_timeout_s=KEEP_S / 5, window_s=KEEP_S)
    end_s = time.monotonic() + timeout_s
    try:
        Queue(queue, redis, settings).enqueue(
            HEALTH_JOB, job_id=job_id, timeout_s=timeout_s, max_attempts=1, result_ttl_s=KEEP_S
        )
    except EnqueueError as error:
        raise UnreachableError(str(error)) from error
    client: Any = redis
    while time.monotonic() < end_s:
        status, dead, settled = client.hmget(job_key(job_id), "status", "dead_reason", "settled")
        if dead is not None:
            by = (actor.name, actor.origin, REASON)
            Transitions(redis).call("discard", queue, job_id, (settled or b"").decode(), "discard", *by)
            return f"{queue}: the health job ended as a dead letter: {dead.decode()}"
        if status == b"finished":
            return ""
        time.sleep(LOOK_S)
    try:
        Operations(redis, actor=actor).cancel(job_id, REASON, keep_s=KEEP_S)
    except RefusedError as error:
        if error.why == "finished":
            return ""
    return f"{queue}: no worker has run a health job within {timeout_s:g} s"


def queue_of(redis: Redis, version: int | None, worker: str) -> str:
    """Where a probe goes: to the worker of this name, else to any worker of this version.

    Raises ``SettingsError`` if it can't be known.
    """
    if worker and version is None:
        client: Any = redis
        listed = (client.hget(f"{PREFIX}:worker:{worker}", "queues") or b"").decode().split(",")
        found = [name for name in listed if name.startswith(HEALTH_HEAD) and name.endswith(f".{worker}")]
        return found[0] if found else ""
    if version is None:
        raise SettingsError(["readiness of what? allowed: --config FILE (any worker of its version), --worker NAME"])
    return health_queues(version, worker)[-1]
