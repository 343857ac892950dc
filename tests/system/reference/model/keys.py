"""Which keys a state is in Redis: rendered from the model, and read from a server in the same form."""

from typing import Any

from tests.system.reference.model.state import Job, Queue, State

COUNTS = ("attempts", "timeouts", "crashes", "stalls", "drops", "requeues")
TEXTS = ("status", "exec", "settled", "requeued_from", "discarded", "dead_reason", "error_type")
SCORE_US = 1_000_000  # RQ's registries are in seconds
IGNORED = ("rq:test:now", "rq:queues", "rq:failed:")

READ = """
local now_ms, found = tonumber(redis.call('GET', 'rq:test:now')) / 1000, {}
for _, key in ipairs(redis.call('KEYS', 'rq:job:*')) do
  local until_ms = redis.call('PEXPIRETIME', key)
  if until_ms >= 0 and until_ms <= now_ms then redis.call('DEL', key, (string.gsub(key, 'rq:job:', 'rq:results:'))) end
end
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind, value = redis.call('TYPE', key).ok, nil
  if kind == 'hash' then value = redis.call('HGETALL', key)
  elseif kind == 'list' then value = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'set' then value = redis.call('SMEMBERS', key)
  elseif kind == 'string' then value = redis.call('GET', key)
  elseif key == 'rq:sp:audit' then
    value = redis.call('XRANGE', key, '-', '+')
    redis.call('DEL', key)
  else value = redis.call('XLEN', key) end
  found[#found + 1] = {key, kind, redis.call('PEXPIRETIME', key), value}
end
return found
"""  # the server's own clock is the real one, so records whose virtual time is over are removed here


def _pairs(flat: list[Any]) -> dict[str, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def read(raw: list[Any]) -> dict[str, Any]:
    """What ``READ`` gave, in the form of ``render``."""
    found: dict[str, Any] = {}
    for key, kind, expires_ms, value in raw:
        if key.startswith(IGNORED):
            continue
        if key.startswith("rq:job:"):
            found[key] = _record(_pairs(value), max(0, expires_ms))
        elif key == "rq:sp:audit":
            names = ("action", "queue", "job", "before", "outcome")
            found[key] = [tuple(_pairs(entry)[name] for name in names) for _, entry in value]
        elif kind == "stream":
            found[key] = value, expires_ms >= 0
        elif kind == "hash":
            found[key] = _hash(_pairs(value))
        elif kind == "zset":
            unit = 1 if key.startswith("rq:sp:lease:") else SCORE_US
            found[key] = {job: _us(score, unit) for job, score in _pairs(value).items()}
        elif key.startswith("rq:sp:wake:"):
            found[key] = len(value)
        elif key.startswith("rq:sp:rate:"):
            found[key] = [int(each) for each in value]
        else:
            found[key] = value
    return found


def _us(score: str, unit: int) -> int:
    return 0 if score == "inf" else round(float(score) * unit)


def _record(fields: dict[str, str], expires_ms: int) -> dict[str, Any]:
    record: dict[str, Any] = {name: fields.get(name, "") for name in TEXTS}
    record |= {name: int(fields.get(name, 0)) for name in (*COUNTS, "fence", "not_after")}
    cancel_request = fields.get("cancel_request", "").partition(" ")[0]
    return record | {"queue": fields["origin"], "cancel_request": cancel_request, "expires_ms": expires_ms}


def _hash(fields: dict[str, str]) -> dict[str, str]:
    if "run_id" in fields:
        fields["run_id"] = str(fields["run_id"] != "another")
    unread = ("paused_by", "paused_reason", "opened", "seen")
    return {name: value for name, value in fields.items() if name not in unread and value != ""}


def render(state: State) -> dict[str, Any]:
    """The keys that a server has in this state."""
    keys: dict[str, Any] = {f"rq:job:{name}": _expected_record(job) for name, job in state.jobs.items()}
    keys |= {f"rq:results:{name}": (job.history, job.expires_ms > 0) for name, job in state.jobs.items() if job.history}
    for name, queue in state.queues.items():
        keys |= {f"rq:{kind}:{name}": value for kind, value in _places(queue).items() if value}
        keys |= {f"rq:sp:{kind}:{name}": value for kind, value in _controls(queue).items() if value}
    for name, slot in state.slots.items():
        fields = {"seq": slot.seq or "", "queue": slot.queue, "job": slot.job, "closed": "1" if slot.closed else ""}
        fields["kept_at"] = slot.kept_us or ""
        keys[f"rq:sp:slot:{name}"] = _fields(fields)
    keys |= {f"rq:sp:rate:{name}": grants for name, grants in state.rates.items()}
    keys |= {"rq:sp:fence": str(state.fence)} if state.fence else {}
    return keys | ({"rq:sp:audit": state.audit} if state.audit else {})


def _fields(values: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value != ""}


def _expected_record(job: Job) -> dict[str, Any]:
    names = (*TEXTS, *COUNTS, "fence", "queue", "cancel_request", "expires_ms")
    return {name: getattr(job, name) for name in names} | {"not_after": job.not_after_us}


def _places(queue: Queue) -> dict[str, Any]:
    return {
        "queue": queue.waiting,
        "scheduled": queue.delayed,
        "finished": queue.finished,
        "canceled": queue.cancelled,
        "wip": dict.fromkeys(queue.running, 0),
        "sp:lease": queue.leases,
        "sp:dead": queue.dead,
        "sp:wake": queue.wake,
    }


def _controls(queue: Queue) -> dict[str, Any]:
    control: dict[str, Any] = dict(queue.limits)
    if queue.version:
        control |= {"version": queue.version, "digest": queue.digest, "place": queue.place, "highest": queue.highest}
    if queue.epoch:
        control |= {"epoch": queue.epoch, "request": queue.request, "paused": "1" if queue.paused else ""}
    sweep, breaker = queue.sweep, queue.breaker
    broken: dict[str, Any] = {}
    swept: dict[str, Any] = {}
    if breaker and breaker.open:
        broken = {"open": breaker.open, "open_until": breaker.open_until_us}
        broken |= {"probe": breaker.probe, "probe_job": breaker.probe_job}
    elif breaker:
        broken = {"window_from": breaker.window_from_us, "runs": breaker.runs}
        broken |= {f"f:{error}": number for error, number in breaker.failed.items()}
    if sweep.last_us:
        swept = {"last": sweep.last_us, "interval_us": sweep.interval_us, "lease_us": sweep.lease_us}
        swept |= {"gap_from": sweep.gap_from_us, "gap_to": sweep.gap_to_us, "hold_until": sweep.hold_until_us}
        swept |= {"run_id": sweep.same_redis, "holds": sweep.holds or ""}
    return {"ctl": _fields(control), "breaker": _fields(broken), "sweep": _fields(swept)}
