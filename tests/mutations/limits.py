"""Mutations of when a job may start: concurrency, rate, pauses, cancellations, delays."""

from random import Random
from typing import Final

from tests.mutations.draft import SECOND, Row
from tests.mutations.scene import Mutant, Mutation, Scene, Story

MS: Final = SECOND // 1000


def _ns(seconds: float) -> int:
    return round(seconds * SECOND)


# ---- concurrency and rate


def _full(scene: Scene, at: int, queue: str, besides: str) -> bool:
    """Whether as many runs of the queue as its limit were open then, and for a moment after.

    Only of jobs that ran once: another run's grant may have come before its job's run had ended, for all one knows.
    """
    running = [run for start, end, run in scene.open_at if start < at - MS and end > at + 5 * MS]
    running = [run for run in running if len(scene.original.runs[run["job"]]) == 1]
    mine = [run for run in running if run["run"] != besides and scene.original.invoked[run["job"]]["queue"] == queue]
    return len(mine) == scene.promise.concurrency


def _one_more_at_once(scene: Scene, random: Random, *, longer: bool) -> Mutant | None:
    if scene.promise.concurrency is None:
        return None
    places: list[tuple[Row, int]] = []
    for _ in range(400):
        story = random.choice(scene.done)
        (run, end), queue = story.runs[0], story.invoked["queue"]
        assert end
        at = end["t"] + _ns(random.uniform(0.01, 0.5)) if longer else run["t"] - _ns(random.uniform(0.005, 0.5))
        if at > story.invoked["t"] and _full(scene, at, queue, run["run"]):
            places.append((run, at))
    found = scene.pick(random, places, lambda place: scene.excuse_now(place[1]))
    if not found:
        return None
    (run, at), excuse = found
    draft = scene.draft()
    if longer:
        draft.change("ended", lambda row: row["run"] == run["run"], t=at + 2 * MS)
    else:
        scene.move(draft, run, at - run["t"])
    return Mutant(draft, None, excuse)


def started_past_the_limit(scene: Scene, random: Random) -> Mutant | None:
    return _one_more_at_once(scene, random, longer=False)


def seat_given_away_before_the_end(scene: Scene, random: Random) -> Mutant | None:
    return _one_more_at_once(scene, random, longer=True)


def more_leases_than_allowed(scene: Scene, random: Random) -> Mutant | None:
    limit, begin = scene.promise.concurrency, scene.original.history.begin
    places = [row for row in scene.original.rows["count"] if row["t"] >= begin]
    if limit is None or not places:
        return None
    chosen = random.choice(places)
    draft = scene.draft()
    draft.put("count", [{**row, "running": limit + 1} if row is chosen else row for row in draft.of("count")])
    return Mutant(draft, None)


def _too_many_in_a_window(scene: Scene, random: Random, extra: int, *, forgotten: bool = False) -> Mutant | None:
    """``forgotten``: the queue itself knows nothing of its grants."""
    n, promise = scene.promise.rate_n, scene.promise
    if n is None or promise.start_gap_s * 4 >= promise.rate_window_s:
        return None
    runs = [run for _, _, run in sorted(scene.open_at, key=lambda each: each[0])]
    inside = _ns(promise.rate_window_s - promise.start_gap_s) - 50 * MS
    places: list[tuple[list[Row], int]] = []
    for first in range(len(runs) - n - extra + 1):
        chosen = runs[first : first + n + extra]
        ends = chosen[0]["t"] + round(inside * random.uniform(0.5, 1))
        asked = all(scene.original.invoked[run["job"]]["t"] < ends for run in chosen)
        if chosen[-1]["t"] > ends and asked:
            places.append((chosen, ends))

    def excuse(place: tuple[list[Row], int]) -> str:
        (first, *_, last), until = place
        return scene.excuse(first["t"], until) or scene.excuse(last["t"], last["t"])

    found = scene.pick(random, places, excuse)
    if not found:
        return None
    (chosen, ends), why = found
    moved = {run["run"]: ends - run["t"] for run in chosen if run["t"] > ends}
    draft = scene.draft()
    for kind in ("started", "ended"):
        draft.put(kind, [{**row, "t": row["t"] + moved.get(row["run"], 0)} for row in draft.of(kind)])
    if forgotten:
        draft.put("granted", [])
    return Mutant(draft, None, why)


def one_past_the_rate(scene: Scene, random: Random) -> Mutant | None:
    return _too_many_in_a_window(scene, random, 1)


def rate_counted_by_each_worker(scene: Scene, random: Random) -> Mutant | None:
    return _too_many_in_a_window(scene, random, random.randint(5, 20))


def grants_forgotten(scene: Scene, random: Random) -> Mutant | None:
    return _too_many_in_a_window(scene, random, random.randint(1, 20), forgotten=True)


def granted_past_the_rate(scene: Scene, random: Random) -> Mutant | None:
    n, grants = scene.promise.rate_n, sorted(row["server_us"] for row in scene.original.rows["granted"])
    if n is None or len(grants) <= n or scene.lossy:
        return None
    window = round(scene.promise.rate_window_s * 1e6)
    places = [at for at in range(len(grants) - n) if grants[at + n - 1] - grants[at] < 0.99 * window]
    if not places:
        return None
    first = random.choice(places)
    chosen = grants[first + n]
    early = random.randint(grants[first + n - 1], grants[first] + round(0.999 * window))
    draft = scene.draft()
    draft.change("granted", lambda row: row["server_us"] == chosen, server_us=early)
    return Mutant(draft, None)


# ---- pauses and delays


def _in_a_pause(scene: Scene, random: Random, *, after: bool) -> Mutant | None:
    """A run from before (``after``: from behind) a pause, moved into it."""
    ops = [row for row in scene.few if row["e"] == "op"]
    paused = {row["queue"]: row["t"] for row in ops if row["op"] == "pause" and row["phase"] == "acked"}
    resumed = {row["queue"]: row["t"] for row in ops if row["op"] == "resume" and row["phase"] == "invoked"}
    gap = _ns(scene.promise.start_gap_s) + 50 * MS
    windows = {queue: (t + gap, resumed.get(queue, scene.read_at) - 50 * MS) for queue, t in paused.items()}
    places: list[tuple[Story, int]] = []
    for story in scene.done:
        lo, hi = windows.get(story.invoked["queue"], (0, 0))
        at = random.randint(max(lo, story.invoked["t"]), hi) if hi > max(lo, story.invoked["t"]) else 0
        if at and (story.runs[0][0]["t"] > hi) == after and (after or story.runs[0][0]["t"] < lo - gap):
            places.append((story, at))
    found = scene.pick(random, places, lambda place: scene.excuse(place[1], place[1]))
    if not found:
        return None
    (story, at), excuse = found
    draft = scene.draft()
    scene.move(draft, story.runs[0][0], at - story.runs[0][0]["t"])
    return Mutant(draft, story.job, excuse)


def started_while_paused(scene: Scene, random: Random) -> Mutant | None:
    return _in_a_pause(scene, random, after=True)


def pause_reaches_one_worker_late(scene: Scene, random: Random) -> Mutant | None:
    return _in_a_pause(scene, random, after=False)


def cancelled_and_started(scene: Scene, random: Random) -> Mutant | None:
    return _after_its_cancellation(scene, random, random.uniform(0.1, 4))


def _answered(scene: Scene, answer: str) -> dict[str, int]:
    """Job → when its cancellation was answered so."""
    ops = [row for row in scene.few if row["e"] == "op" and row["op"] == "cancel" and row["phase"] == "acked"]
    return {row["job"]: row["t"] for row in ops if row["outcome"] == answer}


def _after_its_cancellation(scene: Scene, random: Random, wait_s: float) -> Mutant | None:
    done = _answered(scene, "cancelled")
    after = _ns(scene.promise.start_gap_s + wait_s)
    places = [each for each in scene.stories if each.job in done and not each.runs]
    found = scene.pick(random, places, lambda each: scene.excuse(done[each.job], done[each.job] + after))
    if not found:
        return None
    story, excuse = found
    draft = scene.draft()
    scene.run_more(draft, story, done[story.job] + after, random)
    return Mutant(draft, story.job, excuse)


def cancelled_while_it_was_claimed(scene: Scene, random: Random) -> Mutant | None:
    return _after_its_cancellation(scene, random, 0.01)


def asked_to_end_and_started_again(scene: Scene, random: Random) -> Mutant | None:
    asked = _answered(scene, "requested") if "cancel_requested" in scene.promise.sources else {}
    after = _ns(scene.promise.start_gap_s + random.uniform(0.1, 3))
    places = [(each, max(asked[each.job], each.last_t) + after) for each in scene.stories if each.job in asked]
    found = scene.pick(random, places, lambda place: scene.excuse(asked[place[0].job], place[1]))
    if not found:
        return None
    (story, at), excuse = found
    draft = scene.draft()
    scene.run_more(draft, story, at, random)
    return Mutant(draft, story.job, excuse)


def _before_its_time(scene: Scene, random: Random, share: float) -> Mutant | None:
    """Started when so much of its delay was over."""
    places = [each for each in scene.stories if each.invoked["delay_ns"] and each.runs]
    if not places:
        return None
    story = random.choice(places)
    (run, _), delay = story.runs[0], story.invoked["delay_ns"]
    at = story.invoked["t"] + max(round(share * delay), 5 * MS)
    draft = scene.draft()
    scene.move(draft, run, at - run["t"])
    return Mutant(draft, story.job)


def delay_ignored(scene: Scene, random: Random) -> Mutant | None:
    return _before_its_time(scene, random, 0)


def promoted_early(scene: Scene, random: Random) -> Mutant | None:
    return _before_its_time(scene, random, random.uniform(0.1, 0.9))


def due_time_rounded_down(scene: Scene, random: Random) -> Mutant | None:
    return _before_its_time(scene, random, 0.97)


MUTATIONS: Final = (
    Mutation("concurrency", "a claim does not look at the limit", started_past_the_limit),
    Mutation("concurrency", "the seat is free before the body has ended", seat_given_away_before_the_end),
    Mutation("concurrency", "leases are counted by each worker for itself", more_leases_than_allowed),
    Mutation("rate", "the window forgets one grant", one_past_the_rate),
    Mutation("rate", "each worker counts its own grants", rate_counted_by_each_worker),
    Mutation("rate", "the store forgets the grants that it counts", grants_forgotten),
    Mutation("rate", "a fixed window: twice the rate around its edge", granted_past_the_rate),
    Mutation("control", "a claim does not look whether the queue is paused", started_while_paused),
    Mutation("control", "a worker goes on with what it knew of the queue", pause_reaches_one_worker_late),
    Mutation("control", "the cancelled job's id stays in the queue", cancelled_and_started),
    Mutation("control", "a claim does not look whether the job is cancelled", cancelled_while_it_was_claimed),
    Mutation("control", "a job on its way back forgets that it was to end", asked_to_end_and_started_again),
    Mutation("early", "the delay is dropped", delay_ignored),
    Mutation("early", "the due time is another clock's", promoted_early),
    Mutation("early", "the due time is rounded down", due_time_rounded_down),
)
