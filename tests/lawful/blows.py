"""What befalls a world: kills, cuts, stops, stalls, a store that restarts or forgets, and operators at work."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tests.lawful.processes import MILLI, Slot
from tests.lawful.telling import Line
from tests.lawful.workers import Worker
from tests.lawful.world import Blow, us

if TYPE_CHECKING:
    from tests.lawful.play import Play

LOOK = 2 * MILLI
CANARY_EVERY = us(0.1)


class Blows:
    """Each kind of blow is one method, called at its time; it tells the ledger what a harness would."""

    def __init__(self, play: "Play") -> None:
        self.play = play
        self.last = max((blow.at + self._longest(blow) for blow in play.world.blows), default=0)
        self.paused = False
        self.losses: list[tuple[int, int]] = []
        self._canary: dict[int, int] = {}
        self.kinds: Mapping[str, Callable[[Blow], None]] = {
            "cut": self._cut, "lose replies": self._cut, "cut all": self._cut_all, "slow": self._slow,
            "freeze": self._freeze, "kill slot": self._kill_slot, "kill supervisor": self._kill,
            "kill tree": self._kill,
            "stop": self._stop, "restart": self._restart, "roll back": self._roll_back, "stall host": self._stall,
            "stall worker": self._stall, "cut producer": self._cut_producer, "kill producer": self._kill_producer,
            "pause": self._pause, "cancel": self._operate, "requeue": self._operate,
        }  # fmt: skip

    @staticmethod
    def _longest(blow: Blow) -> int:
        return blow.lasts + us(3) if blow.kind in {"restart", "roll back", "stop"} else blow.lasts

    def plan(self) -> None:
        """All of the world's."""
        for blow in self.play.world.blows:
            self.play.at(blow.at, self._strike, blow)
        if any(blow.kind in {"roll back", "restart"} for blow in self.play.world.blows):
            self.play.told.open("canary-1-a", -1_000_000, "canary", "canary", 8)
            self.play.at(0, self._canary_sends, 1)

    def _strike(self, blow: Blow) -> None:
        play = self.play
        if play.now < play.stalled_until:
            play.at(play.stalled_until + 100, self._strike, blow)
            return
        play.reach(blow.kind)
        self.kinds[blow.kind](blow)

    def _whom(self, blow: Blow) -> Worker:
        return self.play.workers[blow.whom % len(self.play.workers)]

    def _fault(self, blow: Blow, effect: str, workers: list[str], lasts: int) -> None:
        now = self.play.now
        self.play.told.fault(f"{blow.kind}-{now}", blow.kind, effect, workers, now, now + max(lasts, 300))

    # ---- links

    def _cut(self, blow: Blow) -> None:
        worker, until = self._whom(blow), self.play.now + blow.lasts
        worker.cut_until = max(worker.cut_until, until)
        if blow.kind == "lose replies":
            worker.replies_lost_until = max(worker.replies_lost_until, until)
        self._fault(blow, "cut", [worker.name], blow.lasts)

    def _cut_all(self, blow: Blow) -> None:
        until = self.play.now + blow.lasts
        self.play.producer.cut_until = max(self.play.producer.cut_until, until)
        for worker in self.play.workers:
            worker.cut_until = max(worker.cut_until, until)
        self._fault(blow, "cut", [], blow.lasts)

    def _cut_producer(self, blow: Blow) -> None:
        self.play.producer.cut_until = max(self.play.producer.cut_until, self.play.now + blow.lasts)
        self._fault(blow, "cut", ["producer"], blow.lasts)

    def _slow(self, blow: Blow) -> None:
        worker = self._whom(blow)
        worker.slow_until = max(worker.slow_until, self.play.now + blow.lasts)
        self._fault(blow, "slow", [worker.name], blow.lasts)

    # ---- processes

    def _freeze(self, blow: Blow) -> None:
        worker, play = self._whom(blow), self.play
        if not worker.alive or play.now < worker.frozen_until:
            return
        worker.frozen_until = play.now + blow.lasts
        pids = [worker.pid, *(slot.pid for slot in worker.slots)]
        for pid in pids:
            play.told.signal(play.now, worker.name, pid, "STOP")
            play.told.signal(play.now + blow.lasts, worker.name, pid, "CONT")
        self._fault(blow, "freeze", [worker.name], blow.lasts)

    def _kill_slot(self, blow: Blow) -> None:
        worker = self._whom(blow)
        if not worker.alive or not worker.slots:
            return
        busy = [slot for slot in worker.slots if slot.body or slot.beginning] or worker.slots
        slot = busy[blow.whom % len(busy)]
        if blow.whom % 3 == 0:
            slot.doomed = True
            return
        self._fault(blow, "kill", [worker.name], 0)
        if blow.whom % 2 and self.play.now >= worker.frozen_until:  # its victim is looked for while nothing of it moves
            worker.frozen_until = self.play.now + LOOK
            for pid in (worker.pid, *(each.pid for each in worker.slots)):
                self.play.told.signal(self.play.now - LOOK, worker.name, pid, "STOP")
                self.play.told.signal(self.play.now + LOOK, worker.name, pid, "CONT")
        self.play.told.signal(self.play.now, worker.name, slot.pid, "KILL")
        worker.die(slot, "kill", None)

    def kill_in_a_line(self, worker: Worker, slot: Slot, line: Line) -> None:
        """What it was writing is torn."""
        play = self.play
        play.reach("torn line")
        play.told.tear(line)
        play.told.fault(f"kill slot-{play.now}", "kill slot", "kill", [worker.name], play.now, play.now + 300)
        play.told.signal(play.now, worker.name, slot.pid, "KILL")
        worker.die(slot, "kill", None)

    def _kill(self, blow: Blow) -> None:
        worker = self._whom(blow)
        if worker.alive:
            self._fault(blow, "kill", [worker.name], 0)
            worker.end_program("kill", ("tree",) if blow.kind == "kill tree" else ("supervisor",), -9)

    def _stop(self, blow: Blow) -> None:
        worker = self._whom(blow)
        if worker.alive:
            self._fault(blow, "deploy", [worker.name], 0)
            worker.stop(max(us(self.play.world.promise.stop_grace_s), min(blow.lasts, us(1))))

    def _stall(self, blow: Blow) -> None:
        play, lasts = self.play, min(blow.lasts, us(3))
        if blow.kind == "stall host":
            play.stalled_until, name = play.now + lasts, "host"
        else:
            worker = self._whom(blow)
            worker.frozen_until, name = max(worker.frozen_until, play.now + lasts), worker.name
        by = "steal" if blow.whom % 2 else "starved"
        play.told.harness(play.now + lasts, "stall", worker=name, lo_ns=play.told.ns(play.now), by=by)

    def _kill_producer(self, blow: Blow) -> None:
        play = self.play
        unsent = [job for job in play.plans if job not in play.producer.sent]
        if not unsent or play.now < play.producer.away_until:
            return
        job = unsent[0]
        play.producer.sent[job] = None
        play.told.invoked(play.producer.pen, play.now, job, play.plans[job])
        down = max(play.producer.cut_until, play.down_until)
        if blow.whom % 2 and play.now >= down:
            play.store.enqueue(job, int(job[1:]), play.now, play.plans[job].delay)
        self._fault(blow, "kill", ["producer"], 0)
        play.told.signal(play.now + 10, "producer", play.producer.pid, "KILL")
        play.producer.killed(us(1))

    # ---- the store

    def _restart(self, blow: Blow) -> None:
        play, lasts = self.play, min(blow.lasts, us(3))
        play.down_until = max(play.down_until, play.now + lasts)
        self._fault(blow, "store_down", [], lasts)
        play.at(play.down_until, self._up)

    def _up(self) -> None:
        play = self.play
        if play.world.habits.holds and not play.store.once and play.store.broken != "no hold after an outage":
            play.store.hold_until = play.now + us(play.world.promise.lease_s)
        play.store.wakes.append(play.now)

    def _roll_back(self, blow: Blow) -> None:
        play = self.play
        if play.now < play.down_until:
            return
        lasts = min(max(blow.lasts, us(0.25)), us(1.5))  # less than two periods of the canary may not show
        play.at(play.now + lasts, self._forget, blow, play.store.copied(), play.now)

    def _forget(self, blow: Blow, copied: Any, since: int) -> None:  # noqa: ANN401  # the store's own matter
        play, lasts = self.play, us(0.1) + blow.lasts // 4
        if play.now < play.down_until:
            return
        self.losses.append((since, play.now))
        play.down_until = play.now + lasts
        kind = "restore backup" if blow.whom % 2 else "redis restart"
        play.told.fault(f"roll-{play.now}", kind, "store_down", [], play.now, play.down_until)
        play.store.restore(copied, play.down_until)
        play.store.paused = self.paused  # the operator looks, and asks again
        play.at(play.down_until, self._up)

    def _canary_sends(self, n: int) -> None:
        play = self.play
        if play.now >= play.stalled_until:
            play.told.line("canary-1-a", play.now, "canary", server="s", n=n, phase="sent")
            if play.now >= play.down_until:
                self._canary[n] = play.now
                acked = play.now + play.rng.randint(1, MILLI)
                play.told.line("canary-1-a", acked, "canary", server="s", n=n, phase="acked")
            n += 1
        if play.now < self.last + us(1):  # what it would show later is that nothing was lost
            play.at(play.now + CANARY_EVERY, self._canary_sends, n)

    def read_canary(self) -> None:
        """Which numbers the store has forgotten."""
        for n, at in self._canary.items():
            if any(since < at <= until for since, until in self.losses):
                self.play.told.line("canary-1-a", self.play.now + 1, "canary", server="s", n=n, phase="missing")

    # ---- operators

    def _pause(self, blow: Blow) -> None:
        play, took = self.play, 5 * MILLI
        if play.now < play.down_until:
            play.at(play.down_until + 1, self._pause, blow)
            return
        if self.paused:
            return
        self.paused = play.store.paused = True
        self._fault(blow, "pause", [], blow.lasts)
        play.told.op(play.now - 100, "pause", "invoked", queue="default")
        play.told.op(play.now + took, "pause", "acked", queue="default")
        play.at(play.now + took + blow.lasts, self._resume)

    def _resume(self) -> None:
        play = self.play
        if play.now < max(play.down_until, play.stalled_until):
            play.at(max(play.down_until, play.stalled_until) + 1, self._resume)
            return
        self.paused = play.store.paused = False
        play.told.op(play.now - 100, "resume", "invoked", queue="default")
        play.told.op(play.now + 5 * MILLI, "resume", "acked", queue="default")
        play.store.wakes.append(play.now)

    def _operate(self, blow: Blow) -> None:
        play, store = self.play, self.play.store
        if play.now < play.down_until:
            play.at(play.down_until + 1, self._operate, blow)
            return
        jobs = list(store.records)
        if blow.kind == "requeue":
            jobs = [job for job, record in store.records.items() if record.state == "dead"]
        if not jobs:
            return
        job = jobs[blow.whom % len(jobs)]
        play.told.op(play.now - 100, blow.kind, "invoked", job=job, queue="default")
        if blow.kind == "cancel":
            outcome = store.cancel(job, play.now)
            play.reach(f"cancel: {outcome}")
        else:
            outcome = "" if store.requeue(job, play.now) else "refused"
        play.told.op(play.now + 3 * MILLI, blow.kind, "acked", job=job, queue="default", outcome=outcome)
