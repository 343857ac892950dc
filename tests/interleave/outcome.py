"""What a step does to the world outside of Redis."""

from dataclasses import replace
from typing import Any

from tests.interleave.store import Keys
from tests.interleave.world import ANSWERED, ARRIVES, HELD, UNANSWERED, Command, Job, Slot, Step, World, number_of


def alone(world: World, step: Step, blob: bytes) -> World:
    """The world after a step that sends no command."""
    left = world.left
    if step.what == "wait":
        return world._replace(left=replace(left, waits=left.waits - 1))
    if step.what == "save":
        return world._replace(saved=blob)
    if step.what == "roll back":
        return world._replace(left=replace(left, rollbacks=left.rollbacks - 1), saved=b"", rolled_back=True)
    world = world._replace(left=replace(left, kills=left.kills - 1))
    if step.what == "kill worker":
        for slot in world.slots:
            world = _killed(world, slot)
        return world._replace(untold=())
    (slot,) = (slot for slot in world.slots if slot.name == step.about)
    ran = "crashes" if slot.does in ("runs", "tells") else ""
    return _killed(world, slot)._replace(untold=(*world.untold, (slot.name, ran)))


def _killed(world: World, slot: Slot) -> World:
    """Its job may start once more; another incarnation takes its place."""
    if slot.does in ("runs", "tells"):
        world = _job(world, slot.job, causes=1)
    return _born(world, slot)


def _born(world: World, old: Slot) -> World:
    slots = tuple(Slot(f"s{world.born}") if slot == old else slot for slot in world.slots)
    return world._replace(slots=slots, born=world.born + 1)


def _job(world: World, name: str, causes: int = 0, starts: int = 0, **changes: bool) -> World:
    jobs = list(world.jobs)
    job = jobs[number_of(name)]
    jobs[number_of(name)] = job._replace(causes=job.causes + causes, starts=job.starts + starts, **changes)
    return world._replace(jobs=tuple(jobs))


def sent(world: World, step: Step, reply: list[Any], before: Keys, after: Keys) -> World:
    """The world after a command; ``reply`` is empty where it has not arrived."""
    assert step.command
    left = world.left
    if step.how == UNANSWERED:
        world = world._replace(left=replace(left, lost=left.lost - 1))
    elif step.how == HELD:
        world = world._replace(left=replace(left, held=left.held - 1), held=(*world.held, step.command))
    elif step.how == ARRIVES:
        held = list(world.held)
        held.remove(step.command)
        world = world._replace(held=tuple(held))
    if reply:
        world = _took_effect(world, step.command, reply, before, after)
    if step.how != ARRIVES:
        world = _sender(world, step, reply if step.how == ANSWERED else [])
    return world


def _took_effect(world: World, command: Command, reply: list[Any], before: Keys, after: Keys) -> World:
    """What is so from now on, whether its sender hears of it or not."""
    what, word = command.what, reply[0]
    if what == "claim" and word in (b"claimed", b"replayed"):
        return world._replace(fence=max(world.fence, int(reply[4])))
    if what == "complete" and word == b"applied":
        return _job(world, command.arguments[1], completed=True)
    if what == "fail" and reply == [b"applied", b"retry"]:
        return _job(world, command.arguments[1], causes=1)
    if what == "slot_dead":
        return world._replace(told=tuple(sorted({*world.told, command.about})))
    if what == "sweep":
        for name in before.pairs("rq:sp:lease:q").keys() - after.pairs("rq:sp:lease:q").keys():
            world = _job(world, name, causes=1)
    return world


def _sender(world: World, step: Step, reply: list[Any]) -> World:
    """What its sender makes of the answer; ``reply`` is empty where it hears nothing."""
    assert step.command
    what, left = step.what, world.left
    if what == "enqueue":
        word = reply[0] if reply else b""
        return _job(world, step.about, **_answer_to_producer(word))
    if what == "slot_dead":
        if reply:
            world = world._replace(untold=tuple(each for each in world.untold if each[0] != step.about))
        return world
    if what == "sweep":
        return world._replace(left=replace(left, sweeps=left.sweeps - 1))
    if what == "heartbeat":
        world = world._replace(left=replace(left, heartbeats=left.heartbeats - 1))
        return _renewed(world, step.command, reply)
    if what == "claim":
        return _claimed(world, step.command, reply)
    exec_ = step.command.arguments[2]
    (slot,) = (slot for slot in world.slots if slot.exec == exec_)
    return _slot(world, slot, slot._replace(does="idle", job="", step="") if reply else _tells(slot, what))


def _answer_to_producer(word: bytes) -> dict[str, bool]:
    if word in (b"applied", b"known"):
        return {"sent": True, "acknowledged": True}
    return {"sent": True, "given_up": word == b"expired"}


def _tells(slot: Slot, what: str) -> Slot:
    return slot._replace(does="tells", step=what)


def _slot(world: World, old: Slot, new: Slot) -> World:
    return world._replace(slots=tuple(new if slot == old else slot for slot in world.slots))


def _renewed(world: World, command: Command, reply: list[Any]) -> World:
    """A supervisor ends the runs that have lost their leases; the job's next start is no fault."""
    for index in reply[1] if reply else []:
        exec_ = command.arguments[3 * index]
        for slot in world.slots:
            if slot.exec == exec_:
                world = _slot(world, slot, slot._replace(does="idle", job="", step=""))
    return world


def _claimed(world: World, command: Command, reply: list[Any]) -> World:
    name, seq = command.arguments[:2]
    (slot,) = (slot for slot in world.slots if slot.name == name)
    if not reply:
        return _slot(world, slot, slot._replace(seq=seq, does="asks"))
    if reply[0] in (b"claimed", b"replayed"):
        job = reply[2].decode()
        return _job(_slot(world, slot, slot._replace(seq=seq, does="runs", job=job)), job, starts=1)
    if reply[0] == b"none":
        return _slot(world, slot, slot._replace(seq=seq, does="idle"))
    return _born(world, slot)  # closed, after a roll-back: its worker starts another


def starts_allowed(job: Job) -> int:
    """One, and one more for each cause."""
    return 1 + job.causes
