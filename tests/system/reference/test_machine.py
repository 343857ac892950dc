"""Random walks over the transitions on a real Redis: attempt, retry, dead letter, kills, sweeps, late copies.

The model knows what was acknowledged, who holds what, and what was counted; after every step each job must be in
exactly one place, with the counts that the model has. Time is virtual.
"""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

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

from tests.system.reference.calls import LEASE_US, Calls
from tests.system.reference.server import RedisServer

ATTEMPTS_MAX, CRASHES_MAX, STALLS_MAX = 2, 2, 2  # low, so that short walks reach the bounds
LIVE_MAX = 4
SLOTS = [f"s{number}" for number in range(3)]


@dataclass
class Job:
    place: str
    attempts: int = 0
    crashes: int = 0
    stalls: int = 0
    reason: str = ""
    exec: str = ""
    settled: str = ""  # which lease was ended last, and how
    deadline_us: int = 0
    due_us: int = 0
    fence: int = 0

    @property
    def ended(self) -> bool:
        return self.place in ("finished", "dead")


@dataclass
class Slot:
    incarnation: str
    seq: int = 0
    holds: str = ""  # what it believes to hold, until it claims again
    old: list[tuple[str, str]] = field(default_factory=list)  # (job, exec) of what it reported: sources of late copies

    @property
    def exec(self) -> str:
        return f"{self.incarnation}.{self.seq}"


def _expected(job: Job, exec_: str, step: str) -> str:
    """One answer only: it holds the lease, it has said so before, or it has lost it."""
    if job.exec == exec_:
        return "applied"
    return "replayed" if job.settled == f"{exec_} {step}" else "lost"


class Lifecycle(RuleBasedStateMachine):
    server: RedisServer

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        redis = self.server.client()
        redis.flushall()
        self.calls = Calls(redis, self.folder)
        self.jobs: dict[str, Job] = {}
        self.slots: dict[str, Slot] = {}
        self.born = 0

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @initialize()
    def slots_open(self) -> None:
        for name in SLOTS:
            self._open(name)

    def _open(self, name: str) -> None:
        self.born += 1
        self.slots[name] = Slot(f"{name}-{self.born}")

    def _released(self, job: Job, place: str, step: str) -> None:
        job.place, job.settled, job.exec = place, f"{job.exec} {step}", ""

    # -- producers ------------------------------------------------------------------------------------------------

    @rule(delay_s=st.sampled_from([0, 0, 0, 1, 5]))
    @precondition(lambda self: sum(not job.ended for job in self.jobs.values()) < LIVE_MAX)
    def enqueue(self, delay_s: int) -> None:
        name = f"j{len(self.jobs)}"
        assert self.calls.enqueue(name, delay_us=delay_s * 1_000_000, window_us=10**15) == "applied"
        self.jobs[name] = Job("delayed" if delay_s else "waiting", due_us=self.calls.now_us + delay_s * 1_000_000)

    @rule(data=st.data())
    @precondition(lambda self: self.jobs)
    def enqueue_again(self, data: st.DataObject) -> None:
        """Its reply was lost, or a copy was held somewhere."""
        name = data.draw(st.sampled_from(sorted(self.jobs)))
        assert self.calls.enqueue(name, window_us=10**15) == "known"
        assert self.calls.enqueue("late", window_us=-1) == "expired"

    # -- slots ----------------------------------------------------------------------------------------------------

    def _free(self) -> list[Slot]:
        return [slot for slot in self.slots.values() if not slot.holds or self.jobs[slot.holds].exec != slot.exec]

    def _busy(self) -> list[Slot]:
        return [slot for slot in self.slots.values() if slot.holds]

    @rule(data=st.data())
    @precondition(lambda self: self._free())
    def claim(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(self._free()))
        slot.holds = ""
        slot.seq += 1
        reply = self.calls.claim(slot.incarnation, slot.seq)
        if not any(job.place == "waiting" for job in self.jobs.values()):
            assert reply == ["none"]
            return
        assert reply[0] == "claimed"
        job = self.jobs[reply[2]]
        assert job.place == "waiting", "it was given to somebody else, or ended"
        assert int(reply[4]) > max(each.fence for each in self.jobs.values()), "fences must grow"
        job.place, job.exec, job.fence = "lease", reply[3], int(reply[4])
        job.deadline_us = self.calls.now_us + LEASE_US
        slot.holds = reply[2]

    @rule(name=st.sampled_from(SLOTS))
    def claim_sent_again(self, name: str) -> None:
        """Its reply was lost: the same job, a newer fence, or nothing if the lease has ended."""
        slot = self.slots[name]
        if slot.seq == 0:
            return
        reply = self.calls.claim(slot.incarnation, slot.seq)
        held = [job for job in self.jobs.values() if job.exec == slot.exec]
        if not held:
            assert reply == ["none"]
            return
        assert (reply[0], reply[3]) == ("replayed", slot.exec)
        assert int(reply[4]) > held[0].fence
        held[0].fence = int(reply[4])
        held[0].deadline_us = max(held[0].deadline_us, self.calls.now_us + LEASE_US)

    @rule(name=st.sampled_from(SLOTS), back=st.integers(1, 3))
    def late_copy_of_a_claim(self, name: str, back: int) -> None:
        slot = self.slots[name]
        if slot.seq > back:
            assert self.calls.claim(slot.incarnation, slot.seq - back) == ["stale"]

    @rule(data=st.data(), copies=st.integers(1, 2))
    @precondition(lambda self: self._busy())
    def complete(self, data: st.DataObject, copies: int) -> None:
        slot = data.draw(st.sampled_from(self._busy()))
        for _ in range(copies):
            expected = self._offers(slot, "complete")
            assert self.calls.complete(slot.holds, slot.exec) == expected
            if expected == "applied":
                self._released(self.jobs[slot.holds], "finished", "complete")

    @rule(
        data=st.data(),
        copies=st.integers(1, 2),
        delay_us=st.sampled_from([0, 0, 2_000_000]),
        kind=st.sampled_from(["error", "timeout"]),
    )
    @precondition(lambda self: self._busy())
    def fail(self, data: st.DataObject, copies: int, delay_us: int, kind: str) -> None:
        slot = data.draw(st.sampled_from(self._busy()))
        for _ in range(copies):
            expected, job = self._offers(slot, "fail"), self.jobs[slot.holds]
            reply = self.calls.fail(slot.holds, slot.exec, kind=kind, bound=ATTEMPTS_MAX, delay_us=delay_us)
            assert reply[0] == expected
            if expected == "applied":
                self._released(job, "delayed" if delay_us else "waiting", "fail")
                job.attempts += 1
                job.due_us = self.calls.now_us + delay_us
                if job.attempts >= ATTEMPTS_MAX:
                    job.place, job.reason = "dead", "timeout" if kind == "timeout" else "exhausted"

    @rule(data=st.data(), transition=st.sampled_from(["release", "abort"]))
    @precondition(lambda self: self._busy())
    def give_back(self, data: st.DataObject, transition: str) -> None:
        slot = data.draw(st.sampled_from(self._busy()))
        expected = self._offers(slot, transition)
        assert self.calls.give_back(transition, slot.holds, slot.exec) == expected
        if expected == "applied":
            self._released(self.jobs[slot.holds], "waiting", transition)

    def _offers(self, slot: Slot, step: str) -> str:
        """The one word that must be the answer to what the slot reports now."""
        slot.old.append((slot.holds, slot.exec))
        return _expected(self.jobs[slot.holds], slot.exec, step)

    @rule(data=st.data())
    @precondition(lambda self: any(slot.old for slot in self.slots.values()))
    def late_copy_of_an_outcome(self, data: st.DataObject) -> None:
        """A command of the past, held somewhere: it must find nothing to change."""
        past = [each for slot in self.slots.values() for each in slot.old]
        job, exec_ = data.draw(st.sampled_from(past))
        if self.jobs[job].exec == exec_:
            return
        before = self.calls.record(job)
        how = data.draw(st.sampled_from(["complete", "fail", "release", "abort", "heartbeat"]))
        expected = _expected(self.jobs[job], exec_, how)
        if how == "complete":
            assert self.calls.complete(job, exec_) == expected
        elif how == "fail":
            assert self.calls.fail(job, exec_) == [expected]
        elif how == "heartbeat":
            assert self.calls.heartbeat((job, exec_)) == ["applied", "1"]
        else:
            assert self.calls.give_back(how, job, exec_) == expected
        assert self.calls.record(job) == before

    # -- supervisors ----------------------------------------------------------------------------------------------

    @rule()
    def heartbeat(self) -> None:
        held = [(name, job.exec) for name, job in self.jobs.items() if job.place == "lease"]
        assert self.calls.heartbeat(*held) == ["applied"]
        for name, _ in held:
            self.jobs[name].deadline_us = max(self.jobs[name].deadline_us, self.calls.now_us + LEASE_US)

    @rule(name=st.sampled_from(SLOTS), ran=st.integers(0, 1), copies=st.integers(1, 2))
    def slot_dies(self, name: str, ran: int, copies: int) -> None:
        slot = self.slots[name]
        held = [job for job in self.jobs.values() if job.exec == slot.exec]
        for _ in range(copies):
            self.calls.slot_dead(slot.incarnation, "crashes" if ran else "", bound=CRASHES_MAX)
        assert self.calls.claim(slot.incarnation, slot.seq + 1) == ["closed"]
        for job in held:
            self._released(job, "waiting", "slot_dead")
            job.crashes += ran
            if ran and job.crashes >= CRASHES_MAX:
                job.place, job.reason = "dead", "crashed"
        self._open(name)

    @rule(by_s=st.sampled_from([0.5, 1, 1.5, 2.5]), sweeps=st.booleans())
    def time_passes(self, *, by_s: float, sweeps: bool) -> None:
        self.calls.advance(int(by_s * 1_000_000))
        if sweeps:
            self._sweep()

    def _sweep(self) -> None:
        requeued = dead = 0
        for job in self.jobs.values():
            if job.place == "lease" and job.deadline_us < self.calls.now_us:
                self._released(job, "waiting", "sweep")
                job.stalls += 1
                if job.stalls >= STALLS_MAX:
                    job.place, job.reason = "dead", "stalled"
                    dead += 1
                else:
                    requeued += 1
        assert self.calls.sweep(stalls_max=STALLS_MAX) == (requeued, dead)

    @rule()
    def promote(self) -> None:
        due = [job for job in self.jobs.values() if job.place == "delayed" and job.due_us <= self.calls.now_us]
        assert self.calls.promote()[0] == len(due)
        for job in due:
            job.place = "waiting"

    # -- what must hold at any time -------------------------------------------------------------------------------

    @invariant()
    def every_acknowledged_job_is_in_one_place(self) -> None:
        for name, job in self.jobs.items():
            assert self.calls.places(name) == [job.place]

    @invariant()
    def every_count_is_the_models(self) -> None:
        for name, job in self.jobs.items():
            record = self.calls.record(name)
            counts = tuple(int(record.get(field, 0)) for field in ("attempts", "crashes", "stalls"))
            assert counts == (job.attempts, job.crashes, job.stalls)
            assert record.get("dead_reason", "") == job.reason
            assert record.get("exec", "") == job.exec
            assert record.get("settled", "") == job.settled


@pytest.fixture
def machine(redis_server: RedisServer) -> type[Lifecycle]:
    Lifecycle.server = redis_server
    return Lifecycle


@pytest.mark.property
def test_lifecycle(machine: type[Lifecycle]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=150, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
