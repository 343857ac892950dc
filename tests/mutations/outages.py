"""Mutations of what an outage does to leases: who goes on past one, and who is given a job before it can be renewed."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.mutations.draft import SECOND, Row
from tests.mutations.scene import STALL, Mutant, Mutation, Scene

MS: Final = SECOND // 1000
STRIKE: Final = SECOND * 6 // 10
"""A fault is told before it is injected, by less than that."""


def outlived_its_lease(scene: Scene, random: Random) -> Mutant | None:
    """A run that was open when its worker was cut off, the cut made longer than a lease, and the run longer still."""
    lease = round(scene.promise.lease_s * SECOND)
    places = [(cut, run) for cut in _cuts(scene) for run in _open_at(scene, cut)]
    if not scene.promise.self_fencing or not places:
        return None
    cut, run = random.choice(places)
    ends = cut.since + lease + round(random.uniform(0.3, 1) * SECOND)
    draft = scene.draft()
    scene.stretch(draft, cut.until, ends + SECOND - cut.until)
    draft.change("ended", lambda row: row["run"] == run["run"], t=ends)
    worker = scene.original.workers[run["w"]]["worker"]
    could_not = any(
        (row["e"] == "stall" and row["t"] > cut.since - SECOND)
        or (row["e"] == "signal" and row["worker"] == worker and row["t"] < ends)
        for row in scene.few
    )
    return Mutant(draft, run["job"], "stopped, stalled or killed" if could_not else "")


@dataclass(frozen=True, slots=True)
class _Cut:
    """A fault that nothing gets through. ``hit``: workers that it was seen to hit; None: all."""

    since: int
    until: int
    hit: frozenset[str] | None


def _cuts(scene: Scene) -> Iterator[_Cut]:
    told = [row for row in scene.few if row["e"] == "fault"]
    for row in told:
        if row["phase"] != "inject" or row["effect"] not in {"cut", "store_down"}:
            continue
        mine = [each for each in told if each["fault"] == row["fault"]]
        healed = [each["t"] for each in mine if each["phase"] == "healed"]
        hit = frozenset(name for each in mine if each["phase"] == "fired" for name in each["workers"] or ())
        if healed:
            yield _Cut(row["t"], healed[0], None if row["effect"] == "store_down" else hit)


def _open_at(scene: Scene, cut: _Cut) -> Iterator[Row]:
    for start, end, run in scene.open_at:
        worker = scene.original.workers[run["w"]]["worker"]
        if start < cut.since < end and run["run"] in scene.original.ended and (cut.hit is None or worker in cut.hit):
            yield run


def no_hold_after_an_outage(scene: Scene, random: Random) -> Mutant | None:
    """A run that began just before an outage, made longer than it, and was given away as soon as it was over."""
    promise = scene.promise
    least, hold = round(max(promise.lease_s, promise.sweep_s) * SECOND), round(promise.hold_s * SECOND)
    unrenewed = round((promise.lease_s - promise.heartbeat_s - promise.margin_s) * SECOND)
    places = [
        (story, hi)
        for lo, hi in _outages(scene)
        for story in scene.done
        if hi - lo >= least
        and lo + STRIKE - unrenewed < story.invoked["t"]  # no lease of it can have ended before
        and story.runs[0][0]["t"] < lo
        and story.last_t < hi
        and scene.life_of(story.runs[0][0]["w"])[1] > hi + hold // 2
    ]
    if not hold or not places:
        return None
    story, hi = random.choice(places)
    run, at = story.runs[0][0]["run"], hi + random.randint(20 * MS, hold // 4)
    draft = scene.draft()
    draft.change("ended", lambda row: row["run"] == run, t=at + hold // 8)
    scene.run_more(draft, story, at, random, lasts_ns=20 * MS)
    return Mutant(draft, story.job, _held_before(scene, hi))


def _outages(scene: Scene) -> Iterator[tuple[int, int]]:
    """Of everybody, from the inject to the heal."""
    told = [row for row in scene.few if row["e"] == "fault" and row["effect"] in {"store_down", "refused"}]
    for row in told:
        healed = [each["t"] for each in told if each["fault"] == row["fault"] and each["phase"] == "healed"]
        if row["phase"] == "inject" and healed:
            yield row["t"], healed[0]


def _held_before(scene: Scene, healed: int) -> str:
    """Whether the queue may have been held up already, so that it holds no longer: it must give back at last."""
    promise = scene.promise
    begin = next(lo for lo, hi in _outages(scene) if hi == healed)
    calm = round((promise.hold_s + promise.sweep_s + promise.reconnect_s) * SECOND)
    other = any(row["e"] == "fault" and begin - calm < row["t"] < begin for row in scene.few)
    return "another fault before it" if other else STALL if scene.stalled(begin - calm, begin) > SECOND // 2 else ""


MUTATIONS: Final = (
    Mutation("overlap", "a worker that is cut off goes on past its lease", outlived_its_lease),
    Mutation("duplicates", "after an outage leases end before they can be renewed", no_hold_after_an_outage),
)
