"""A model of a lawful queue, in steps of 10 ms: leases, heartbeats, fences, sweeps; kills, cuts, freezes befall it.

It keeps every promise that ``PROMISE`` gives, so a checker that finds anything in one of its histories is wrong.
``broken`` leaves one rule out, so a checker that finds nothing in many of those is blind.
"""

from dataclasses import dataclass, field
from random import Random

from stormproof_target import JobSpec
from stormproof_target.spec import exits, fails, succeeds

from tests.scenarios.histories import (
    POLICY,
    PROMISE,
    Lines,
    acked,
    answered,
    cut,
    exited,
    fault,
    frozen,
    killed,
    run,
    spawned,
    state,
)

STEP_S = 0.01
LOAD_S = 6.0
END_S = 40.0
WORKERS = ("w1", "w2")
SLOTS = 2
BROKEN = ("forgets a job", "runs twice", "lease too short", "no dead letters", "never gives up", "retries at once")


@dataclass(slots=True)
class _Job:
    name: str
    spec: JobSpec
    due: float
    state: str = "waiting"
    reason: str = ""
    holder: tuple[int, int] | None = None  # slot's number and grant
    deadline: float = 0.0
    attempts: int = 0
    crashes: int = 0
    stalls: int = 0
    grants: int = 0


@dataclass(slots=True)
class _Body:
    job: _Job
    grant: int
    starts: float
    ends: float
    attempt: int
    outcome: str = ""
    started: float | None = None
    reports: float = 0.0


@dataclass(slots=True)
class _Slot:
    worker: str
    number: int
    life: int
    body: _Body | None = None


@dataclass(slots=True)
class _Worker:
    name: str
    life: int = 1
    alive: bool = True
    back_at: float = 0.0
    beats_at: float = 0.0
    slots: list[_Slot] = field(default_factory=list)
    frozen: tuple[float, float] = (0.0, 0.0)
    cut: tuple[float, float] = (0.0, 0.0)


class LawfulQueue:
    """``lines`` of one random history; the same for the same seed."""

    def __init__(self, seed: int, broken: str = "") -> None:
        self.rng, self.broken = Random(seed), broken
        self.lines: list[Lines] = []
        self.jobs: list[_Job] = []
        self.workers = [_Worker(name) for name in WORKERS]
        self.numbers = self.fence = 0
        for worker in self.workers:
            self._staff(worker)

    def history(self) -> list[Lines]:
        """Run the model to its end."""
        self._enqueue()
        self._plan_faults()
        t, sweep_at = 0.0, 0.0
        while t < END_S and not (t > LOAD_S + 3 and self._at_rest()):
            t = round(t + STEP_S, 3)
            for worker in self.workers:
                self._work(worker, t)
            if t >= sweep_at:
                sweep_at = t + 0.3
                self._sweep(t)
        self.lines += [
            state(job.name, job.state, reason=job.reason, at=t + 8) for job in self.jobs if job.state != "rejected"
        ]
        return self.lines

    def _at_rest(self) -> bool:
        return all(job.state in {"finished", "dead", "rejected", "absent"} for job in self.jobs)

    def _enqueue(self) -> None:
        for number in range(self.rng.randint(5, 25)):
            name, at = f"j{number}", round(self.rng.uniform(0, LOAD_S), 3)
            spec = self.rng.choice([succeeds(), succeeds(), fails(times=1), fails(times=2), fails(), exits(status=1)])
            job = _Job(name, spec, at + 0.01)
            fate = self.rng.random()
            if fate < 0.9:
                self.lines.append(acked(name, at, spec=spec))
            elif fate < 0.95:
                self.lines.append(answered("unknown", name, at, spec=spec))
                self.lines.append(fault(f"down for {name}", at - 0.05, at + 0.05, "cut", ["producer"]))
                job.state = self.rng.choice(["waiting", "absent"])
            else:
                self.lines.append(answered("rejected", name, at, spec=spec))
                job.state = "rejected"
            if self.broken == "forgets a job" and number % 4 == 0 and job.state == "waiting" and fate < 0.9:
                job.state = "absent"
            self.jobs.append(job)

    def _plan_faults(self) -> None:
        self.kills = []
        for worker in self.workers:
            kind, at = self.rng.choice(["", "freeze", "cut", "slot", "tree"]), round(self.rng.uniform(0.5, LOAD_S), 3)
            until = round(at + self.rng.choice([0.3, 1.0, 1.5, 2.5, 4.0]), 3)
            if self.broken:
                kind = ""
            if kind == "freeze":
                worker.frozen = at, until
                self.lines.append(frozen(worker.name, at, until))
            elif kind == "cut":
                worker.cut = at, until
                self.lines.append(cut(worker.name, at, until))
            elif kind:
                self.kills.append((at, worker, kind))

    # ---- workers

    def _staff(self, worker: _Worker) -> None:
        while len(worker.slots) < SLOTS:
            self.numbers += 1
            worker.slots.append(_Slot(worker.name, self.numbers, worker.life))

    def _work(self, worker: _Worker, t: float) -> None:
        for kill in [kill for kill in self.kills if kill[1] is worker and kill[0] <= t]:
            self.kills.remove(kill)
            self._kill(worker, kill[2], t)
        if not worker.alive:
            if t >= worker.back_at:
                worker.alive, worker.life = True, worker.life + 1
                self.lines.append(spawned(worker.name, t, life=worker.life))
                self._staff(worker)
            return
        if worker.frozen[0] <= t <= worker.frozen[1]:
            return
        linked = not worker.cut[0] <= t <= worker.cut[1]
        if linked and t >= worker.beats_at:
            worker.beats_at = t + 0.5
            self._beat(worker, t)
        for slot in list(worker.slots):
            self._step(worker, slot, t, linked=linked)

    def _beat(self, worker: _Worker, t: float) -> None:
        for slot in worker.slots:
            if slot.body and slot.body.job.holder == (slot.number, slot.body.grant):
                slot.body.job.deadline = t + self._lease_s()

    def _lease_s(self) -> float:
        return 0.2 if self.broken == "lease too short" else PROMISE.lease_s

    def _step(self, worker: _Worker, slot: _Slot, t: float, *, linked: bool) -> None:
        body = slot.body
        if body is None:
            if linked:
                self._claim(slot, t)
        elif body.started is None:
            if t >= body.starts:
                self._start(worker, slot, body, t)
        elif not body.outcome:
            if t >= body.ends:
                self._end(slot, body, t)
        elif linked and t >= body.reports:
            self._report(slot, body, t)

    def _claim(self, slot: _Slot, t: float) -> None:
        ready = [job for job in self.jobs if job.state == "waiting" and job.due <= t]
        if not ready or self.rng.random() < 0.3:
            return
        job = ready[0]
        job.grants += 1
        job.state, job.holder, job.deadline = "running", (slot.number, job.grants), t + self._lease_s()
        starts = t + self.rng.choice([0.0, 0.01, 0.1, 0.15])
        slot.body = _Body(job, job.grants, starts, starts + self.rng.choice([0.01, 0.05, 0.3, 0.9]), job.attempts + 1)
        if self.broken == "runs twice" and job.grants == 1 and self.rng.random() < 0.3:
            job.state, job.due = "waiting", t + 0.02

    def _start(self, worker: _Worker, slot: _Slot, body: _Body, t: float) -> None:
        body.ends += t - body.starts
        body.started = t
        if body.job.spec.kind == "exit":
            self._line(slot, body, None, "")
            self._die(worker, slot, t + 0.005, by_us=False)

    def _line(self, slot: _Slot, body: _Body, until: float | None, outcome: str) -> None:
        assert body.started is not None
        self.fence += 1
        self.lines.append(
            run(
                body.job.name, body.started, until, outcome or "ok", on=slot.worker, life=slot.life, slot=slot.number,
                attempt=body.attempt, name=f"{body.job.name}-{body.grant}", fence=body.grant,
            )
        )  # fmt: skip

    def _end(self, slot: _Slot, body: _Body, t: float) -> None:
        body.outcome = "error" if body.job.spec.trouble_on(body.attempt) else "ok"
        body.reports = t + self.rng.choice([0.0, 0.02, 0.1])
        self._line(slot, body, t, body.outcome)

    def _report(self, slot: _Slot, body: _Body, t: float) -> None:
        slot.body = None
        job = body.job
        if job.holder != (slot.number, body.grant):
            return  # it lost its lease: a zombie changes nothing
        job.holder = None
        if body.outcome == "ok":
            job.state = "finished"
            return
        job.attempts += 1
        if job.attempts >= POLICY.max_attempts and self.broken != "never gives up":
            job.state, job.reason = ("absent", "") if self.broken == "no dead letters" else ("dead", "exhausted")
            return
        _, most_s = POLICY.backoff.bounds_s(min(job.attempts, 3))
        at_once = self.broken == "retries at once"
        job.state, job.due = "waiting", t if at_once else t + self.rng.uniform(0, most_s)

    # ---- ends

    def _kill(self, worker: _Worker, kind: str, t: float) -> None:
        if kind == "slot":
            slot = self.rng.choice(worker.slots)
            self.lines.append(killed(worker.name, t, life=slot.life, slots=(slot.number,)))
            self._die(worker, slot, t, by_us=True)
            return
        self.lines.append(killed(worker.name, t, life=worker.life, slots=(0, *(slot.number for slot in worker.slots))))
        for slot in worker.slots:
            if slot.body and slot.body.started is not None and not slot.body.outcome:
                self._line(slot, slot.body, None, "")
        worker.slots.clear()
        worker.alive, worker.back_at = False, t + 1.0

    def _die(self, worker: _Worker, slot: _Slot, t: float, *, by_us: bool) -> None:
        """The supervisor sees a slot die, says so when it can, and puts another in its place."""
        if not by_us:
            self.lines.append(exited(slot.worker, t, life=slot.life, slot=slot.number, status=1, seen=t - 0.004))
        body = slot.body
        if body and body.started is not None and not body.outcome and by_us:
            self._line(slot, body, None, "")
        worker.slots.remove(slot)
        self._staff(worker)
        if body and body.job.holder == (slot.number, body.grant):
            if worker.cut[0] <= t <= worker.cut[1]:
                return  # its lease will end
            body.job.crashes += 1
            self._give_back(body.job, t + 0.02, "crashed", body.job.crashes >= (PROMISE.max_crashes or 99))

    def _sweep(self, t: float) -> None:
        for job in self.jobs:
            if job.state == "running" and job.holder and job.deadline < t:
                job.stalls += 1
                self._give_back(job, t, "stalled", job.stalls >= (PROMISE.max_stalls or 99))

    def _give_back(self, job: _Job, t: float, reason: str, dead: bool) -> None:  # noqa: FBT001  # the table's last column
        job.holder = None
        job.state, job.reason, job.due = ("dead", reason, t) if dead else ("waiting", "", t)
