"""Mutations of how a job ended: its dead letter, its state."""

from random import Random
from typing import Final

from tests.mutations.draft import SECOND, Draft
from tests.mutations.scene import Mutant, Mutation, Scene, Story

# ---- dead letters


def _dead(scene: Scene, random: Random, state: str, found_in: tuple[str, ...], **fields: str | int) -> Mutant | None:
    """A dead letter's record changed."""
    found = scene.pick(random, scene.dead, scene.excuse_until_read)
    if not found:
        return None
    story, excuse = found
    draft = scene.draft()
    scene.state(draft, story, state, found_in or story.state["found_in"], **fields)
    return Mutant(draft, story.job, excuse)


def _must_be_dead(story: Story) -> bool:
    return story.state["reason"] == "exhausted" and set(story.outcomes) == {"error"}


def dead_letter_dropped(scene: Scene, random: Random) -> Mutant | None:
    places = [each for each in scene.dead if _must_be_dead(each)]
    found = settled(scene, random, places)
    if not found:
        return None
    draft, story, excuse = found
    scene.state(draft, story, random.choice(["absent", "cancelled"]), (), reason="")
    return Mutant(draft, story.job, excuse or scene.excuse_until_read(story))


def dead_letter_doubled(scene: Scene, random: Random) -> Mutant | None:
    if not scene.dead:
        return None
    story = random.choice(scene.dead)
    draft = scene.draft()
    scene.state(draft, story, "dead", (*story.state["found_in"], *story.state["found_in"]))
    return Mutant(draft, story.job)


def dead_letter_without_reason(scene: Scene, random: Random) -> Mutant | None:
    return (
        _dead(scene, random, "dead", (), reason="")
        if sum(1 for each in scene.dead if each.state["reason"]) > 1
        else None
    )


def dead_letter_for_another_reason(scene: Scene, random: Random) -> Mutant | None:
    places = [each for each in scene.dead if _must_be_dead(each)]
    found = scene.pick(random, places, scene.excuse_until_read)
    if not found:
        return None
    story, excuse = found
    draft = scene.draft()
    reason = random.choice(["crashed", "stalled", "timeout", "unsupported"])
    scene.state(draft, story, "dead", story.state["found_in"], reason=reason)
    bounds = {"crashed": scene.promise.max_crashes, "stalled": scene.promise.max_stalls}
    unbounded = bounds.get(reason, 0) is None
    return Mutant(draft, story.job, excuse or ("nothing is promised about it" if unbounded else ""))


def dead_letter_with_another_history(scene: Scene, random: Random) -> Mutant | None:
    places = [each for each in scene.dead if _must_be_dead(each) and each.state["history"] is not None]
    found = scene.pick(random, places, scene.excuse_until_read)
    if not found:
        return None
    story, excuse = found
    draft = scene.draft()
    told = random.choice([0, len(story.runs) + 1, len(story.runs) + 7])
    scene.state(draft, story, "dead", story.state["found_in"], history=told)
    return Mutant(draft, story.job, excuse)


def dead_although_done(scene: Scene, random: Random) -> Mutant | None:
    found = scene.pick(random, scene.done, scene.excuse_until_read)
    if not found:
        return None
    story, excuse = found
    draft = scene.draft()
    scene.state(draft, story, "dead", ("the dead letters",), reason="exhausted")
    return Mutant(draft, story.job, excuse)


def dead_at_the_first_failure(scene: Scene, random: Random) -> Mutant | None:
    found = scene.pick(random, scene.done, scene.excuse_until_read)
    if not found or scene.scenario.policy.max_attempts < 2:
        return None
    story, excuse = found
    draft = scene.draft()
    draft.change("ended", lambda row: row["run"] == story.runs[0][0]["run"], outcome="error")
    scene.state(draft, story, "dead", ("the dead letters",), reason="exhausted")
    return Mutant(draft, story.job, excuse)


# ---- states


def settled(scene: Scene, random: Random, places: list[Story]) -> tuple[Draft, Story, str] | None:
    """A job, and a draft in which its state is read so late that it can't be on its way any more."""

    def excuse(story: Story) -> str:
        return scene.excuse(story.invoked["t"], until(story)) or scene.excuse_at_rest()

    def until(story: Story) -> int:
        backoff_s = scene.scenario.policy.backoff.bounds_s(max(len(story.runs), 1))[1]
        return story.last_t + round((scene.promise.report_s + backoff_s) * SECOND)

    found = scene.pick(random, places, excuse)
    if not found:
        return None
    story, why = found
    draft = scene.draft()
    scene.read_later(draft, until(story))
    return draft, story, why


def in_two_places(scene: Scene, random: Random) -> Mutant | None:
    found = settled(scene, random, scene.done)
    if not found:
        return None
    draft, story, excuse = found
    other = random.choice(["what waits", "what is leased", "what failed", "what is cancelled"])
    scene.state(draft, story, "finished", (*story.state["found_in"], other))
    return Mutant(draft, story.job, excuse)


def dead_and_finished(scene: Scene, random: Random) -> Mutant | None:
    found = settled(scene, random, scene.dead)
    if not found:
        return None
    draft, story, excuse = found
    scene.state(draft, story, "dead", (*story.state["found_in"], "what is finished"))
    return Mutant(draft, story.job, excuse)


def finished_although_it_failed(scene: Scene, random: Random) -> Mutant | None:
    found = settled(scene, random, scene.done)
    if not found:
        return None
    draft, story, excuse = found
    draft.change("ended", lambda row: row["run"] == story.runs[0][0]["run"], outcome="error")
    return Mutant(draft, story.job, excuse)


def failed_although_it_ended_well(scene: Scene, random: Random) -> Mutant | None:
    found = settled(scene, random, scene.done)
    if not found:
        return None
    draft, story, excuse = found
    scene.state(draft, story, "failed", ("what failed",))
    return Mutant(draft, story.job, excuse)


MUTATIONS: Final = (
    Mutation("dead_letters", "a job that is given up is dropped", dead_letter_dropped),
    Mutation("dead_letters", "the dead letter is written twice", dead_letter_doubled),
    Mutation("dead_letters", "the reason is not written", dead_letter_without_reason),
    Mutation("dead_letters", "the reason is another one", dead_letter_for_another_reason),
    Mutation("dead_letters", "the history of runs is cut, or counts what was not", dead_letter_with_another_history),
    Mutation("dead_letters", "a success is buried", dead_although_done),
    Mutation("dead_letters", "the first failure is final", dead_at_the_first_failure),
    Mutation("states", "a move is not one step: the job is in both places", in_two_places),
    Mutation("states", "a requeue keeps the dead letter", dead_and_finished),
    Mutation("states", "a failure is written as a success", finished_although_it_failed),
    Mutation("states", "a late report turns a success into a failure", failed_although_it_ended_well),
)
