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

ATTEMPTS_MAX, CRASHES_MAX, STALLS_MAX = 3, 2, 2
JOBS = [f"j{number}" for number in range(4)]
SLOTS = [f"s{number}" for number in range(3)]


@dataclass
class Job:
    place: str
    attempts: int = 0
    crashes: int = 0
    stalls: int = 0
    reason: str = ""
    exec: str = ""
    deadline_us: int = 0
    due_us: int = 0
    fence: int = 0


@dataclass
class Slot:
    incarnation: str
    seq: int = 0
    holds: str = ""
    old: list[tuple[str, str]] = field(default_factory=list)  # (job, exec) of what it once held: senders of late copies


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
        self.ended = False

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @initialize()
    def slots_open(self) -> None:
        for name in SLOTS:
            self._open(name)

    def _open(self, name: str) -> None:
        self.born += 1
        self.slots[name] = Slot(f"{name}-{self.born}")

    def _released(self, job: Job, place: str) -> None:
        job.place, job.exec = place, ""

    # -- producers ------------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(JOBS), delay_s=st.sampled_from([0, 0, 1, 5]))
    def enqueue(self, name: str, delay_s: int) -> None:
        word = self.calls.enqueue(name, delay_us=delay_s * 1_000_000, window_us=10**15)
        if name in self.jobs:
            assert word == "known"
            return
        assert word == "applied"
        self.jobs[name] = Job("delayed" if delay_s else "waiting", due_us=self.calls.now_us + delay_s * 1_000_000)

    # -- slots ----------------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(SLOTS))
    def claim(self, name: str) -> None:
        slot = self.slots[name]
        if slot.holds:
            return
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
        exec_ = f"{slot.incarnation}.{slot.seq}"
        held = [job for job in self.jobs.values() if job.exec == exec_]
        if not held:
            assert reply == ["none"]
            return
        assert (reply[0], reply[3]) == ("replayed", exec_)
        assert int(reply[4]) > held[0].fence
        held[0].fence = int(reply[4])
        held[0].deadline_us = max(held[0].deadline_us, self.calls.now_us + LEASE_US)

    @rule(name=st.sampled_from(SLOTS), back=st.integers(1, 3))
    def late_copy_of_a_claim(self, name: str, back: int) -> None:
        slot = self.slots[name]
        if slot.seq > back:
            assert self.calls.claim(slot.incarnation, slot.seq - back) == ["stale"]

    @rule(name=st.sampled_from(SLOTS), copies=st.integers(1, 2))
    def complete(self, name: str, copies: int) -> None:
        for copy in range(copies):
            self._end(name, "finished", copy)

    @rule(
        name=st.sampled_from(SLOTS),
        copies=st.integers(1, 2),
        delay_s=st.sampled_from([0, 2]),
        kind=st.sampled_from(["error", "timeout"]),
    )
    def fail(self, name: str, copies: int, delay_s: int, kind: str) -> None:
        for copy in range(copies):
            self._end(name, "delayed" if delay_s else "waiting", copy, kind)

    def _end(self, name: str, place: str, copy: int, kind: str = "") -> None:
        slot = self.slots[name]
        if not slot.holds:
            return
        job = self.jobs[slot.holds]
        exec_ = f"{slot.incarnation}.{slot.seq}"
        held = job.exec == exec_
        if place == "finished":
            word = self.calls.complete(slot.holds, exec_)
        else:
            delay_us = 2_000_000 if place == "delayed" else 0
            reply = self.calls.fail(slot.holds, exec_, kind=kind, bound=ATTEMPTS_MAX, delay_us=delay_us)
            word = reply[0]
        assert word == ("replayed" if copy and self.ended else "applied" if held else "lost")
        if copy:
            slot.holds = ""
            return
        self.ended = held
        if held:
            self._released(job, place)
            if kind:
                job.attempts += 1
                job.due_us = self.calls.now_us + 2_000_000
                if job.attempts >= ATTEMPTS_MAX:
                    job.place, job.reason = "dead", "timeout" if kind == "timeout" else "exhausted"
        slot.old.append((slot.holds, exec_))

    @rule(name=st.sampled_from(SLOTS))
    def moves_on(self, name: str) -> None:
        """It has its answer (or will never get one) and asks for another."""
        slot = self.slots[name]
        if slot.holds and self.jobs[slot.holds].exec != f"{slot.incarnation}.{slot.seq}":
            slot.holds = ""

    @rule(name=st.sampled_from(SLOTS), transition=st.sampled_from(["release", "abort"]))
    def give_back(self, name: str, transition: str) -> None:
        slot = self.slots[name]
        if not slot.holds:
            return
        job, exec_ = self.jobs[slot.holds], f"{slot.incarnation}.{slot.seq}"
        word = self.calls.give_back(transition, slot.holds, exec_)
        if job.exec == exec_:
            assert word == "applied"
            self._released(job, "waiting")
        else:
            assert word in ("lost", "replayed")
        slot.old.append((slot.holds, exec_))
        slot.holds = ""

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
        if how == "complete":
            assert self.calls.complete(job, exec_) in ("lost", "replayed")
        elif how == "fail":
            assert self.calls.fail(job, exec_)[0] in ("lost", "replayed")
        elif how == "heartbeat":
            assert self.calls.heartbeat((job, exec_)) == ["applied", "1"]
        else:
            assert self.calls.give_back(how, job, exec_) in ("lost", "replayed")
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
        exec_ = f"{slot.incarnation}.{slot.seq}"
        held = [job for job in self.jobs.values() if job.exec == exec_]
        for _ in range(copies):
            self.calls.slot_dead(slot.incarnation, "crashes" if ran else "", bound=CRASHES_MAX)
        assert self.calls.claim(slot.incarnation, slot.seq + 1) == ["closed"]
        for job in held:
            self._released(job, "waiting")
            job.crashes += ran
            if ran and job.crashes >= CRASHES_MAX:
                job.place, job.reason = "dead", "crashed"
        self._open(name)

    @rule(by_s=st.sampled_from([0.5, 1, 2.5]))
    def time_passes(self, by_s: float) -> None:
        self.calls.advance(int(by_s * 1_000_000))

    @rule()
    def sweep(self) -> None:
        requeued = dead = 0
        for job in self.jobs.values():
            if job.place == "lease" and job.deadline_us < self.calls.now_us:
                self._released(job, "waiting")
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


@pytest.fixture
def machine(redis_server: RedisServer) -> type[Lifecycle]:
    Lifecycle.server = redis_server
    return Lifecycle


@pytest.mark.property
def test_lifecycle(machine: type[Lifecycle]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
