"""The transitions, called one by one, in virtual time: the server's clock is a key that only the test moves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from system.reference import load
from system.reference.keys import PREFIX
from system.reference.resp import Argument
from system.reference.scripts import HOME
from tests.system.reference.server import Client

START_US = 1_800_000_000_000_000
REAL_CLOCK = """local clock = redis.call('TIME')
local now_us = tonumber(clock[1]) * 1000000 + tonumber(clock[2])"""
LEASE_US = 2_000_000
NO_GAP_US = 3_600_000_000  # an interval of sweeps so long that no pause of a test is a gap
ISO = "2027-01-15T08:00:00.000000Z"
BY = ("alice", "cli", "because")  # actor, origin, reason of a manual transition


def virtual_prelude(folder: Path) -> Path:
    """An overlay whose prelude reads the time from a key."""
    text = (HOME / "prelude.lua").read_text("utf-8")
    assert REAL_CLOCK in text
    virtual = text.replace(REAL_CLOCK, f"local now_us = tonumber(redis.call('GET', '{PREFIX}:test:now'))")
    (folder / "prelude.lua").write_text(virtual, "utf-8")
    return folder


def flat(fields: Mapping[str, str | int]) -> list[str | int]:
    """field, value, field, value, ..."""
    return [part for pair in fields.items() for part in pair]


class Calls:
    """Each method is one transition; replies as lists of text."""

    def __init__(self, redis: Client, folder: Path) -> None:
        self.redis, self.scripts = redis, load(virtual_prelude(folder))
        for text in self.scripts.texts.values():
            redis.script_load(text)
        self.now_us = START_US
        self.advance(0)

    def advance(self, by_us: int) -> None:
        self.now_us += by_us
        self.redis.set(f"{PREFIX}:test:now", self.now_us)

    def call(self, transition: str, *arguments: Argument) -> list[Any]:
        reply = self.redis.execute_command(*self.scripts.call(transition, *arguments))
        assert isinstance(reply, list)
        return reply

    def enqueue(self, job: str, *, queue: str = "q", delay_us: int = 0, window_us: int = 60_000_000) -> str:
        not_after_us = self.now_us + window_us
        return str(self.call("enqueue", queue, job, not_after_us, delay_us, ISO, "data", "call")[0])

    def claim(self, slot: str, seq: int, *queues: str, lease_us: int = LEASE_US, version: str = "") -> list[Any]:
        return self.call("claim", slot, seq, lease_us, "w", version, ISO, *(queues or ("q",)))

    def heartbeat(self, *held: tuple[str, str]) -> list[Any]:
        return self.call("heartbeat", LEASE_US, *(part for job, exec_ in held for part in ("q", job, exec_)))

    def complete(self, job: str, exec_: str, *, ttl_s: int = 500, result: str = "") -> str:
        return str(self.call("complete", "q", job, exec_, ttl_s, ISO, "w", result, "")[0])

    def fail(
        self,
        job: str,
        exec_: str,
        *,
        kind: str = "error",
        bound: int = 3,
        delay_us: int = 0,
        error_type: str = "ValueError",
        context: str = "",
    ) -> list[Any]:
        return self.call("fail", "q", job, exec_, kind, bound, delay_us, ISO, "w", "trace", error_type, context)

    def give_back(self, transition: str, job: str, exec_: str) -> list[Any]:
        return self.call(transition, "q", job, exec_)

    def slot_dead(self, slot: str, counter: str = "crashes", *, bound: int = 3, reason: str = "crashed") -> list[Any]:
        return self.call("slot_dead", slot, counter, bound, reason, ISO, "w", "trace", "")

    def sweep(self, *, stalls_max: int = 3, interval_us: int = NO_GAP_US) -> list[int]:
        """Jobs requeued, dead, cancelled, and how long (µs) nothing expires."""
        _, *counts = self.call("sweep", "q", 100, stalls_max, LEASE_US, interval_us, ISO)
        return [int(each) for each in counts]

    def cancel(self, job: str, *, life: str = "0", window_us: int = 60_000_000, keep_s: int = 60) -> list[Any]:
        return self.call("cancel", "q", job, life, self.now_us + window_us, keep_s, ISO, *BY)

    def control(self, verb: str, epoch: str, request: str) -> list[Any]:
        """Pause or resume."""
        return self.call(verb, "q", epoch, request, *BY)

    def requeue(self, job: str, death: str, *, times_max: str = "", delay_us: int = 0) -> list[Any]:
        return self.call("requeue", "q", job, death, times_max, delay_us, ISO, *BY)

    def discard(self, job: str, death: str, action: str = "discard") -> list[Any]:
        return self.call("discard", "q", job, death, action, *BY)

    def clean(self, *, jobs_max: int = 100, keep: str = "", audit_keep_s: int = 3600) -> list[Any]:
        return self.call("clean", "q", jobs_max, keep, audit_keep_s)

    def register(
        self,
        version: int,
        digest: str = "d",
        *,
        place: str = "here",
        replaces: int = 0,
        limits: Mapping[str, str | int] | None = None,
    ) -> list[Any]:
        return self.call("register", "q", version, digest, place, replaces, *BY, *flat(limits or {}))

    def audited(self) -> list[dict[str, str]]:
        return [fields for _, fields in self.redis.xrange("rq:sp:audit")]

    def promote(self) -> tuple[int, str]:
        _, promoted, next_us = self.call("promote", "q", 100)
        return int(promoted), str(next_us)

    def all_keys(self) -> list[str]:
        return sorted(self.redis.scan_iter())

    def record(self, job: str) -> dict[str, str]:
        return dict(self.redis.hgetall(f"rq:job:{job}"))

    def waiting(self, queue: str = "q") -> list[str]:
        return list(self.redis.lrange(f"rq:queue:{queue}", 0, -1))

    def places(self, job: str) -> list[str]:
        """Every key that holds the job as one of its places; exactly one at any time."""
        found = ["waiting"] * self.waiting().count(job)
        sets = {
            "delayed": "rq:scheduled:q",
            "lease": "rq:sp:lease:q",
            "dead": "rq:sp:dead:q",
            "finished": "rq:finished:q",
            "cancelled": "rq:canceled:q",
        }
        return found + [place for place, key in sets.items() if self.redis.zscore(key, job) is not None]
