"""Random walks in lockstep: the model and the real transitions agree after every step, and the promises hold.

Each command that was ever sent may be delivered again at any later time. Time is virtual.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis import Redis

from system.reference.backoff import Backoff
from tests.interleave.server import memory_redis
from tests.system.reference.calls import LEASE_US
from tests.system.reference.model.lockstep import Lockstep
from tests.system.reference.model.state import Job

SECOND = 1_000_000
ATTEMPTS_MAX, CRASHES_MAX, STALLS_MAX = 2, 2, 2  # low, so that short walks reach the bounds
QUEUES = ["q", "r"]
NAMES = ["s0", "s1", "s2"]
LIVE_MAX = 6
WINDOW_US = 4 * SECOND  # in which an enqueue or a cancel must arrive
INTERVAL_US = SECOND  # of sweeps
REMEMBERED = 40
BACKOFF = Backoff("exponential", 1.0, 3.0, "equal")
LIMITS: list[dict[str, str | int]] = [
    {},
    {"concurrency": 1},
    {"concurrency": 2, "audit_executions": "1"},
    {"rate_name": "shared", "rate_n": 2, "rate_window_us": 3 * SECOND},
    {"breaker_rate": "0.5", "breaker_min_runs": 2, "breaker_window_us": 20 * SECOND, "breaker_open_us": 2 * SECOND},
]
DONE = ("applied", "claimed")
ONCE = (
    "enqueue",
    "claim",
    "complete",
    "fail",
    "release",
    "abort",
    "slot_dead",
    "cancel",
    "pause",
    "resume",
    "requeue",
    "discard",
)  # commands with an identity


@dataclass(slots=True)
class Client:
    """A slot's process: what it is called, and its last claim."""

    incarnation: str
    seq: int = 0


class Lifecycle(RuleBasedStateMachine):
    redis: Redis
    heard: ClassVar[set[str]] = set()  # transition and the words of its reply, over all walks

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        self.both = Lockstep(self.redis, Path(folder))
        self.state = self.both.state
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.effects: Counter[str] = Counter()
        self.clients: dict[str, Client] = {}
        self.born = 0
        self.acknowledged: set[str] = set()
        self.ended: set[str] = set()  # finished, cancelled or discarded: their records may go
        self.runs: list[tuple[str, str, str]] = []  # queue, job, exec of every grant
        self.wishes = 0  # of operators
        self.grants: dict[str, list[int]] = {}
        self.fence = 0

    def teardown(self) -> None:
        self._stack.close()

    @initialize()
    def slots_open(self) -> None:
        for name in NAMES:
            self._open(name)

    def _open(self, name: str) -> None:
        self.born += 1
        self.clients[name] = Client(f"{name}-{self.born}")

    # -- every command goes through here ----------------------------------------------------------------------------

    def send(self, transition: str, **said: Any) -> list[Any]:  # noqa: ANN401  # each transition's own
        self.sent = [*self.sent[1 - REMEMBERED :], (transition, said)]
        return self.deliver(transition, said)

    def deliver(self, transition: str, said: dict[str, Any]) -> list[Any]:
        reply = self.both.call(transition, **said)
        self.heard.update(f"{transition} {word}" for word in reply[:2] if isinstance(word, str))
        if reply[0] in DONE:
            self.effects[f"{transition} {said}"] += 1
            self._note(transition, said, reply)
        if transition in ONCE:
            assert self.effects[f"{transition} {said}"] <= 1, f"{transition} {said} had an effect twice"
        if reply[0] in ("claimed", "replayed") and transition == "claim":
            assert int(reply[4]) > self.fence, "fences must grow"
            self.fence = int(reply[4])
        return reply

    def _note(self, transition: str, said: dict[str, Any], reply: list[Any]) -> None:
        if transition == "enqueue":
            self.acknowledged.add(said["job"])
        elif transition in ("complete", "discard") or "cancelled" in reply:
            self.ended.add(said["job"]) if "job" in said else self.ended.update(self._cancelled())
        elif transition == "sweep":
            self.ended.update(self._cancelled())
        elif transition == "claim":
            self._granted(*reply[1:4])

    def _cancelled(self) -> set[str]:
        gone = {name for name in self.acknowledged if name not in self.state.jobs}
        return gone | {name for queue in self.state.queues.values() for name in queue.cancelled}

    def _granted(self, name: str, job: str, exec_: str) -> None:
        queue = self.state.queue(name)
        self.runs.append((name, job, exec_))
        assert not queue.paused
        assert len(queue.leases) <= int(queue.limits.get("concurrency", LIVE_MAX)), "more leases than allowed"
        if "rate_name" in queue.limits:
            times = self.grants.setdefault(str(queue.limits["rate_name"]), [])
            times.append(self.state.now_us)
            since = self.state.now_us - int(queue.limits["rate_window_us"])
            assert sum(at >= since for at in times) <= int(queue.limits["rate_n"]), "more grants than allowed"

    @rule(data=st.data(), times=st.integers(1, 2))
    @precondition(lambda self: self.sent)
    def copy_arrives(self, data: st.DataObject, times: int) -> None:
        """Its reply was lost, or a proxy held it: at any time, also after the job is gone."""
        outcomes = [each for each in self.sent if each[0] not in ("sweep", "promote", "clean", "heartbeat")]
        transition, said = data.draw(st.sampled_from([*outcomes[-3:], *outcomes, *self.sent[-2:]]))
        for _ in range(times):
            self.deliver(transition, said)

    # -- producers --------------------------------------------------------------------------------------------------

    @rule(queue=st.sampled_from(QUEUES), delay_us=st.sampled_from([0, 0, 0, SECOND, 5 * SECOND]))
    @precondition(lambda self: sum(name not in self.ended for name in self.acknowledged) < LIVE_MAX)
    def enqueue(self, queue: str, delay_us: int) -> None:
        job = f"j{len(self.acknowledged)}"
        until_us = self.state.now_us + WINDOW_US
        assert self.send("enqueue", queue=queue, job=job, not_after_us=until_us, delay_us=delay_us)[0] == "applied"

    # -- slots ------------------------------------------------------------------------------------------------------

    def _holds(self, client: Client) -> bool:
        known = self.state.slots.get(client.incarnation)
        return known is not None and self.state.holds(known.queue, known.job, f"{client.incarnation}.{client.seq}")

    @rule(
        name=st.sampled_from(NAMES),
        queues=st.sampled_from([QUEUES, QUEUES[::-1], ["q"]]),
        version=st.sampled_from(["", "", "", "1", "2"]),
    )
    def claim(self, name: str, queues: list[str], version: str) -> None:
        client = self.clients[name]
        client.seq += not self._holds(client)  # a slot that has not reported its last job asks for that again
        said = {"slot": client.incarnation, "seq": client.seq, "lease_us": LEASE_US}
        if self.send("claim", **said, version=version, queues=queues)[0] == "superseded":
            client.seq -= 1

    @rule(name=st.sampled_from(NAMES), queue=st.sampled_from(QUEUES))
    def a_job_is_taken(self, name: str, queue: str) -> None:
        """What happens most, so that walks get somewhere."""
        if sum(job not in self.ended for job in self.acknowledged) < LIVE_MAX:
            self.enqueue(queue, 0)
        self.claim(name, QUEUES, "")

    @rule(name=st.sampled_from(NAMES), back=st.integers(1, 2))
    @precondition(lambda self: any(client.seq > 1 for client in self.clients.values()))
    def late_copy_of_a_claim(self, name: str, back: int) -> None:
        client = self.clients[name]
        if client.seq > back:
            said = {"slot": client.incarnation, "seq": client.seq - back, "lease_us": LEASE_US}
            assert self.deliver("claim", said | {"version": "", "queues": QUEUES}) == ["stale"]

    def _drawn(self, data: st.DataObject) -> dict[str, str]:
        """A run: mostly one that holds its lease, else one of the past."""
        live = [run for run in self.runs[-20:] if self.state.holds(*run)]
        queue, job, exec_ = data.draw(st.sampled_from([*live, *live, *live, *self.runs[-4:]]))
        return {"queue": queue, "job": job, "exec_": exec_}

    @rule(data=st.data(), ttl_s=st.sampled_from([0, 5]))
    @precondition(lambda self: self.runs)
    def complete(self, data: st.DataObject, ttl_s: int) -> None:
        self.send("complete", **self._drawn(data), ttl_s=ttl_s)

    @rule(
        data=st.data(),
        kind=st.sampled_from(["error", "error", "error", "timeout", "unsupported", "unserialisable", "rejected"]),
        error_type=st.sampled_from(["ValueError", "OSError"]),
        seed=st.integers(0, 9),
    )
    @precondition(lambda self: self.runs)
    def fail(self, data: st.DataObject, kind: str, error_type: str, seed: int) -> None:
        run = self._drawn(data)
        job = self.state.jobs.get(run["job"])
        failures = (job.attempts if job else 0) + 1
        delay_us = int(BACKOFF.delay_s(failures, Random(seed)) * SECOND) if seed else 0
        reply = self.send("fail", **run, kind=kind, attempts_max=ATTEMPTS_MAX, delay_us=delay_us, error_type=error_type)
        if reply == ["applied", "retry"] and seed:
            least_s, most_s = BACKOFF.bounds_s(failures)
            due_us = self.state.queue(run["queue"]).delayed[run["job"]]
            assert least_s * SECOND - 1 <= due_us - self.state.now_us <= most_s * SECOND

    @rule(data=st.data(), step=st.sampled_from(["release", "abort"]), copies=st.integers(1, 2))
    @precondition(lambda self: self.runs)
    def give_back(self, data: st.DataObject, step: str, copies: int) -> None:
        run = self._drawn(data)
        for _ in range(copies):
            self.send(step, **run)

    # -- supervisors ------------------------------------------------------------------------------------------------

    @rule(data=st.data(), late=st.integers(0, 2))
    @precondition(lambda self: self.runs)
    def heartbeat(self, data: st.DataObject, late: int) -> None:
        """For all that live, and some that have lost their lease."""
        held = [run for run in self.runs[-20:] if self.state.holds(*run)]
        past = data.draw(st.lists(st.sampled_from(self.runs[-10:]), max_size=late))
        self.send("heartbeat", lease_us=LEASE_US, held=[*past, *held])

    @rule(data=st.data(), counter=st.sampled_from(["crashes", "crashes", "stalls", "drops", ""]))
    def slot_dies(self, data: st.DataObject, counter: str) -> None:
        busy = [name for name in NAMES if self._holds(self.clients[name])]
        name = data.draw(st.sampled_from([*busy, *busy, *busy, NAMES[0]]))
        bound = CRASHES_MAX if counter == "crashes" else STALLS_MAX
        reason = "crashed" if counter == "crashes" else "stalled"
        slot = self.clients[name].incarnation
        self.send("slot_dead", slot=slot, counter=counter, bound=bound, reason=reason)
        assert self.both.call(
            "claim", slot=slot, seq=self.clients[name].seq + 1, lease_us=LEASE_US, version="", queues=QUEUES
        ) == ["closed"]
        self._open(name)

    @rule(name=st.sampled_from(NAMES))
    def slot_vanishes(self, name: str) -> None:
        """With its whole worker: nobody tells."""
        self._open(name)

    @rule(queue=st.sampled_from(QUEUES), jobs_max=st.sampled_from([1, 100]))
    def sweep(self, queue: str, jobs_max: int) -> None:
        said = {"queue": queue, "jobs_max": jobs_max, "stalls_max": STALLS_MAX}
        self.send("sweep", **said, lease_us=LEASE_US, interval_us=INTERVAL_US)

    @rule(times=st.integers(1, 4))
    def seconds_with_sweeps_pass(self, times: int) -> None:
        for _ in range(times):
            self.both.advance(SECOND)
            for queue in QUEUES:
                self.sweep(queue, 100)

    @rule(by_us=st.sampled_from([1, 1000, SECOND // 2, 2 * SECOND + 1, 10 * SECOND, 70 * SECOND]))
    def time_passes(self, by_us: int) -> None:
        self.both.advance(by_us)

    @rule(queue=st.sampled_from(QUEUES))
    def redis_starts_again(self, queue: str) -> None:
        if self.state.queue(queue).sweep.last_us:
            self.both.another_redis(queue)

    @rule(queue=st.sampled_from(QUEUES), jobs_max=st.sampled_from([1, 100]))
    def promote(self, queue: str, jobs_max: int) -> None:
        self.send("promote", queue=queue, jobs_max=jobs_max)

    @rule(queue=st.sampled_from(QUEUES), jobs_max=st.sampled_from([1, 100]), keep=st.sampled_from(["", "1"]))
    def clean(self, queue: str, jobs_max: int, keep: str) -> None:
        self.send("clean", queue=queue, jobs_max=jobs_max, keep_finished=keep)

    @rule(queue=st.sampled_from(QUEUES), stray=st.booleans())
    def others_touch_the_queue(self, queue: str, *, stray: bool) -> None:
        (self.both.stray_id if stray else self.both.token_taken)(queue)

    # -- operators --------------------------------------------------------------------------------------------------

    def _operators_turn(self) -> bool:
        """They act less often than slots: else all is paused, superseded or cancelled before it runs."""
        return self.wishes * 2 <= len(self.runs)

    def _seen(self, data: st.DataObject) -> tuple[str, Job]:
        job = data.draw(st.sampled_from(sorted(self.acknowledged)))
        return job, self.state.jobs.get(job, Job("q", "", 0))

    @rule(data=st.data(), keep_s=st.sampled_from([0, 5]))
    @precondition(lambda self: self.acknowledged and self._operators_turn())
    def cancel(self, data: st.DataObject, keep_s: int) -> None:
        self.wishes += 1
        job, record = self._seen(data)
        until_us = self.state.now_us + WINDOW_US
        said = {"queue": record.queue, "job": job, "life": str(record.requeues)}
        self.send("cancel", **said, not_after_us=until_us, keep_s=keep_s)

    def _shut(self) -> list[str]:
        """Queues that grant nothing until they are resumed."""
        queues = self.state.queues.items()
        return sorted(name for name, queue in queues if queue.paused or (queue.breaker and queue.breaker.open))

    @precondition(lambda self: self._operators_turn() or self._shut())
    @rule(data=st.data(), other=st.sampled_from([False, False, False, True]), back=st.sampled_from([0, 0, 0, 1]))
    def control(self, data: st.DataObject, *, other: bool, back: int) -> None:
        """Mostly what makes sense now: a paused or broken queue is resumed, an open one paused."""
        queue = data.draw(st.sampled_from(self._shut() or QUEUES))
        verb = "resume" if (queue in self._shut()) != other else "pause"
        self.wishes += verb == "pause"
        epoch = max(0, self.state.queue(queue).epoch - back)
        self.send(verb, queue=queue, epoch=str(epoch), request=f"r{len(self.effects)}-{self.state.now_us}")

    def _dead(self) -> list[tuple[str, str]]:
        return [(name, job) for name, queue in sorted(self.state.queues.items()) for job in queue.dead]

    @rule(data=st.data(), times_max=st.sampled_from(["", "1"]), delay_us=st.sampled_from([0, SECOND]))
    @precondition(lambda self: self._dead())
    def requeue(self, data: st.DataObject, times_max: str, delay_us: int) -> None:
        queue, job = data.draw(st.sampled_from(self._dead()))
        said = {"queue": queue, "job": job, "death": self.state.jobs[job].settled}
        self.send("requeue", **said, times_max=times_max, delay_us=delay_us)

    @rule(data=st.data(), action=st.sampled_from(["discard", "archive", "expire"]))
    @precondition(lambda self: self._dead())
    def discard(self, data: st.DataObject, action: str) -> None:
        queue, job = data.draw(st.sampled_from(self._dead()))
        self.send("discard", queue=queue, job=job, death=self.state.jobs[job].settled, action=action)

    @precondition(_operators_turn)
    @rule(
        queue=st.sampled_from(QUEUES),
        version=st.integers(1, 3),
        digest=st.sampled_from(["d", "d", "other"]),
        limits=st.sampled_from(LIMITS),
        activate=st.booleans(),
    )
    def register(self, queue: str, version: int, digest: str, limits: dict[str, str | int], *, activate: bool) -> None:
        self.wishes += 1
        replaces = self.state.queue(queue).version if activate else 0
        said = {"queue": queue, "version": version, "digest": digest, "place": f"{digest}.toml"}
        self.send("register", **said, replaces=replaces, limits=limits)

    # -- what must hold at any time ---------------------------------------------------------------------------------

    @invariant()
    def every_acknowledged_job_is_in_one_place(self) -> None:
        found: Counter[str] = Counter()
        for queue in self.state.queues.values():
            found.update(each for each in queue.waiting if each != "ghost")
            for place in (queue.delayed, queue.leases, queue.dead, queue.finished, queue.cancelled):
                found.update(list(place))
        for job in self.acknowledged:
            assert found[job] == 1 or (job in self.ended and not found[job]), f"{job} is in {found[job]} places"

    @invariant()
    def no_count_exceeds_its_bound(self) -> None:
        for job in self.state.jobs.values():
            assert job.attempts <= ATTEMPTS_MAX
            assert job.timeouts <= job.attempts
            assert job.crashes <= CRASHES_MAX
            assert job.stalls <= STALLS_MAX

    @invariant()
    def dead_letters_are_those_that_must_be(self) -> None:
        dead = {job for queue in self.state.queues.values() for job in queue.dead}
        for name, job in self.state.jobs.items():
            must = (
                job.attempts >= ATTEMPTS_MAX
                or job.crashes >= CRASHES_MAX
                or job.stalls >= STALLS_MAX
                or job.dead_reason in ("unsupported", "unserialisable", "rejected")
            )
            assert (name in dead) == must, f"{name}: {job}"
            assert (name in dead) == bool(job.dead_reason)


@pytest.fixture(scope="module")
def walks() -> Iterator[type[Lifecycle]]:
    with memory_redis() as path, Redis(unix_socket_path=str(path), decode_responses=True) as redis:
        Lifecycle.redis = redis
        yield Lifecycle


# What walks must have come to: else they prove nothing about it.
COMMON = """
enqueue applied, enqueue known, enqueue expired, claim claimed, claim replayed, claim none, claim stale, claim closed,
claim superseded, complete applied, complete replayed, complete lost, fail retry, fail dead, fail replayed, fail lost,
release applied, release replayed, release lost, abort applied, abort lost, slot_dead requeued, slot_dead none,
slot_dead replayed, heartbeat applied, sweep applied, promote applied, clean applied,
cancel cancelled, cancel requested, cancel replayed, pause applied, resume applied, requeue applied, discard applied,
register applied, register known
"""
RARE = """
fail cancelled, release cancelled, slot_dead dead, slot_dead cancelled, cancel refused, pause replayed, pause refused,
resume refused, requeue replayed, requeue refused, discard replayed, register conflict, register superseded
"""


def _walk(walks: type[Lifecycle], number: int, steps: int, must: str, *, same_again: bool) -> None:
    walks.heard.clear()
    plan = settings(
        max_examples=number,
        stateful_step_count=steps,
        derandomize=same_again,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(walks, settings=plan)
    missed = {each.strip() for each in must.split(",")} - walks.heard
    assert not missed, f"no walk came to {missed}"


@pytest.mark.property
def test_lifecycle(walks: type[Lifecycle]) -> None:
    _walk(walks, 150, 50, COMMON, same_again=True)


@pytest.mark.property
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_long_lifecycles(walks: type[Lifecycle]) -> None:
    _walk(walks, 600, 80, f"{COMMON}, {RARE}", same_again=False)
