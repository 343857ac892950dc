"""Mutations of what is told: a run its fence and its attempt, a caller that its job is refused."""

from random import Random
from typing import Final

from tests.mutations.draft import SECOND
from tests.mutations.scene import Mutant, Mutation, Scene, Story


def _retried(scene: Scene) -> list[Story]:
    """Jobs that ran again only because they failed."""
    return [each for each in scene.stories if len(each.runs) > 1 and set(each.outcomes[:-1]) == {"error"}]


def fence_fell(scene: Scene, random: Random) -> Mutant | None:
    places = [each for each in _retried(scene) if all(run["fence"] for run, _ in each.runs)]
    found = scene.pick(random, places, scene.excuse_of) if "fences" in scene.promise.sources else None
    if not found:
        return None
    story, excuse = found
    before, after = (run for run, _ in story.runs[-2:])
    fence = {before["run"]: after["fence"], after["run"]: random.choice([before["fence"], after["fence"]])}
    draft = scene.draft()
    rows = draft.of("started")
    draft.put("started", [{**row, "fence": fence.get(row["run"], row["fence"])} for row in rows])
    return Mutant(draft, story.job, excuse)


def each_attempt_is_the_first(scene: Scene, random: Random) -> Mutant | None:
    told = "attempt_numbers" in scene.promise.sources and scene.original.history.can("attempt_numbers")
    found = scene.pick(random, _retried(scene), scene.excuse_of) if told else None
    if not found:
        return None
    story, excuse = found
    draft = scene.draft()
    draft.change("started", lambda row: row["job"] == story.job, attempt=1)
    return Mutant(draft, story.job, excuse)


def attempt_skipped(scene: Scene, random: Random) -> Mutant | None:
    told = "attempt_numbers" in scene.promise.sources and scene.original.history.can("attempt_numbers")
    if not told or scene.scenario.policy.max_attempts < 2:
        return None
    found = scene.pick(random, scene.done, scene.excuse_of)
    if not found:
        return None
    story, excuse = found
    draft = scene.draft()
    draft.change("started", lambda row: row["job"] == story.job, attempt=2)
    return Mutant(draft, story.job, excuse)


def refused_in_calm(scene: Scene, random: Random) -> Mutant | None:
    """Nobody took the job, although the store could be reached."""

    def excuse(story: Story) -> str:
        return scene.excuse(story.invoked["t"], (story.acked or story.invoked)["t"]) or _silence(scene, story)

    found = scene.pick(random, scene.done, excuse) if "rejections" in scene.promise.sources else None
    if not found:
        return None
    story, why = found
    assert story.acked
    draft = scene.draft()
    scene.without_runs(draft, story)
    draft.drop("acked", lambda row: row["job"] == story.job)
    draft.add("rejected", {"t": story.acked["t"], "job": story.job, "why": "unreachable"})
    scene.state(draft, story, "absent", (), sum="")
    return Mutant(draft, story.job, why)


def _silence(scene: Scene, story: Story) -> str:
    """Whether the store let another writer wait about then."""
    near = [row for row in scene.original.rows["canary"] if abs(row["t"] - story.invoked["t"]) < 5 * SECOND]
    acked = {row["n"]: row["t"] for row in near if row["phase"] == "acked"}
    sent = [(row["n"], row["t"]) for row in near if row["phase"] == "sent"]
    slow = any(acked.get(n, t + SECOND) - t > SECOND // 4 for n, t in sent)
    return "the store answered late" if slow else ""


MUTATIONS: Final = (
    Mutation("overlap", "fences are counted by each worker for itself", fence_fell),
    Mutation("attempts", "each run is told that it is the first", each_attempt_is_the_first),
    Mutation("attempts", "a grant that came to nothing is counted in what the run is told", attempt_skipped),
    Mutation("unknown", "a producer goes on refusing after an outage, or without one", refused_in_calm),
)
