"""Mutations that lose jobs, run them again, at once, or though nobody asked: what a queue must never do."""

from random import Random
from typing import Final

from tests.mutations.draft import SECOND
from tests.mutations.scene import Mutant, Mutation, Scene, Story

MS: Final = SECOND // 1000


def dropped(scene: Scene, random: Random) -> Mutant | None:
    found = scene.pick(random, scene.done, lambda _: scene.excuse_at_rest())
    if not found:
        return None
    story, excuse = found
    draft = scene.draft()
    scene.without_runs(draft, story)
    scene.state(draft, story, "absent", (), sum="")
    return Mutant(draft, story.job, excuse)


def failed_and_forgotten(scene: Scene, random: Random) -> Mutant | None:
    found = scene.pick(random, scene.done, lambda _: scene.excuse_at_rest())
    if not found or not scene.original.history.can("dead_letters"):
        return None  # such a queue may forget a job that failed as often as it may
    story, excuse = found
    draft = scene.draft()
    draft.change("ended", lambda row: row["run"] == story.runs[0][0]["run"], outcome="error")
    scene.state(draft, story, "absent", (), sum="")
    backoff_s = scene.scenario.policy.backoff.bounds_s(1)[1]
    until = story.last_t + round((scene.promise.report_s + backoff_s) * SECOND)
    scene.read_later(draft, until)
    return Mutant(draft, story.job, excuse or scene.excuse(story.last_t, until))


def stranded(scene: Scene, random: Random) -> Mutant | None:
    found = scene.pick(random, scene.done, lambda _: scene.excuse_at_rest())
    if not found or scene.promise.recovery_s == float("inf"):
        return None
    story, excuse = found
    draft = scene.draft()
    scene.without_runs(draft, story)
    scene.state(draft, story, random.choice(["waiting", "delayed", "running"]), ("a key of the queue",), sum="")
    scene.read_later(draft, _last(scene), max(scene.promise.recovery_s, scene.scenario.rest_s) + 2)
    return Mutant(draft, story.job, excuse)


def acknowledged_before_it_ran(scene: Scene, random: Random) -> Mutant | None:
    found = scene.pick(random, scene.done, lambda _: scene.excuse_at_rest())
    if not found:
        return None
    story, excuse = found
    draft = scene.draft()
    scene.without_runs(draft, story)
    return Mutant(draft, story.job, excuse)


def _last(scene: Scene) -> int:
    """The last event after which a queue may have had work of its own."""
    runs = (row["t"] for kind in ("started", "ended") for row in scene.original.rows[kind])
    others = (row["t"] for row in scene.few if row["e"] in {"fault", "signal", "spawned"} and row["t"] < scene.read_at)
    return max(map(int, (*runs, *others)))


def _again(scene: Scene, random: Random, wait_s: float, *, fence: int | None = None) -> Mutant | None:
    def until(story: Story) -> int:
        return int(story.last_t) + round(wait_s * SECOND)

    found = scene.pick(random, scene.done, lambda story: scene.excuse(story.invoked["t"], until(story)))
    if not found:
        return None
    story, excuse = found
    draft = scene.draft()
    fields = {} if fence is None else {"fence": fence}
    scene.run_more(draft, story, until(story), random, **fields)
    return Mutant(draft, story.job, excuse)


def ran_again_later(scene: Scene, random: Random) -> Mutant | None:
    return _again(scene, random, random.uniform(0.5, 4))


def enqueued_twice(scene: Scene, random: Random) -> Mutant | None:
    return _again(scene, random, random.uniform(0.001, 0.05))


def ran_again_without_a_fence(scene: Scene, random: Random) -> Mutant | None:
    return _again(scene, random, random.uniform(0.1, 2), fence=0)


def retried_after_its_last_attempt_ended_well(scene: Scene, random: Random) -> Mutant | None:
    places = [each for each in scene.stories if len(each.runs) > 1 and each.outcomes[-1] == "ok"]
    found = scene.pick(random, places, scene.excuse_of)
    if not found:
        return None
    story, excuse = found
    wait = round(random.uniform(0.05, 1) * SECOND)
    draft = scene.draft()
    scene.run_more(draft, story, story.last_t + wait, random, attempt=story.runs[-1][0]["attempt"] + 1)
    return Mutant(draft, story.job, excuse or scene.excuse(story.last_t, story.last_t + wait))


def _at_once(scene: Scene, random: Random, share: float, *, same_worker: bool) -> Mutant | None:
    places = [each for each in scene.done if _lasts(each) > 2 * MS]
    found = scene.pick(random, places, scene.excuse_of)
    if not found:
        return None
    story, excuse = found
    (first, end) = story.runs[0]
    assert end
    at = first["t"] + round(share * (end["t"] - first["t"]))
    worker = scene.original.workers[first["w"]]["worker"]
    others = [
        w
        for w in scene.alive(at, first["w"])
        if (scene.original.workers[w]["worker"] == worker) == same_worker
    ]  # fmt: skip
    if not others:
        return None
    draft = scene.draft()
    scene.run_more(draft, story, at, random, w=random.choice(others))
    return Mutant(draft, story.job, excuse)


def _lasts(story: Story) -> int:
    (first, end) = story.runs[0]
    return int(end["t"] - first["t"]) if end else 0


def claimed_by_two_workers(scene: Scene, random: Random) -> Mutant | None:
    return _at_once(scene, random, random.uniform(0.05, 0.9), same_worker=False)


def claimed_by_two_slots(scene: Scene, random: Random) -> Mutant | None:
    return _at_once(scene, random, random.uniform(0.05, 0.9), same_worker=True)


def lease_ended_while_it_was_renewed(scene: Scene, random: Random) -> Mutant | None:
    return _at_once(scene, random, 0.97, same_worker=False)


def ghost(scene: Scene, random: Random) -> Mutant | None:
    story = random.choice(scene.done)
    draft = scene.draft()
    run = scene.run_more(draft, story, story.last_t + MS, random)
    draft.change("started", lambda row: row["run"] == run["run"], job="never-enqueued")
    return Mutant(draft, "never-enqueued")


def rejected_and_run(scene: Scene, random: Random) -> Mutant | None:
    story = random.choice(scene.done)
    draft = scene.draft()
    draft.drop("acked", lambda row: row["job"] == story.job)
    assert story.acked
    draft.add("rejected", {"t": story.acked["t"], "job": story.job, "why": "full"})
    return Mutant(draft, story.job)


def ran_before_it_was_invoked(scene: Scene, random: Random) -> Mutant | None:
    story = random.choice(scene.done)
    draft = scene.draft()
    scene.move(draft, story.runs[0][0], story.invoked["t"] - MS - story.runs[0][0]["t"])
    return Mutant(draft, story.job)


def arguments_changed(scene: Scene, random: Random) -> Mutant | None:
    story = random.choice(scene.done)
    draft = scene.draft()
    draft.change("started", lambda row: row["job"] == story.job, args_sum="of other arguments")
    return Mutant(draft, story.job)


def _no_answer(scene: Scene, random: Random, after_ms: float | None) -> Mutant | None:
    """``after_ms``: the producer gave up so long after; None: it never said anything."""

    def excuse(story: Story) -> str:
        until = story.invoked["t"] + round((after_ms or 0) * MS) if after_ms else scene.original.history.end
        stopped = max(scene.promise.recovery_s, scene.promise.reconnect_s)
        return scene.excuse(story.invoked["t"], min(until, scene.read_at), stopped)

    found = scene.pick(random, scene.done, excuse)
    if not found:
        return None
    story, why = found
    draft = scene.draft()
    draft.drop("acked", lambda row: row["job"] == story.job)
    if after_ms:
        draft.add("unknown", {"t": story.invoked["t"] + round(after_ms * MS), "job": story.job, "why": "timeout"})
    return Mutant(draft, story.job, why)


def nobody_knows_at_once(scene: Scene, random: Random) -> Mutant | None:
    return _no_answer(scene, random, random.uniform(1, 50))


def nobody_knows_after_a_while(scene: Scene, random: Random) -> Mutant | None:
    return _no_answer(scene, random, random.uniform(500, 3000))


def never_answered(scene: Scene, random: Random) -> Mutant | None:
    return _no_answer(scene, random, None)


MUTATIONS: Final = (
    Mutation("lost", "a claim, a sweep or a promotion drops the job", dropped),
    Mutation("lost", "the first failure is the end: no retry, no dead letter", failed_and_forgotten),
    Mutation("lost", "a job lies in a key that nobody looks at any more", stranded),
    Mutation("lost", "the queue acknowledges to itself before the body ran", acknowledged_before_it_ran),
    Mutation("duplicates", "a late sweep enqueues what has ended", ran_again_later),
    Mutation("duplicates", "the enqueue is stored twice", enqueued_twice),
    Mutation("duplicates", "a path past the lease grants without a fence", ran_again_without_a_fence),
    Mutation("duplicates", "a success is taken for a failure", retried_after_its_last_attempt_ended_well),
    Mutation("overlap", "the claim takes no lease: two workers have the job", claimed_by_two_workers),
    Mutation("overlap", "the same in one worker", claimed_by_two_slots),
    Mutation("overlap", "renewals are ignored, so a long body loses its lease", lease_ended_while_it_was_renewed),
    Mutation("phantom", "a job that nobody enqueued is run", ghost),
    Mutation("phantom", "an enqueue is rejected half way, and is run", rejected_and_run),
    Mutation("phantom", "an id from another time is run", ran_before_it_was_invoked),
    Mutation("phantom", "the payload is changed on its way", arguments_changed),
    Mutation("unknown", "enqueue answers with an error although all is well", nobody_knows_at_once),
    Mutation("unknown", "enqueue waits and gives up although all is well", nobody_knows_after_a_while),
    Mutation("unknown", "enqueue never returns", never_answered),
)  # fmt: skip
