"""Random walks in lockstep: the model and the real transitions agree after every step, and the promises hold.

Each command that was ever sent may be delivered again at any later time. Time is virtual.
"""

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test
from redis import Redis

from system.reference.backoff import Backoff
from tests.interleave.server import memory_redis
from tests.planted.variant import Place, planted
from tests.system.reference.calls import LEASE_US
from tests.system.reference.model.walk import (
    ATTEMPTS_MAX,
    CRASHES_MAX,
    LIVE_MAX,
    NAMES,
    QUEUES,
    SECOND,
    STALLS_MAX,
    WINDOW_US,
    Client,
)
from tests.system.reference.model.walk_operators import Operators

INTERVAL_US = SECOND  # of sweeps
BACKOFF = Backoff("exponential", 1.0, 3.0, "equal")


class Lifecycle(Operators):
    """Operators, producers, slots, supervisors, and time."""

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

    @rule(queue=st.sampled_from(QUEUES), number=st.integers(1, 3))
    def jobs_are_taken(self, queue: str, number: int) -> None:
        """What happens most, so that walks get somewhere."""
        for name in NAMES[:number]:
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

    @rule(data=st.data())
    @precondition(lambda self: self.runs)
    def body_rejects_its_job(self, data: st.DataObject) -> None:
        run = self._drawn(data)
        self.send("fail", **run, kind="rejected", attempts_max=ATTEMPTS_MAX, delay_us=0, error_type="Reject")

    @rule(data=st.data(), step=st.sampled_from(["release", "abort"]), copies=st.integers(1, 2))
    @precondition(lambda self: self.runs)
    def give_back(self, data: st.DataObject, step: str, copies: int) -> None:
        run = self._drawn(data)
        for _ in range(copies):
            self.send(step, **run)

    @rule(data=st.data(), way=st.sampled_from(["release", "abort", "complete"]))
    @precondition(lambda self: any(self.state.holds(*run) for run in self.runs[-20:]))
    def a_running_job_is_asked_to_end(self, data: st.DataObject, way: str) -> None:
        live = [run for run in self.runs[-20:] if self.state.holds(*run)]
        queue, job, exec_ = data.draw(st.sampled_from(live))
        said = {"queue": queue, "job": job, "life": str(self.state.jobs[job].requeues)}
        self.send("cancel", **said, not_after_us=self.state.now_us + WINDOW_US, keep_s=5)
        run = {"queue": queue, "job": job, "exec_": exec_}
        self.send(way, **run, **({"ttl_s": 5} if way == "complete" else {}))

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
        said = {"slot": slot, "seq": self.clients[name].seq + 1, "lease_us": LEASE_US}
        assert self.deliver("claim", said | {"version": "", "queues": QUEUES}) == ["closed"]
        self.open(name)

    @rule(name=st.sampled_from(NAMES))
    def slot_vanishes(self, name: str) -> None:
        """With its whole worker: nobody tells."""
        self.open(name)

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


@pytest.fixture(scope="module")
def walks() -> Iterator[type[Lifecycle]]:
    with memory_redis() as path, Redis(unix_socket_path=str(path), decode_responses=True) as redis:
        Lifecycle.redis = redis
        yield Lifecycle


# What walks must have come to: else they prove nothing about it.
COMMON = """
enqueue applied, enqueue known, claim claimed, claim replayed, claim none, claim stale, claim closed,
claim superseded, complete applied, complete replayed, complete lost, fail retry, fail dead, fail replayed, fail lost,
release applied, release lost, abort applied, abort lost, slot_dead requeued, slot_dead none,
slot_dead replayed, heartbeat applied, sweep applied, promote applied, clean applied,
cancel cancelled, cancel requested, pause applied, resume applied, requeue applied, discard applied,
register applied, register known
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
    _walk(walks, 150, 60, COMMON, same_again=True)


@pytest.mark.property
@pytest.mark.parametrize(
    ("script", "sound", "broken"),
    [
        ("cancel", "if (job[2] or '0') ~= life then", "if false then"),
        ("requeue", "job[1] ~= death and", "false and"),
        ("pause", "current ~= epoch and", "false and"),
        ("resume", "current ~= epoch and", "false and"),
        ("sweep", "if now_us >= hold_until_us then", "if true then"),
        ("claim", ">= tonumber(limit[2])", "> tonumber(limit[2])"),
        ("claim", "tonumber(limit[4]) - 1", "tonumber(limit[4])"),
    ],
)
def test_walks_notice_a_changed_script(
    walks: type[Lifecycle], monkeypatch: pytest.MonkeyPatch, script: str, sound: str, broken: str
) -> None:
    monkeypatch.setattr(walks, "scripts", planted(Place(script, sound, broken)))
    plan = settings(
        max_examples=600,
        stateful_step_count=60,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises(BaseException, match=r"Redis (says|has)|more (leases|grants)") as caught:
        run_state_machine_as_test(walks, settings=plan)
    assert isinstance(caught.value, AssertionError | ExceptionGroup)


@pytest.mark.property
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_long_lifecycles(walks: type[Lifecycle]) -> None:
    _walk(walks, 600, 80, COMMON, same_again=False)
