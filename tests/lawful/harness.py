"""The harness: it counts, samples, waits for rest, and reads the jobs' states and the store's keys."""

from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.lawful.telling import ZERO_US
from tests.lawful.world import us

if TYPE_CHECKING:
    from tests.lawful.play import Play

PATIENCE: Final = us(40)
PATIENCE_BROKEN: Final = us(8)  # some broken queues never come to rest, as fast as they can
IDLE_SHARE_MAX: Final = 0.007  # of a core: what idle processes of workers were measured to use
KEYLESS: Final = frozenset({"absent", "failed"})
PLACES: Final = {
    "waiting": ("queue",), "delayed": ("scheduled",), "running": ("lease",), "finished": ("finished",),
    "dead": ("dead",), "cancelled": ("canceled",), "failed": ("failed",), "absent": (),
}  # fmt: skip


class Harness:
    """All that it tells is what it sees from outside."""

    def __init__(self, play: "Play") -> None:
        self.play = play
        self.patience = PATIENCE_BROKEN if play.store.broken else PATIENCE

    def begin(self) -> None:
        """Plan its own steps."""
        play = self.play
        end = max([plan.at for plan in play.plans.values()] + [play.blows.last], default=0)
        if play.world.reads == "early":
            play.at(play.world.read_at, self._read)
        else:
            play.at(end, self._wait, end)
        if play.world.policy.concurrency is not None:
            play.at(us(0.25), self._count)
        if play.world.policy.rate_n is not None or any(plan.delay for plan in play.plans.values()):
            play.at(us(0.05), self._anchor)
        if play.world.habits.watched:
            play.at(us(0.1), self._sample, {})

    def _count(self) -> None:
        if self.play.now >= self.play.down_until and self.play.now >= self.play.stalled_until:
            states = Counter(record.state for record in self.play.store.records.values())
            told = {state: states[state] for state in ("waiting", "delayed", "running", "dead")}
            self.play.told.harness(self.play.now, "count", queue="default", **told)
        self.play.at(self.play.now + us(0.5), self._count)

    def _anchor(self) -> None:
        """It asks the server for its time."""
        if self.play.now >= max(self.play.down_until, self.play.stalled_until):
            asked = self.play.now - self.play.rng.randint(50, 2000)
            then = self.play.rng.randint(asked, self.play.now)
            self.play.told.harness(
                self.play.now, "anchor", lo_ns=(ZERO_US + asked) * 1000, server_us=ZERO_US * 7 + then, server="s"
            )  # fmt: skip
        self.play.at(self.play.now + us(1.0), self._anchor)

    def _sample(self, used: dict[int, int]) -> None:
        """Memory and descriptors go up and down; a process computes a little, and as long as a body runs."""
        rng, hot = self.play.rng, self.play.store.broken == "hot loop"
        for worker in self.play.workers if self.play.now >= self.play.stalled_until else ():
            busy = {slot.pid: bool(slot.body and not slot.body.over) for slot in worker.slots}
            for pid in (worker.pid, *busy) if worker.alive else ():
                share = 0.9 + 0.1 * rng.random() if busy.get(pid) or hot else IDLE_SHARE_MAX * rng.random()
                stopped = self.play.now < worker.frozen_until
                used[pid] = used.get(pid, us(0.1)) + (0 if stopped else int(us(0.25) * share))
                self.play.told.harness(
                    self.play.now, "sample", worker=worker.name, pid=pid, pid_start=pid, cpu_ns=used[pid] * 1000,
                    rss=(1 << 25) + rng.randint(0, 1 << 20), fds=rng.randint(9, 14),
                )  # fmt: skip
        self.play.at(self.play.now + us(0.25), self._sample, used)

    def _wait(self, end: int) -> None:
        """Until nothing has run for a while, or for as long as anybody would wait."""
        promise = self.play.world.promise
        rest = max(us(3), us(max(promise.start_gap_s, promise.report_s, promise.sweep_s) + 0.5))
        if self.play.world.reads == "patient":
            rest = max(rest, us(promise.recovery_s + 1.0))
        away = self.play.now < max(self.play.down_until, self.play.stalled_until)
        if (self.play.now - max(self.play.last_event, end) >= rest or self.play.now > end + self.patience) and not away:
            self._read()
        else:
            self.play.at(self.play.now + us(0.25), self._wait, end)

    def _read(self) -> None:
        self.play.told.harness(self.play.now, "phase", name="states")
        t = self.play.now
        for job in self.play.producer.sent:
            t += self.play.rng.randint(50, 800)
            self.play.at(t, self._read_one, job)
        self.play.at(t + 100, self._finish)

    def _read_one(self, job: str) -> None:
        record = self.play.store.records.get(job)
        state, reason, result, ttl, told = "absent", "", "", -1, None
        places: list[str] = []
        if record and record.state != "absent" and not (self.play.store.once and record.state == "running"):
            left = record.over_at + us(self.play.world.policy.result_ttl_s) - self.play.now
            if record.state != "finished" or left > 0:
                state, reason, result = record.state, record.reason, record.result
                places = list(PLACES[state]) * record.listed + ([record.also_in] if record.also_in else [])
                ttl = left // 1000 if state == "finished" else -1
            else:
                self.play.reach("result expired")
            if record.state == "dead" and self.play.world.habits.tells_attempts:
                told = record.attempts + record.crashes + record.stalls
        self.play.told.harness(
            self.play.now, "state", job=job, found_in=places, state=state, reason=reason, history=told, sum=result,
            ttl_ms=ttl,
        )  # fmt: skip

    def _finish(self) -> None:
        for t in self.play.store.grants if self.play.world.policy.rate_n is not None else ():
            self.play.told.harness(self.play.now, "granted", queue="default", server_us=ZERO_US * 7 + t)
        self._read_keys()
        self.play.blows.read_canary()
        if self.play.rng.random() < 0.5:  # one half of the harnesses stops its workers in good time
            for worker in self.play.workers:
                if worker.alive:
                    self.play.told.signal(self.play.now + 10, worker.name, worker.pid, "TERM")
        self.play.end()

    def _read_keys(self) -> None:
        """A key a job, which is to expire once the job is over; one a list or set that is not empty."""
        ttl = us(self.play.world.policy.result_ttl_s)
        over = [record for record in self.play.store.records.values() if record.state in {"finished", "cancelled"}]
        without = {*KEYLESS, "finished", "cancelled"} | ({"running"} if self.play.store.once else set())
        live = [record for record in self.play.store.records.values() if record.state not in without]
        left = [record.over_at + ttl - self.play.now for record in over if record.over_at + ttl > self.play.now]
        leaked = len(left) if self.play.store.broken == "leaks a key" else 0
        if live or left:
            self.play.told.harness(
                self.play.now, "key", pattern="job:*", name="job:j0", n=len(live) + len(left), bytes=900,
                without_ttl=len(live) + leaked, ttl_ms_max=max(left, default=-1000) // 1000,
            )  # fmt: skip
        states = {record.state for record in self.play.store.records.values()}
        for state, key in (("waiting", "queue"), ("delayed", "scheduled"), ("running", "lease"), ("dead", "dead")):
            if state in states:
                self.play.told.harness(
                    self.play.now, "key", pattern=key, name=key, n=1, bytes=80, without_ttl=1, ttl_ms_max=-1
                )  # fmt: skip
