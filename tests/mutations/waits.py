"""Mutations of how long a job waits beside slots that are idle."""

from collections.abc import Sequence
from random import Random
from typing import Final

from tests.mutations.draft import SECOND, Draft, Row
from tests.mutations.scene import STALL, TRIES, Mutant, Mutation, Scene, Story

MS: Final = SECOND // 1000
LEAST_OVER: Final = SECOND // 2
"""A job is held back by so much more than it must be."""


def _ns(seconds: float) -> int:
    return round(seconds * SECOND)


def _least(scene: Scene) -> int:
    """So long nobody may start anything that a slot is surely idle: known to be, given time to take a job, no more."""
    promise = scene.promise
    return _ns(promise.report_s + promise.claim_s + 2 * promise.start_gap_s)


def _judged(scene: Scene) -> bool:
    return scene.promise.claim_s < float("inf") and scene.promise.prefetch == 1 and scene.promise.rate_n is None


def _excuse(scene: Scene, since: int, until: int, spare: int = LEAST_OVER) -> str:
    """What was broken near by; stalls are taken off, for which there is ``spare``."""
    if scene.stalled(since - 2 * SECOND, until + SECOND) > spare:
        return STALL
    paused = any(row["e"] == "op" and row["op"] in {"pause", "resume"} for row in scene.few)
    broken = scene.excuse(since, until, scene.promise.recovery_s, stalls=False)
    return broken or ("the queue is paused" if paused else _silence(scene))


def _silence(scene: Scene) -> str:
    sent = {row["n"]: row["t"] for row in scene.original.rows["canary"] if row["phase"] == "sent"}
    answers = (row for row in scene.original.rows["canary"] if row["phase"] == "acked" and row["n"] in sent)
    slow = any(row["t"] - sent[row["n"]] > SECOND // 4 for row in answers)
    return "the store answered late" if slow else ""


def _first_starts(scene: Scene) -> list[Story]:
    """Jobs that were taken from the queue once, and ran at once."""
    return [each for each in scene.done if not each.invoked["delay_ns"]]


def _queue_of(scene: Scene, run: Row) -> str:
    return str(scene.original.invoked[run["job"]]["queue"])


def _held_back(scene: Scene, story: Story, by: int, idle: Sequence[str], excuse: str) -> Mutant | None:
    """All that the job's queue starts from its start on comes so much later; None where no ``idle`` slot is left."""
    since, queue = story.runs[0][0]["t"], story.invoked["queue"]
    moved = {row["run"] for t, _, row in scene.open_at if t >= since and _queue_of(scene, row) == queue}
    stay = {row["w"] for t, end, row in scene.open_at if row["run"] not in moved and end >= since and t < since + by}
    after = {row["w"] for _, _, row in scene.open_at if row["run"] in moved}
    if not (set(idle) & after) - stay:
        return None
    draft = scene.draft()
    scene.read_later(draft, max(end for _, end, row in scene.open_at if row["run"] in moved) + by)
    for kind in ("started", "ended"):
        draft.put(kind, [{**row, "t": row["t"] + by} if row["run"] in moved else row for row in draft.of(kind)])
    return Mutant(draft, story.job, excuse)


def _served_before(scene: Scene, story: Story) -> list[str]:
    """Processes that had run a job of its queue."""
    since, queue = story.runs[0][0]["t"], story.invoked["queue"]
    return [row["w"] for _, end, row in scene.open_at if end < since and _queue_of(scene, row) == queue]


def nobody_looks_for_a_while(scene: Scene, random: Random) -> Mutant | None:
    if not _judged(scene):
        return None
    by = _least(scene) + LEAST_OVER + _ns(random.uniform(0.1, 3))
    places = _first_starts(scene)
    found = scene.pick(random, places, lambda each: _excuse(scene, each.invoked["t"], each.runs[0][0]["t"] + by))
    if not found:
        return None
    story, excuse = found
    return _held_back(scene, story, by, _served_before(scene, story), excuse)


def full_queue_holds_up_others(scene: Scene, random: Random) -> Mutant | None:
    """While another queue has as many jobs at once as it may have."""
    limit = scene.promise.concurrency
    if not _judged(scene) or limit is None:
        return None
    places: list[tuple[Story, int]] = []
    for story in _first_starts(scene):
        since = story.runs[0][0]["t"]
        others = [
            (end, _queue_of(scene, row))
            for t, end, row in scene.open_at
            if t < since < end and _queue_of(scene, row) != story.invoked["queue"]
        ]
        until = max((end for end, _ in others), default=0)
        if until - since > _least(scene) and any(
            sum(name == queue for _, name in others) >= limit for _, queue in others
        ):
            places.append((story, until + MS - since))

    def excuse_of(place: tuple[Story, int]) -> str:
        held, by = place
        return _excuse(scene, held.invoked["t"], held.runs[0][0]["t"] + by, by - _least(scene))

    found = scene.pick(random, places, excuse_of)
    if not found:
        return None
    (story, by), excuse = found
    return _held_back(scene, story, by, _served_before(scene, story), excuse)


def job_passed_over(scene: Scene, random: Random) -> Mutant | None:
    """One job is left waiting beside a slot, whose own jobs of that time another slot has."""
    if not _judged(scene):
        return None
    places, chosen = _first_starts(scene), None
    for _ in range(TRIES):
        story = random.choice(places)
        since, queue = story.runs[0][0]["t"], story.invoked["queue"]
        until = since + _least(scene) + LEAST_OVER + _ns(random.uniform(0.1, 1))
        near = [(t, end, row) for t, end, row in scene.open_at if t < until and end > since and row["job"] != story.job]
        may_be_leased = [
            row
            for t, end, row in scene.open_at
            if t < until + SECOND and end > since - 2 * SECOND and _queue_of(scene, row) == queue
        ]
        busy = {row["w"] for t, _, row in near if t < since}
        later = {row["w"] for t, _, row in scene.open_at if t > until}
        slots = sorted((set(_served_before(scene, story)) & later) - busy - {story.runs[0][0]["w"]})
        if not slots or (scene.promise.concurrency or len(may_be_leased) + 1) <= len(may_be_leased):
            continue
        excuse = _excuse(scene, story.invoked["t"], until + SECOND)
        if excuse and chosen:
            continue
        chosen = Mutant(_passed_over(scene, story, until, random.choice(slots)), story.job, excuse)
        if not excuse:
            break
    return chosen


def _passed_over(scene: Scene, story: Story, until: int, idle: str) -> Draft:
    """It starts only then, and the process ``idle`` starts nothing from its first start on."""
    run = story.runs[0][0]
    gone = {row["run"] for t, _, row in scene.open_at if run["t"] <= t < until and row["w"] == idle}
    draft = scene.draft()
    scene.move(draft, run, until + _ns(scene.promise.start_gap_s) - run["t"])
    draft.change("started", lambda row: row["run"] in gone, w=run["w"])
    return draft


MUTATIONS: Final = (
    Mutation("late", "a slot looks for work too seldom", nobody_looks_for_a_while),
    Mutation("late", "a queue at its limit holds up the others", full_queue_holds_up_others),
    Mutation("late", "a claim passes a job over", job_passed_over),
)
