"""Worker programs: supervisors with their slots, as processes that can be killed, stopped and cut off."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.lawful.store import Held
from tests.lawful.world import us

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lawful.play import Play

MILLI: Final = 1000
RESPAWN: Final = 1_000_000
FATAL: Final = frozenset({"exit", "kill_worker"})
LONG: Final = us(60)


@dataclass(slots=True)
class Body:
    """One run on its way."""

    held: Held
    run: str
    spec: str
    started: int
    ends: int
    outcome: str
    over: bool = False  # it wrote its end
    reporting: bool = False
    last_line: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Slot:
    """One process that runs bodies; ``hand``: what it claimed and has not begun."""

    pid: int
    writer: str = ""
    hand: list[Held] = field(default_factory=list)
    beginning: Held | None = None
    body: Body | None = None
    dead: bool = False
    asking: bool = False

    @property
    def holds(self) -> list[Held]:
        """All that its supervisor renews."""
        mine = [*self.hand]
        if self.beginning:
            mine.append(self.beginning)
        if self.body:
            mine.append(self.body.held)
        return mine

    @property
    def idle(self) -> bool:
        """Whether it has nothing to do and waits for no reply."""
        return not (self.dead or self.asking or self.hand or self.beginning or self.body)


class Worker:
    """One worker program through all its lives."""

    def __init__(self, play: "Play", index: int) -> None:
        self.play, self.index, self.name = play, index, f"w{index + 1}"
        self.world, self.promise, self.habits = play.world, play.world.promise, play.world.habits
        self.life = self.pid = 0
        self.alive = self.stopping = False
        self.slots: list[Slot] = []
        self.frozen_until = self.cut_until = self.slow_until = self.acked_at = 0
        self.replies_lost_until = 0

    # ---- lives

    def spawn(self, at: int = -1) -> None:
        """The harness starts the program (again)."""
        now = self.play.now
        self.life += 1
        self.pid, self.alive, self.stopping = self.play.new_pid(), True, False
        self.frozen_until, self.acked_at = 0, now
        self.play.told.harness(at if self.life == 1 else now, "spawned", worker=self.name, pid=self.pid,
                               pid_start=self.pid, life=self.life)  # fmt: skip
        self.slots = []
        for _ in range(self.promise.slots):
            self._new_slot()
        if not self.play.store.once:
            self.later(self._noise(self._beat_every()), self.beat)
            self.later(self._noise(us(self.promise.sweep_s) // 2), self.sweep)

    def _new_slot(self) -> None:
        if self.stopping:
            return
        slot = Slot(self.play.new_pid())
        self.slots.append(slot)
        self.ask(slot)

    def _open(self, slot: Slot) -> None:
        slot.writer = f"worker-{slot.pid}-{self.name}"
        self.play.told.open(slot.writer, self.play.now - 10, "worker", self.name, slot.pid)

    # ---- time: what stops a process, what stops a message

    def later(self, after: int, call: "Callable[..., None]", *args: object) -> None:
        """In this life, as soon as the process is let run."""
        self.play.at(self.play.now + after, self._act, self.life, call, args)

    def _act(self, life: int, call: "Callable[..., None]", args: tuple[object, ...]) -> None:
        if life != self.life or not self.alive:
            return
        until = max(self.frozen_until, self.play.stalled_until)
        if self.play.now < until:
            self.play.at(
                until + (0 if call == self.fence else self.play.rng.randint(1, 900)), self._act, life, call, args
            )
        else:
            call(*args)

    def send(self, step: "Callable[[bool], Any]", then: "Callable[[Any], None]", *, again: bool = False) -> None:
        """A request to the store: ``step`` there (told whether it is a repetition), ``then`` here with the reply."""
        now, rng = self.play.now, self.play.rng
        if now < self.slow_until and rng.random() < 0.8:
            lag = min(rng.randint(1, us(0.6)), self.slow_until - now)
            self.later(lag, self._deliver, step, then, again)
        else:
            self._deliver(step, then, again)

    def _deliver(self, step: "Callable[[bool], Any]", then: "Callable[[Any], None]", again: bool) -> None:  # noqa: FBT001
        down = max(self.cut_until, self.play.down_until)
        if self.play.now >= down:
            then(step(again))
            return
        loses = self.play.down_until <= self.play.now < self.replies_lost_until
        if loses and not again and self.play.rng.random() < 0.6:
            self.play.reach("reply lost")
            step(again)
            again = True
        self.later(down - self.play.now + self._reconnects(), self._deliver, step, then, again)

    def _reconnects(self) -> int:
        return self._noise(us(self.promise.reconnect_s) * 8 // 10)

    def _noise(self, most: int) -> int:
        return self.play.rng.randint(1, max(most, 1))

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
        if self.habits.fences_itself and self.play.store.broken != "does not fence itself":
            self.later(max(self._fence_due() - self.play.now, 0), self.fence, sent)
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
                body.outcome, body.ends = "cancelled", self.play.now
                self.end(slot, body)

    def _fence_due(self) -> int:
        return self.acked_at + us(self.promise.lease_s) - us(self.promise.margin_s)

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
        self.later(us(self.promise.sweep_s) // 2, self.sweep)

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
        body.last_line = self.play.told.line(
            slot.writer, now, "started", job=held.job, run=run, attempt=held.attempt,
            fence=held.grant if self.promise.fenced else 0, args_sum="x" if wrong else f"a-{held.job}",
        )  # fmt: skip
        self.play.ran(held.job, now)
        self._plan(slot, body, plan.takes, now)

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
        body.last_line = self.play.told.line(
            slot.writer, now, "ended", job=body.held.job, run=body.run, outcome=body.outcome, sum=f"r-{body.run}"
        )
        self.play.ended(body.held.job, now, body.outcome)
        most = us(self.promise.report_s) * 8 // 10
        self.later(
            self._noise(most if self.play.rng.random() < 0.2 else min(most, 5 * MILLI)), self._report, slot, body
        )

    def _report(self, slot: Slot, body: Body) -> None:
        if slot.dead:
            return
        store, body.reporting = self.play.store, True
        self.send(lambda _: store.complete(body.held, body.outcome, f"r-{body.run}", self.play.now),
                  lambda _: self._reported(slot, body))  # fmt: skip

    def _reported(self, slot: Slot, body: Body) -> None:
        if slot.dead or slot.body is not body:
            return
        slot.body = None
        if self.habits.forks:
            self.play.gone(self.name, slot.pid, 0)
            slot.pid, slot.writer = self.play.new_pid(), ""
        self.following(slot)

    # ---- ends of processes

    def die(self, slot: Slot, why: str, status: int | None) -> None:
        """A slot's process is gone; while its supervisor lives, that sees it, says so, and fills its place."""
        if slot.dead:
            return
        slot.dead = True
        body = slot.body
        if body and why == "kill" and not body.reporting:
            self.play.tear(body.last_line)
        self.play.gone(self.name, slot.pid, status)
        if slot in self.slots:
            self.slots.remove(slot)
        if not self.alive:
            return
        if why == "stopped":
            self._stopped_when_empty()
        elif not self.stopping:
            self.later(self._noise(20 * MILLI), self._new_slot)
        hidden = slot.beginning if self.habits.counts_hidden else None
        running = (body.held if body else None) or hidden
        held, cause = slot.holds, "timeout" if why == "timeout" else "crash"
        if held:
            release = why in {"aborted"}
            store = self.play.store
            self.later(self._noise(20 * MILLI), self._tell_death, held, running, cause, release, store)
        if self.stopping and why != "stopped":
            self.later(30 * MILLI, self._stopped_when_empty)

    def _tell_death(self, held: list[Held], running: Held | None, cause: str, release: bool, store: Any) -> None:  # noqa: ANN401, FBT001
        if release:
            self.send(lambda _: store.release(held, self.play.now), lambda _: None)
        else:
            self.send(lambda _: store.slot_dead(held, running, cause, self.play.now), lambda _: None)

    def end_program(self, why: str, signals: tuple[str, ...], status: int | None) -> None:
        """The supervisor is gone, its slots follow: killed with it, by their parent's death, or at their body's end."""
        if not self.alive:
            return
        self.alive = False
        tree = "tree" in signals
        if signals:
            self.play.told.signal(self.play.now, self.name, self.pid, "KILL")
        slots, self.slots = self.slots, []
        for slot in slots:
            if tree:
                self.play.told.signal(self.play.now, self.name, slot.pid, "KILL")
                self.die(slot, "kill", -9)
            elif self.habits.orphans_live and slot.body and not slot.body.over and why == "kill":
                self.play.reach("orphan")
                until = max(slot.body.ends if slot.body.spec not in FATAL else 0, self.frozen_until, self.play.now) + 1
                self.play.at(until, self._orphan_ends, slot, self.life)
            else:
                self.play.at(self.play.now + self._noise(5 * MILLI), self.die, slot, "orphan", None)
        self.play.gone(self.name, self.pid, status)
        self.play.at(self.play.now + RESPAWN, self.spawn)

    def _orphan_ends(self, slot: Slot, life: int) -> None:
        body = slot.body
        if body and not slot.dead and body.spec not in FATAL and body.spec != "hang_c":
            body.over = True
            self.play.told.line(
                slot.writer, self.play.now, "ended", job=body.held.job, run=body.run, outcome=body.outcome,
                sum=f"r-{body.run}",
            )  # fmt: skip
            self.play.ended(body.held.job, self.play.now, body.outcome)
        del life
        self.die(slot, "orphan", None)

    def stop(self, grace: int) -> None:
        """SIGTERM to the supervisor: begin nothing, wait for what runs, abort what outlives the grace."""
        if self.stopping or not self.alive:
            return
        self.play.told.signal(self.play.now, self.name, self.pid, "TERM")
        self.later(1, self._drain, grace)

    def _drain(self, grace: int) -> None:
        self.stopping = True
        for slot in list(self.slots):
            unstarted, slot.hand, slot.beginning = [*slot.hand, *([slot.beginning] if slot.beginning else [])], [], None
            if unstarted:
                store = self.play.store
                self.send(lambda _, held=unstarted: store.release(held, self.play.now), lambda _: None)
            if not slot.body:
                self.die(slot, "stopped", 0)
        if self.promise.stop_is_a_cause or self.play.store.broken == "stops without a word":
            self.later(grace, self._abort)

    def _abort(self) -> None:
        for slot in list(self.slots):
            if slot.body and not slot.body.over:
                self.play.reach("aborted at a stop")
                self.die(slot, "aborted", -9)

    def _stopped_when_empty(self) -> None:
        if self.stopping and not self.slots and self.alive:
            self.alive = False
            self.play.gone(self.name, self.pid, 0)
            self.play.at(self.play.now + RESPAWN, self.spawn)
