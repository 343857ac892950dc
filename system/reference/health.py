"""Whether the queues are well, for people, monitoring and probes. Reads only, but for the health job of readiness."""
# ruff: noqa: ANN401  # redis-py types each reply as both of its clients would give it, which is of no use

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from redis import Redis
from redis.exceptions import RedisError

from .config import HEALTH_HEAD, Config
from .errors import UnreachableError
from .inspection import queue_names
from .keys import PREFIX, job_key, rq_key, sp_key
from .mirror import TTL_S
from .operations import Actor, this_actor
from .readiness import probe, queue_of

Status = Literal["healthy", "degraded", "unhealthy", "unreachable"]
EXIT_CODES: Final[dict[Status, int]] = {"healthy": 0, "unhealthy": 1, "degraded": 3, "unreachable": 4}
SILENT_S: Final = 30.0  # a worker says every 10 s that it lives


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """One queue. ``stalled``: leases past their deadline. ``oldest_age_s``: of the next (None: none waits).

    ``version``: of the configuration that holds ('': none). ``paused``: by whom and why, or ''. ``breaker``: what
    opened it, or ''. ``foreign_workers``: stock RQ workers and schedulers, which heed neither leases nor limits.
    """

    queue: str
    waiting: int
    active: int
    delayed: int
    dead: int
    stalled: int
    oldest_age_s: float | None
    workers: tuple[str, ...]
    version: str
    paused: str
    breaker: str
    foreign_workers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a queue may hold before it counts as degraded; None: as much as it likes."""

    waiting: int | None = None
    dead: int | None = None
    oldest_age_s: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """``status`` is the worst of all; ``problems`` says why. ``ready``: None if it was not asked for."""

    status: Status
    problems: tuple[str, ...]
    queues: tuple[QueueHealth, ...] = ()
    ready: bool | None = None

    @property
    def exit_code(self) -> int:
        """As `stormq health` ends: 0 healthy, 1 unhealthy or not ready, 3 degraded, 4 Redis can't be reached."""
        return EXIT_CODES[self.status]

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def health(
    redis: Redis, config: Config | None = None, *, queues: Sequence[str] = (), bounds: Bounds | None = None
) -> Health:
    """How queues are: ``queues``, else those of ``config``, else every queue. An absent Redis is a status, no error."""
    try:
        names = queues or (tuple(config.queues) if config else _known(redis))
        found = tuple(_queue(redis, name) for name in names)
    except (RedisError, OSError) as error:
        return _unreachable(error)
    bad = [problem for queue in found for problem in _unwell(queue, expected=config is not None)]
    poor = [problem for queue in found for problem in (*_poor(queue, config), *_too_many(queue, bounds or Bounds()))]
    return Health("unhealthy" if bad else "degraded" if poor else "healthy", (*bad, *poor), found)


def liveness(redis: Redis, worker: str = "") -> Health:
    """Whether Redis answers and, if one is named, whether the worker has said lately that it lives."""
    try:
        client: Any = redis
        client.ping()
        if worker and not _lives(client.pttl(f"{PREFIX}:worker:{worker}")):
            return Health("unhealthy", (f"worker {worker} has not said for {SILENT_S:g} s that it lives",))
    except (RedisError, OSError) as error:
        return _unreachable(error)
    return Health("healthy", ())


def readiness(
    redis: Redis,
    config: Config | None = None,
    *,
    worker: str = "",
    timeout_s: float = 10.0,
    actor: Actor | None = None,
) -> Health:
    """Whether a worker of the configuration's version, or the worker of this name, runs a health job in time.

    Raises ``SettingsError`` if neither is given.
    """
    try:
        queue = queue_of(redis, config.version if config else None, worker)
        if not queue:
            return Health("unhealthy", (f"no worker {worker} with a configuration is known",), ready=False)
        wrong = probe(redis, queue, actor or this_actor(program="stormq health"), timeout_s)
    except (RedisError, OSError, UnreachableError) as error:
        return _unreachable(error, ready=False)
    return Health("unhealthy", (wrong,), ready=False) if wrong else Health("healthy", (), ready=True)


def _unreachable(error: Exception, *, ready: bool | None = None) -> Health:
    return Health("unreachable", (f"Redis does not answer as it should: {error}",), ready=ready)


def _known(redis: Redis) -> list[str]:
    return [name for name in queue_names(redis) if not name.startswith(HEALTH_HEAD)]


def _queue(redis: Any, queue: str) -> QueueHealth:
    seconds, micros = redis.time()
    now_s = seconds + micros / 1e6
    pipe = redis.pipeline(transaction=True)
    pipe.llen(rq_key("queue", queue))
    for key in (sp_key("lease", queue), rq_key("scheduled", queue), sp_key("dead", queue)):
        pipe.zcard(key)
    pipe.zcount(sp_key("lease", queue), "-inf", f"({now_s * 1e6:.0f}")
    pipe.lindex(rq_key("queue", queue), 0)
    pipe.hmget(sp_key("ctl", queue), "version", "paused", "paused_by", "paused_reason")
    pipe.hmget(sp_key("breaker", queue), "open", "seen")
    pipe.smembers(f"{PREFIX}:workers:{queue}")
    pipe.exists(f"{PREFIX}:scheduler-lock:{queue}")
    waiting, active, delayed, dead, stalled, first, ctl, breaker, listed, scheduler = pipe.execute()
    version, paused, by, reason = map(_text, ctl)
    opened, seen = map(_text, breaker)
    ours, foreign = _workers(redis, sorted(map(_text, listed)))
    return QueueHealth(
        queue=queue,
        waiting=waiting,
        active=active,
        delayed=delayed,
        dead=dead,
        stalled=stalled,
        oldest_age_s=None if first is None else _age_s(redis.hget(job_key(_text(first)), "enqueued_at"), now_s),
        workers=ours,
        version=version,
        paused=f"{reason or 'no reason given'} ({by})" if paused else "",
        breaker=f"{opened} in {seen} runs" if opened and seen else opened,
        foreign_workers=(*foreign, *(["an RQ scheduler"] if scheduler else [])),
    )


def _workers(redis: Any, keys: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the workers that live: ours, and those of RQ."""
    ours, foreign = [], []
    for key in keys:
        version, left_ms = redis.hget(key, "version"), redis.pttl(key)
        name = key.removeprefix(f"{PREFIX}:worker:")
        if version == b"stormq":
            ours += [name] if _lives(left_ms) else []
        elif left_ms != -2:  # noqa: PLR2004  # PTTL's word for: no such key
            foreign.append(name)
    return tuple(ours), tuple(foreign)


def _lives(left_ms: int) -> bool:
    """By its record's time to live, which the server's clock measures."""
    return left_ms > (TTL_S - SILENT_S) * 1000


def _age_s(enqueued_at: bytes | None, now_s: float) -> float | None:
    try:
        at = datetime.fromisoformat(_text(enqueued_at))
    except ValueError:
        return None
    return max(0.0, now_s - (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def _unwell(queue: QueueHealth, *, expected: bool) -> list[str]:
    idle = not (queue.waiting or queue.active or queue.delayed)
    if queue.workers or (idle and not expected):
        return []
    return [f"{queue.queue}: no worker serves it ({queue.waiting} waiting, {queue.delayed} delayed)"]


def _poor(queue: QueueHealth, config: Config | None) -> list[str]:
    told = [
        (queue.stalled, f"{queue.stalled} leases are past their deadline"),
        (queue.paused, f"paused: {queue.paused}"),
        (queue.breaker, f"its breaker is open: {queue.breaker}"),
        (queue.foreign_workers, f"stock RQ works on it: {', '.join(queue.foreign_workers)}"),
        (
            config and queue.version not in ("", str(config.version)),
            f"version {queue.version} holds, not {config.version if config else ''}",
        ),
    ]
    return [f"{queue.queue}: {text}" for wrong, text in told if wrong]


def _too_many(queue: QueueHealth, bounds: Bounds) -> list[str]:
    told = []
    for name in ("waiting", "dead", "oldest_age_s"):
        found, most = getattr(queue, name), getattr(bounds, name)
        if most is not None and found is not None and found > most:
            told.append(f"{queue.queue}: {name} is {found:.10g}, more than {most:.10g}")
    return told


def _text(value: bytes | None) -> str:
    return value.decode("utf-8", "replace") if value else ""
