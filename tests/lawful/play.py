"""Plays a world to its end: time, the producer, the harness that reads the jobs' states, and what became of it all."""

from collections import Counter
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Any, Final

from tests.lawful.blows import Blows
from tests.lawful.store import Store
from tests.lawful.telling import ZERO_US, Line, Telling
from tests.lawful.workers import MILLI, Worker
from tests.lawful.world import Enqueue, World, us

PATIENCE: Final = us(40)
PATIENCE_BROKEN: Final = us(8)  # some broken queues never come to rest, as fast as they can
KEYLESS: Final = frozenset({"absent", "failed"})
PLACES: Final = {
    "waiting": ("queue",), "delayed": ("scheduled",), "running": ("lease",), "finished": ("finished",),
    "dead": ("dead",), "cancelled": ("canceled",), "failed": ("failed",), "absent": (),
}  # fmt: skip


class Play:
    """One history. ``reached`` counts what happened in it."""

    def __init__(self, world: World, broken: str = "") -> None:
        self.world, self.rng, self.told = world, Random(world.noise), Telling()
        self.reached: Counter[str] = Counter()
        self.now = self.numbers = self.down_until = self.stalled_until = self.last_event = 0
        self.plans: dict[str, Enqueue] = {f"j{number}": plan for number, plan in enumerate(world.jobs)}
        self.store = Store(world, self.rng, broken)
        self.workers = [Worker(self, index) for index in range(world.workers)]
        self.producer, self.producer_pid = "producer-1-a", 7
        self.producer_away_until = self.producer_cut_until = 0
        self.sent: set[str] = set()
        self.runs: dict[str, list[list[Any]]] = {}
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = 0
        self.over = False
        self.patience = PATIENCE_BROKEN if broken else PATIENCE
        self.blows = Blows(self)

    def history(self) -> list[Line]:
        """All lines that a reader sees."""
        told = self.told
        told.open(self.producer, -1_000_000, "producer", "producer", self.producer_pid)
        told.harness(0, "phase", name="load_begin")
        for worker in self.workers:
            worker.spawn(at=-1_000_000)
        for job, plan in self.plans.items():
            self.at(plan.at, self._enqueue, job, plan)
        self.blows.plan()
        end = max([plan.at for plan in self.plans.values()] + [self.blows.last], default=0)
        if self.world.reads == "early":
            self.at(self.world.read_at, self._read)
        else:
            self.at(end, self._wait, end)
        if self.world.policy.concurrency is not None:
            self.at(us(0.25), self._count)
        if self.world.habits.watched:
            self.at(us(0.1), self._sample, {})
        self._run()
        return told.told()

    def at(self, t: int, call: Callable[..., None], *args: Any) -> None:  # noqa: ANN401  # whatever the call takes
        """Do it then."""
        self._order += 1
        heappush(self._heap, (t, self._order, call, args))

    def _run(self) -> None:
        heap, wakes = self._heap, self.store.wakes
        while heap and not self.over:
            self.now, _, call, args = heappop(heap)
            call(*args)
            wakes = self.store.wakes
            if wakes:
                for t in {max(each, self.now) for each in wakes}:
                    self.at(t, self._wake)
                wakes.clear()

    def _wake(self) -> None:
        for worker in self.workers:
            if worker.alive:
                for slot in worker.slots:
                    worker.ask(slot, 30 * MILLI)

    # ---- what workers ask of the world

    def new_pid(self) -> int:
        """Never used before."""
        self.numbers += 1
        return 100 + self.numbers

    def count(self) -> int:
        """A number that no other run has."""
        self.numbers += 1
        return self.numbers

    def plan_of(self, job: str) -> Enqueue:
        """What the payload says."""
        return self.plans[job]

    def reach(self, situation: str) -> None:
        """It happened here."""
        self.reached[situation] += 1

    def ran(self, job: str, t: int) -> None:
        """A body began."""
        self.last_event = max(self.last_event, t)
        self.runs.setdefault(job, []).append([t, None, ""])

    def ended(self, job: str, t: int, outcome: str) -> None:
        """A body wrote its end."""
        self.last_event = max(self.last_event, t)
        for each in self.runs[job]:
            if each[1] is None:
                each[1:] = t, outcome
                return

    def gone(self, worker: str, pid: int, status: int | None) -> None:
        """A process died; the harness finds it dead a little later."""
        seen = self.now + self.rng.randint(1, 20 * MILLI)
        self.told.exited(seen, worker, pid, self.now - self.rng.randint(0, 10 * MILLI), status)

    def tear(self, line: Line) -> None:
        """A kill may hit a process while it writes."""
        if (ZERO_US + self.now) * 1000 - line["t"] < 2_000_000 and self.rng.random() < 0.5:
            self.reach("torn line")
            self.told.tear(line)

    # ---- the producer

    def _enqueue(self, job: str, plan: Enqueue) -> None:
        until = max(self.stalled_until, self.producer_away_until)
        if self.now < until:
            self.at(until + self.rng.randint(1, MILLI), self._enqueue, job, plan)
            return
        if job in self.sent:
            return
        self.sent.add(job)
        self.told.invoked(self.producer, self.now, job, plan)
        down = max(self.producer_cut_until, self.down_until)
        refused = self.rng.random() < (0.3 if self.store.broken == "runs what it refused" else 0.03)
        if self.now >= down and not refused:
            self.store.enqueue(job, int(job[1:]), self.now, plan.delay)
            silent = self.store.broken == "silent in calm" and self.rng.random() < 0.5  # noqa: PLR2004
            self._answer("unknown" if silent else "acked", job, 3 * MILLI)
        elif self.now >= down:
            self.reach("refused")
            self._answer("rejected", job, 3 * MILLI)
            if self.store.broken == "runs what it refused":
                self.store.enqueue(job, int(job[1:]), self.now, plan.delay)
        else:
            self._enqueue_in_trouble(job, plan, down)

    def _enqueue_in_trouble(self, job: str, plan: Enqueue, down: int) -> None:
        away = self.now < self.down_until
        fate = self.rng.choice(("refused", "not applied", "late", "waits") if away else
                               ("refused", "not applied", "late", "waits", "applied", "applied", "twice"))  # fmt: skip
        if fate == "refused":
            self._answer("rejected", job, 3 * MILLI)
            return
        if fate in {"applied", "twice"}:
            self.reach("reply lost on an enqueue")
            self.store.enqueue(job, int(job[1:]), self.now, plan.delay)
        if fate in {"waits", "twice"}:
            self.at(down + self.rng.randint(1, us(self.world.promise.reconnect_s) * 8 // 10), self._retry, job, plan)
            return
        if fate == "late":
            late = down + self.rng.randint(1, us(self.world.promise.reconnect_s) * 8 // 10)
            self.at(late, self._apply_late, job, plan)
        self._answer("unknown", job, us(0.6))

    def _apply_late(self, job: str, plan: Enqueue) -> None:
        if self.now >= self.down_until:
            self.reach("enqueue applied late")
            self.store.enqueue(job, int(job[1:]), self.now, plan.delay)

    def _retry(self, job: str, plan: Enqueue) -> None:
        down = max(self.producer_cut_until, self.down_until, self.stalled_until)
        if self.now < down:
            self.at(down + 1, self._retry, job, plan)
            return
        if self.producer_away_until > self.now:
            return  # it was killed meanwhile: no answer
        known = self.store.records.get(job)
        if known and known.state == "waiting" and self.world.promise.lost_reply_repeats:
            self.reach("enqueued twice")
            self.store.ready.append(job)
        self.store.enqueue(job, int(job[1:]), self.now, plan.delay)
        self._answer("acked", job, 3 * MILLI)

    def _answer(self, outcome: str, job: str, most: int) -> None:
        fields = {"receipt": job} if outcome == "acked" else {"why": "x"}
        self.told.line(self.producer, self.now + self.rng.randint(1, most), outcome, job=job, **fields)

    # ---- the harness

    def _count(self) -> None:
        if self.now >= self.down_until and self.now >= self.stalled_until:
            states = Counter(record.state for record in self.store.records.values())
            told = {state: states[state] for state in ("waiting", "delayed", "running", "dead")}
            self.told.harness(self.now, "count", queue="default", **told)
        self.at(self.now + us(0.5), self._count)

    def _sample(self, used: dict[int, int]) -> None:
        """Memory and descriptors go up and down; a process computes a little, and as long as a body runs."""
        rng, hot = self.rng, self.store.broken == "hot loop"
        for worker in self.workers if self.now >= self.stalled_until else ():
            busy = {slot.pid: bool(slot.body) for slot in worker.slots}
            for pid in (worker.pid, *busy) if worker.alive else ():
                share = 0.9 + 0.1 * rng.random() if busy.get(pid) or hot else 0.03 * rng.random()
                stopped = self.now < worker.frozen_until
                used[pid] = used.get(pid, us(0.1)) + (0 if stopped else int(us(0.25) * share))
                self.told.harness(
                    self.now, "sample", worker=worker.name, pid=pid, pid_start=pid, cpu_ns=used[pid] * 1000,
                    rss=(1 << 25) + rng.randint(0, 1 << 20), fds=rng.randint(9, 14),
                )  # fmt: skip
        self.at(self.now + us(0.25), self._sample, used)

    def _wait(self, end: int) -> None:
        """Until nothing has run for a while, or for as long as anybody would wait."""
        promise = self.world.promise
        rest = max(us(3), us(max(promise.start_gap_s, promise.report_s, promise.sweep_s) + 0.5))
        if self.world.reads == "patient":
            rest = max(rest, us(promise.recovery_s + 1.0))
        away = self.now < max(self.down_until, self.stalled_until)
        if (self.now - max(self.last_event, end) >= rest or self.now > end + self.patience) and not away:
            self._read()
        else:
            self.at(self.now + us(0.25), self._wait, end)

    def _read(self) -> None:
        self.told.harness(self.now, "phase", name="states")
        t = self.now
        for job in self.sent:
            t += self.rng.randint(50, 800)
            self.at(t, self._read_one, job)
        self.at(t + 100, self._finish)

    def _read_one(self, job: str) -> None:
        record = self.store.records.get(job)
        state, reason, result, ttl, told = "absent", "", "", -1, None
        places: list[str] = []
        if record and record.state != "absent" and not (self.store.once and record.state == "running"):
            left = record.over_at + us(self.world.policy.result_ttl_s) - self.now
            if record.state != "finished" or left > 0:
                state, reason, result = record.state, record.reason, record.result
                places = list(PLACES[state]) * record.listed + ([record.also_in] if record.also_in else [])
                ttl = left // 1000 if state == "finished" else -1
            else:
                self.reach("result expired")
            if record.state == "dead" and self.world.habits.tells_attempts:
                told = record.attempts + record.crashes + record.stalls
        self.told.harness(
            self.now, "state", job=job, found_in=places, state=state, reason=reason, history=told, sum=result,
            ttl_ms=ttl,
        )  # fmt: skip

    def _finish(self) -> None:
        for t in self.store.grants if self.world.policy.rate_n is not None else ():
            self.told.harness(self.now, "granted", queue="default", server_us=ZERO_US * 7 + t)
        self._read_keys()
        self.blows.read_canary()
        if self.rng.random() < 0.5:  # noqa: PLR2004  # one half of the harnesses stops its workers in good time
            for worker in self.workers:
                if worker.alive:
                    self.told.signal(self.now + 10, worker.name, worker.pid, "TERM")
        self._tally()
        self.over = True

    def _read_keys(self) -> None:
        """A key a job, which is to expire once the job is over; one a list or set that is not empty."""
        ttl = us(self.world.policy.result_ttl_s)
        over = [record for record in self.store.records.values() if record.state in {"finished", "cancelled"}]
        live = [
            record for record in self.store.records.values() if record.state not in {*KEYLESS, "finished", "cancelled"}
        ]
        left = [record.over_at + ttl - self.now for record in over if record.over_at + ttl > self.now]
        leaked = len(left) if self.store.broken == "leaks a key" else 0
        if live or left:
            self.told.harness(
                self.now, "key", pattern="job:*", name="job:j0", n=len(live) + len(left), bytes=900,
                without_ttl=len(live) + leaked, ttl_ms_max=max(left, default=-1000) // 1000,
            )  # fmt: skip
        states = {record.state for record in self.store.records.values()}
        for state, key in (("waiting", "queue"), ("delayed", "scheduled"), ("running", "lease"), ("dead", "dead")):
            if state in states:
                self.told.harness(
                    self.now, "key", pattern=key, name=key, n=1, bytes=80, without_ttl=1, ttl_ms_max=-1
                )  # fmt: skip

    def _tally(self) -> None:
        states = Counter(record.state for record in self.store.records.values())
        for state in ("dead", "cancelled", "finished", "waiting", "running", "delayed"):
            self.reached[f"{state} in the end"] += states[state]
        for record in self.store.records.values():
            if record.state == "dead":
                self.reached[f"dead: {record.reason}"] += 1
        for runs in self.runs.values():
            self.reached["runs"] += len(runs)
            self.reached["repeats"] += len(runs) - 1
            self.reached["zombies"] += sum(
                a[1] is not None and any(a[0] < b[0] < a[1] for b in runs if b is not a) for a in runs
            )
