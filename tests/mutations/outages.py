"""Mutations of what an outage does to leases: who goes on past one, and who is given a job before it can be renewed."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.mutations.draft import SECOND, Row
from tests.mutations.scene import Mutant, Mutation, Scene

MS: Final = SECOND // 1000
MOST_RUNS: Final = 2
RENEWS_NOT: Final = frozenset({"cut", "store_down", "slow", "freeze", "refused"})
"""Effects under which a lease may not be renewed."""


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
    """A run that was open from before an outage until after it, and was given away as soon as it was over."""
    promise = scene.promise
    least, hold = round(max(promise.lease_s, promise.sweep_s) * SECOND), round(promise.hold_s * SECOND)
    outages = [(lo, hi) for lo, hi in _outages(scene) if hi - lo >= least]
    places = [
        (run, lo, hi, min(end, hi + hold // 2))
        for lo, hi in outages
        for since, end, run in scene.open_at
        if since < lo and end > hi + 20 * MS and len(scene.original.runs[run["job"]]) <= MOST_RUNS
    ]
    if not hold or not places:
        return None
    run, lo, hi, until = random.choice(places)
    story = next(each for each in scene.stories if each.job == run["job"])
    at = random.randint(hi + 10 * MS, until - 5 * MS)
    draft = scene.draft()
    if len(story.runs) > 1:  # given away a little later, lawfully: when its holder had ended
        scene.move(draft, story.runs[1][0], at - story.runs[1][0]["t"])
    else:
        scene.run_more(draft, story, at, random, lasts_ns=20 * MS)
    return Mutant(draft, story.job, _may_have_ended(scene, run, lo))


def _outages(scene: Scene) -> Iterator[tuple[int, int]]:
    """Of everybody, from the inject to the heal."""
    told = [row for row in scene.few if row["e"] == "fault" and row["effect"] in {"store_down", "refused"}]
    for row in told:
        healed = [each["t"] for each in told if each["fault"] == row["fault"] and each["phase"] == "healed"]
        if row["phase"] == "inject" and healed:
            yield row["t"], healed[0]


def _may_have_ended(scene: Scene, run: Row, begin: int) -> str:
    """Whether the lease may have ended before the outage, or something else may have kept it from being held."""
    renewed = round((scene.promise.lease_s - scene.promise.heartbeat_s - scene.promise.margin_s) * SECOND)
    worker = scene.original.workers[run["w"]]["worker"]
    faults = [row for row in scene.few if row["e"] == "fault" and row["effect"] in RENEWS_NOT]
    mine = [row for row in faults if worker in (row["workers"] or ())]
    mine += [row for row in scene.few if (row["e"], row["worker"]) == ("signal", worker)]
    early = any(run["t"] - SECOND < row["t"] < begin - renewed for row in mine)
    long = any(row["e"] == "stall" and row["t"] - (row["lo_ns"] or row["t"]) > SECOND for row in scene.few)
    return "an earlier fault" if early else "a long stall" if long else ""


MUTATIONS: Final = (
    Mutation("overlap", "a worker that is cut off goes on past its lease", outlived_its_lease),
    Mutation("duplicates", "after an outage leases end before they can be renewed", no_hold_after_an_outage),
)
