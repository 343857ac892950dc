"""How the processes of a worker program end: killed, stopped, with their supervisor, by their job or their timeout."""

from typing import Final

from tests.lawful.processes import MILLI, Program, Slot
from tests.lawful.records import Held
from tests.lawful.world import us

RESPAWN: Final = us(1)
FATAL: Final = frozenset({"exit", "kill_worker"})


class Mortal(Program):
    """A program whose processes die."""

    def spawn(self) -> None:
        """The harness starts it again."""
        raise NotImplementedError

    def new_slot(self) -> None:
        """The supervisor fills a dead slot's place."""
        raise NotImplementedError

    def die(self, slot: Slot, why: str, status: int | None) -> None:
        """A slot's process is gone; while its supervisor lives, that sees it, says so, and fills its place."""
        if slot.dead:
            return
        slot.dead = True
        body = slot.body
        self.play.gone(self.name, slot.pid, status)
        if slot in self.slots:
            self.slots.remove(slot)
        if not self.alive:
            return
        if why == "stopped":
            self._stopped_when_empty()
        elif not self.stopping:
            self.later(self._noise(20 * MILLI), self.new_slot)
        hidden = slot.beginning if self.habits.counts_hidden else None
        running = (body.held if body else None) or hidden
        held, cause = slot.holds, "timeout" if why == "timeout" else "crash"
        if held:
            release = why == "aborted"
            self.later(self._noise(20 * MILLI), self._tell_death, held, running, cause, release)
        if self.stopping and why != "stopped":
            self.later(30 * MILLI, self._stopped_when_empty)

    def _tell_death(self, held: list[Held], running: Held | None, cause: str, release: bool) -> None:  # noqa: FBT001
        store = self.play.store
        if release:
            self.send(lambda _: store.release(held, self.play.now, running), lambda _: None)
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
                self._tell_death(unstarted, None, "", True)  # noqa: FBT003
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
