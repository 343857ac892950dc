"""Worker programs at work: the supervisor's round, and each slot's."""

from typing import Final

from tests.lawful.ends import FATAL, Mortal
from tests.lawful.processes import MILLI, Body, Slot
from tests.lawful.records import Held
from tests.lawful.world import us

LONG: Final = us(60)
FALLS_FROM: Final = 10**6
"""A fence that no history's grants come up to."""


class Worker(Mortal):
    """One worker program through all its lives."""

    def spawn(self, at: int | None = None) -> None:
        """The harness starts the program (again)."""
        now = self.play.now
        self.life += 1
        self.pid, self.alive, self.stopping = self.play.new_pid(), True, False
        self.frozen_until, self.acked_at = 0, now
        self.play.told.harness(now if at is None else at, "spawned", worker=self.name, pid=self.pid,
                               pid_start=self.pid, life=self.life)  # fmt: skip
        self.slots = []
        for _ in range(self.promise.slots):
            self.new_slot()
        if not self.play.store.once:
            self._arm_fence()
            self.later(self._noise(self._beat_every()), self.beat)
            self.later(self._noise(us(self.promise.sweep_s) // 2), self.sweep)

    def new_slot(self) -> None:
        if self.stopping:
            return
        slot = Slot(self.play.new_pid())
        self.slots.append(slot)
        self.ask(slot)

    def _open(self, slot: Slot) -> None:
        slot.writer = f"worker-{slot.pid}-{self.name}"
        self.play.told.open(slot.writer, self.play.now - 10, "worker", self.name, slot.pid)

    # ---- the supervisor

    def _beat_every(self) -> int:
        return us(self.promise.heartbeat_s) * 8 // 10

    def beat(self) -> None:
        """Renew what all slots hold, now and again after a while."""
        sent, held = self.play.now, [each for slot in self.slots for each in slot.holds]
        self.send(lambda _: self.play.store.extend(held, self.play.now), lambda lost: self._beaten(sent, lost))
        self.later(self._beat_every() - self._noise(self._beat_every() // 8), self.beat)
        if self.habits.gives_up and max(self.cut_until, self.play.down_until) > sent + us(1):
            self.later(us(0.9), self._give_up)

    def _beaten(self, sent: int, lost: list[Held]) -> None:
        self.acked_at = max(self.acked_at, sent)
        self._arm_fence()
        for slot in list(self.slots):
            slot.hand = [held for held in slot.hand if held not in lost]
            if slot.beginning in lost:
                slot.beginning = None
                self.later(1, self.following, slot)
            body = slot.body
            if body and body.held in lost and not body.over and self.habits.kills_zombies:
                self.play.reach("zombie ended")
                self.die(slot, "zombie", None)
            record = body and self.play.store.records.get(body.held.job)
            if body and record and record.cancel_asked and body.held not in lost and not body.over and not slot.dead:
                if self.habits.kills_cancelled:
                    self.play.reach("cancelled body killed")
                    self.die(slot, "cancelled", None)
                else:
                    self.play.reach("cancelled body told")
                    body.outcome, body.ends = "cancelled", self.play.now
                    self.end(slot, body)

    def _arm_fence(self) -> None:
        if self.habits.fences_itself and self.play.store.broken != "does not fence itself":
            due = self.acked_at + us(self.promise.lease_s) - us(self.promise.margin_s)
            self.later(max(due - self.play.now, 0), self.fence, self.acked_at)

    def fence(self, acked_at: int) -> None:
        """No heartbeat was acknowledged since: the leases may end, so the bodies must."""
        if acked_at != self.acked_at:
            return
        for slot in list(self.slots):
            if slot.body and not slot.body.over:
                self.play.reach("fenced itself")
                self.die(slot, "fenced", None)

    def sweep(self) -> None:
        """Any supervisor does it for all."""
        self.send(lambda _: self.play.store.sweep(self.play.now), lambda _: None)
        self.later(us(self.promise.sweep_s) * 3 // 4, self.sweep)

    def _give_up(self) -> None:
        if self.play.now < max(self.cut_until, self.play.down_until):
            self.play.reach("worker gave up")
            self.end_program("gave up", signals=(), status=1)

    # ---- a slot's round: ask, begin, end, report

    def ask(self, slot: Slot, at_most: int = 0) -> None:
        """It asks for work within ``at_most``."""
        if slot.idle and not self.stopping:
            slot.asking = True
            self.later(self._noise(at_most), self._claim, slot)

    def _claim(self, slot: Slot) -> None:
        store, n = self.play.store, self.promise.prefetch

        def step(again: bool) -> list[Held]:  # noqa: FBT001
            return [] if slot.dead or self.stopping else store.claim(self.play.now, slot.pid, n, again=again)

        self.send(step, lambda held: self._got(slot, held))

    def _got(self, slot: Slot, held: list[Held]) -> None:
        slot.asking = False
        if slot.dead:
            return  # what it was given comes back when its lease ends
        slot.hand = list(held)
        if held or self.stopping:
            self.following(slot)

    def following(self, slot: Slot) -> None:
        """The next of its hand, or more work."""
        if slot.dead or slot.beginning or slot.body:
            return
        if slot.hand:
            slot.beginning = slot.hand.pop(0)
            gap = us(self.promise.start_gap_s) * 8 // 10 // self.promise.prefetch
            self.later(
                self._noise(gap if self.play.rng.random() < 0.3 else min(gap, 5 * MILLI)),
                self.begin,
                slot,
                slot.beginning,
            )
        elif self.stopping:
            self.die(slot, "stopped", 0)
        elif slot.idle:
            slot.asking = True
            self._claim(slot)

    def begin(self, slot: Slot, held: Held) -> None:
        """The body's first line, and its plan."""
        if slot.dead or slot.beginning is not held:
            return
        if not slot.writer:
            self._open(slot)
        slot.beginning = None
        now, store = self.play.now, self.play.store
        run, plan = f"{held.job}-{held.grant}.{self.play.count()}", self.play.plan_of(held.job)
        body = slot.body = Body(held, run, plan.spec, now, now, "ok")
        wrong = store.broken == "arguments corrupted" and held.grant % 3 == 0
        line = self.play.told.line(
            slot.writer, now, "started", job=held.job, run=run,
            attempt=1 if store.broken == "tells each run the first attempt" else held.attempt,
            fence=self._fence(held) if self.promise.fenced else 0,
            args_sum="x" if wrong else f"a-{held.job}",
        )  # fmt: skip
        if slot.doomed:
            self.play.blows.kill_in_a_line(self, slot, line)
            return
        self.play.ran(held.job, now)
        self._plan(slot, body, plan.takes, now)

    def _fence(self, held: Held) -> int:
        return FALLS_FROM - held.grant if self.play.store.broken == "fences fall" else held.grant

    def _plan(self, slot: Slot, body: Body, takes: int, now: int) -> None:
        policy, spec, broken = self.world.policy, body.spec, self.play.store.broken
        if spec in FATAL:
            self.later(min(takes, us(0.2)), self._fatal, slot, body)
            return
        if broken == "process ends for nothing" and body.held.grant % 3 == 0:
            self.later(min(takes, us(0.2)), self.die, slot, "crash", 1)
            return
        times = {"fail": 10**6, "fail once": 1, "fail twice": 2}.get(spec, 0)
        body.outcome = "error" if body.held.attempt <= times else "ok"
        takes = LONG if spec in {"hang", "hang_c"} else takes
        since = body.held.at if self.habits.timer_from_grant and self.promise.prefetch == 1 else now
        limit = since + us(policy.timeout_s) * (1 if broken != "times out early" else 0) - now
        limit = max(limit, 1)
        if takes < limit or broken == "timeout unenforced":
            body.ends = now + (takes if takes < LONG else us(policy.timeout_s + policy.grace_s + 1.5))
            self.later(body.ends - now, self.end, slot, body)
        elif self.habits.soft_timeout and spec != "hang_c":
            body.outcome, body.ends = "timeout", now + limit + self._noise(us(policy.grace_s) // 2)
            self.later(body.ends - now, self.end, slot, body)
        else:
            body.ends = now + limit + us(policy.grace_s) - self._noise(us(policy.grace_s) // 3)
            self.later(body.ends - now, self._hard_end, slot, body)

    def _fatal(self, slot: Slot, body: Body) -> None:
        if slot.body is not body or slot.dead or body.over:
            return
        if body.spec == "exit":
            self.play.reach("spec ended its process")
            self.die(slot, "crash", 1)
        else:
            self.play.reach("spec ended its worker")
            self.end_program("its job", signals=(), status=-9)

    def _hard_end(self, slot: Slot, body: Body) -> None:
        if slot.body is body and not slot.dead and not body.over:
            self.play.reach("hard timeout")
            self.die(slot, "timeout", None)

    def end(self, slot: Slot, body: Body) -> None:
        """The body's last line; its report follows."""
        if slot.body is not body or slot.dead or body.over:
            return
        body.over = True
        now = self.play.now
        line = self.play.told.line(
            slot.writer, now, "ended", job=body.held.job, run=body.run, outcome=body.outcome, sum=f"r-{body.run}"
        )
        if slot.doomed:
            body.over = False
            self.play.blows.kill_in_a_line(self, slot, line)
            return
        self.play.ended(body.held.job, now, body.outcome)
        most = us(self.promise.report_s) * 8 // 10
        self.later(
            self._noise(most if self.play.rng.random() < 0.2 else min(most, 5 * MILLI)), self._report, slot, body
        )

    def _report(self, slot: Slot, body: Body) -> None:
        if slot.dead:
            return
        store = self.play.store

        def step(_: object) -> None:
            store.complete(body.held, body.outcome, f"r-{body.run}", self.play.now, stopping=self.stopping)

        self.send(step, lambda _: self._reported(slot, body))

    def _reported(self, slot: Slot, body: Body) -> None:
        if slot.dead or slot.body is not body:
            return
        slot.body = None
        if self.habits.forks:
            self.play.gone(self.name, slot.pid, 0)
            slot.pid, slot.writer = self.play.new_pid(), ""
        self.following(slot)
