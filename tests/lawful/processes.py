"""What a worker program is made of: its slots and their bodies, and what stops its processes and its messages."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.lawful.records import Held
from tests.lawful.world import us

if TYPE_CHECKING:
    from tests.lawful.play import Play

MILLI: Final = 1000
FIRST_THING: Final = "fence"  # whoever was stopped looks at its leases before anything else


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
    doomed: bool = False  # it is killed while it writes its next line

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


class Program:
    """One worker program through all its lives: who it is, and when it may act and be heard."""

    def __init__(self, play: "Play", index: int) -> None:
        self.play, self.index, self.name = play, index, f"w{index + 1}"
        self.world, self.promise, self.habits = play.world, play.world.promise, play.world.habits
        self.life = self.pid = 0
        self.alive = self.stopping = False
        self.slots: list[Slot] = []
        self.frozen_until = self.cut_until = self.slow_until = self.acked_at = 0
        self.replies_lost_until = 0

    def later(self, after: int, call: Callable[..., None], *args: object) -> None:
        """In this life, as soon as the process is let run."""
        self.play.at(self.play.now + after, self._act, self.life, call, args)

    def _act(self, life: int, call: Callable[..., None], args: tuple[object, ...]) -> None:
        if life != self.life or not self.alive:
            return
        until = max(self.frozen_until, self.play.stalled_until)
        if self.play.now < until:
            self.play.at(
                until + (0 if call.__name__ == FIRST_THING else self.play.rng.randint(1, 900)),
                self._act,
                life,
                call,
                args,
            )
        else:
            call(*args)

    def send(self, step: Callable[[bool], Any], then: Callable[[Any], None], *, again: bool = False) -> None:
        """A request to the store: ``step`` there (told whether it is a repetition), ``then`` here with the reply."""
        now, rng = self.play.now, self.play.rng
        if now < self.slow_until and rng.random() < 0.8:
            lag = min(rng.randint(1, us(0.6)), self.slow_until - now)
            self.later(lag, self._deliver, step, then, again)
        else:
            self._deliver(step, then, again)

    def _deliver(self, step: Callable[[bool], Any], then: Callable[[Any], None], again: bool) -> None:  # noqa: FBT001
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
