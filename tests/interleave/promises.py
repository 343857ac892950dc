"""What must be so after every step, said in terms of jobs, runs and outside systems, not of the scripts."""

from collections.abc import Iterator
from typing import Any

from tests.interleave.outcome import starts_allowed
from tests.interleave.store import Keys
from tests.interleave.world import ATTEMPTS_MAX, CRASHES_MAX, STALLS_MAX, Command, Step, World, name_of

LEASES = "rq:sp:lease:q"


def broken(world: World, step: Step, reply: list[Any], before: Keys, after: Keys) -> Iterator[str]:
    """Each promise that ``step`` broke; ``world`` is the one before it for what a command may do."""
    if step.command and reply:
        yield from _of_command(world, step.command, reply, before, after)


def _of_command(world: World, command: Command, reply: list[Any], before: Keys, after: Keys) -> Iterator[str]:
    granted = command.what == "claim" and reply[0] in (b"claimed", b"replayed")
    if granted and int(reply[4]) <= world.fence:
        yield f"fence {reply[4].decode()} is not above one that an outside system may have seen ({world.fence})"
    if granted and not world.rolled_back and world.jobs[ord(reply[2]) - ord("a")].completed:
        yield f"job {reply[2].decode()} is granted again although it completed"
    if command.what in ("complete", "fail"):
        job, exec_ = command.arguments[1:3]
        if before.job(job).get("exec") != exec_ and before.all != after.all:
            yield f"{command.what} of {exec_}, which does not hold {job}, changed something"
    if command.what == "heartbeat":
        yield from _of_heartbeat(command, reply, before, after)
    if command.what == "sweep" and before.pairs("rq:sp:sweep:q").get("run_id") == "another":
        for job in before.pairs(LEASES).keys() - after.pairs(LEASES).keys():
            yield f"Redis was away, and the lease of {job} ended before its holder could renew it"


def _of_heartbeat(command: Command, reply: list[Any], before: Keys, after: Keys) -> Iterator[str]:
    held = [tuple(command.arguments[at + 1 : at + 3]) for at in range(1, len(command.arguments), 3)]
    for index, (job, exec_) in enumerate(held, 1):
        if before.job(job).get("exec") == exec_ and job in before.pairs(LEASES):
            continue
        if index not in reply[1]:
            yield f"the run {exec_} of {job} has lost its lease, and is not told so"
        renewed = before.pairs(LEASES).get(job) != after.pairs(LEASES).get(job)
        if renewed and (job, before.job(job).get("exec")) not in held:
            yield f"the run {exec_}, which does not hold {job}, renewed its lease"


def broken_now(world: World, keys: Keys) -> Iterator[str]:
    """Each promise that does not hold in this state."""
    for number, job in enumerate(world.jobs):
        name = name_of(number)
        places, record = keys.places(name), keys.job(name)
        if len(places) > 1:
            yield f"job {name} is in {' and '.join(places)}"
        if places and not record:
            yield f"job {name} is in {places[0]} without a record"
        counts = {counter: int(record.get(counter, 0)) for counter in ("attempts", "crashes", "stalls")}
        spent = counts["attempts"] >= ATTEMPTS_MAX or counts["crashes"] >= CRASHES_MAX or counts["stalls"] >= STALLS_MAX
        if ("dead" in places) != spent:
            yield f"job {name} is in {places}, with {counts}"
        if world.rolled_back:
            continue  # writes are lost: a job may be gone, or start again
        if job.acknowledged and not job.completed and not places:
            yield f"job {name} was acknowledged and is gone"
        if job.starts > starts_allowed(job):
            yield f"job {name} started {job.starts} times, {starts_allowed(job)} had a cause"
    if not world.rolled_back:
        yield from _leases_without_a_slot(world, keys)


def _leases_without_a_slot(world: World, keys: Keys) -> Iterator[str]:
    """A job that waits for the end of a lease which nobody uses: its slot lives and does something else."""
    for job in keys.pairs(LEASES):
        exec_ = keys.job(job).get("exec", "")
        name, _, seq = exec_.partition(".")
        if name in world.told:
            yield f"job {job} is leased to {exec_}, whose death was told"
        for slot in world.slots:
            if slot.name == name and (slot.seq != int(seq) or slot.does == "idle" or slot.job not in ("", job)):
                does = f"{slot.does} {slot.job}".strip()
                yield f"job {job} is leased to {exec_}, but that slot does something else ({does})"
