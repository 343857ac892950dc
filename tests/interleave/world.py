"""The bounded world: who is there, what each believes, and every step that may come next.

One queue. Producers send each job once and again until they are answered. One worker has the slots. What the network
does to a command is part of the step: it is answered; it takes effect and its answer is lost; or it is held somewhere,
to arrive at any later time, while its sender tries again. Time passes in steps of a little more than a lease.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.system.reference.calls import ISO, LEASE_US, START_US

ANSWERED, UNANSWERED, HELD, ARRIVES = "", "answer lost", "held", "arrives"
WAIT_US = LEASE_US + 1
RESTART_US = 1000  # a Redis that comes back has taken a moment
NOT_AFTER_US = START_US + LEASE_US // 2  # over after the first wait
ATTEMPTS_MAX, CRASHES_MAX, STALLS_MAX = 2, 2, 2
INTERVAL_US = 10 * WAIT_US  # of sweeps: waiting is no gap, another Redis is


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may happen in all; ``claims``: by each slot."""

    jobs: int = 2
    slots: int = 2
    lost: int = 1
    held: int = 1
    kills: int = 1
    waits: int = 1
    rollbacks: int = 1
    sweeps: int = 2
    heartbeats: int = 1
    claims: int = 2


class Slot(NamedTuple):
    """``does``: idle, asks (a claim is unanswered), runs, or tells (an outcome, ``step``, is unanswered)."""

    name: str
    seq: int = 0
    does: str = "idle"
    job: str = ""
    step: str = ""

    @property
    def exec(self) -> str:
        return f"{self.name}.{self.seq}"


class Job(NamedTuple):
    """What is known outside of Redis. ``causes``: of further starts, those that a queue is allowed."""

    sent: bool = False
    acknowledged: bool = False
    given_up: bool = False
    starts: int = 0
    causes: int = 0
    completed: bool = False


class Command(NamedTuple):
    """``what``: the transition; ``about``: the job's or the slot's name; ``arguments``: as the script takes them."""

    what: str
    about: str
    arguments: tuple[Any, ...]


class World(NamedTuple):
    """Everything outside of Redis."""

    left: Bounds
    jobs: tuple[Job, ...]
    slots: tuple[Slot, ...]
    held: tuple[Command, ...] = ()
    untold: tuple[tuple[str, str], ...] = ()  # slots that died, and what is to be counted
    told: tuple[str, ...] = ()  # slots whose death was told
    born: int = 0
    fence: int = 0
    saved: bytes = b""  # an earlier Redis
    rolled_back: bool = False


class Step(NamedTuple):
    """``how``: what the network does to it. A step without a command is one of the world alone."""

    what: str
    about: str = ""
    how: str = ANSWERED
    command: Command | None = None

    def __str__(self) -> str:
        said = f" {self.command.arguments[1]}" if self.command and self.command.what == "claim" else ""
        return f"{self.what}{f'({self.about}{said})' if self.about else ''}{f' [{self.how}]' if self.how else ''}"


def begin(bounds: Bounds) -> World:
    """Nothing has happened yet."""
    slots = tuple(Slot(f"s{number}") for number in range(bounds.slots))
    return World(bounds, (Job(),) * bounds.jobs, slots, born=bounds.slots)


def name_of(number: int) -> str:
    return "abcdefgh"[number]


def number_of(name: str) -> int:
    return ord(name) - ord("a")


def steps(world: World) -> Iterator[Step]:
    """All that may happen next."""
    left = world.left
    for what, about, command in _commands(world):
        yield Step(what, about, ANSWERED, command)
        if left.lost:
            yield Step(what, about, UNANSWERED, command)
        if left.held and what != "sweep":
            yield Step(what, about, HELD, command)
    for command in world.held:
        yield Step(command.what, command.about, ARRIVES, command)
    yield from _alone(world)


def _alone(world: World) -> Iterator[Step]:
    left = world.left
    if left.kills:
        for slot in world.slots:
            if slot.does != "idle":
                yield Step("kill slot", slot.name)
        if any(slot.does != "idle" for slot in world.slots):
            yield Step("kill worker")
    if left.waits:
        yield Step("wait")
    if left.rollbacks and not world.saved:
        yield Step("save")
    if left.rollbacks and world.saved:
        yield Step("roll back")


def _idle_twin(slots: tuple[Slot, ...], number: int) -> bool:
    """Slots that have done nothing are all the same: the first stands for them."""
    return not slots[number].seq and any(not slot.seq for slot in slots[:number])


def _commands(world: World) -> Iterator[tuple[str, str, Command]]:
    for number, job in enumerate(world.jobs):
        if job.acknowledged or job.given_up or (number and not world.jobs[number - 1].sent):
            continue
        name = name_of(number)
        yield "enqueue", name, Command("enqueue", name, ("q", name, NOT_AFTER_US, 0, ISO, "data", "call"))
    for number, slot in enumerate(world.slots):
        if not _idle_twin(world.slots, number):
            yield from _of_slot(slot, world.left.claims)
    busy = [slot for slot in world.slots if slot.does in ("runs", "tells")]
    if busy and world.left.heartbeats:
        named = tuple(part for slot in busy for part in ("q", slot.job, slot.exec))
        about = " ".join(slot.exec for slot in busy)
        yield "heartbeat", about, Command("heartbeat", about, (LEASE_US, *named))
    for gone, counter in world.untold:
        yield "slot_dead", gone, Command("slot_dead", gone, (gone, counter, CRASHES_MAX, "crashed", ISO, "w", "", ""))
    if world.left.sweeps:
        yield "sweep", "", Command("sweep", "", ("q", 100, STALLS_MAX, LEASE_US, INTERVAL_US, ISO))


def _of_slot(slot: Slot, claims: int) -> Iterator[tuple[str, str, Command]]:
    if slot.does in ("idle", "asks"):
        seq = slot.seq + (slot.does == "idle")
        if seq <= claims:
            yield "claim", slot.name, Command("claim", slot.name, (slot.name, seq, LEASE_US, "w", "", ISO, "q"))
        return
    about = f"{slot.job} by {slot.exec}"
    for what in (slot.step,) if slot.does == "tells" else ("complete", "fail"):
        if what == "complete":
            arguments: tuple[Any, ...] = ("q", slot.job, slot.exec, 0, ISO, "w", "", "")
        else:
            arguments = ("q", slot.job, slot.exec, "error", ATTEMPTS_MAX, 0, ISO, "w", "", "E", "")
        yield what, about, Command(what, about, arguments)
