"""Mutations that break a limit or a time: timeouts, attempts, backoff, concurrency, rate, pauses, delays."""

from collections.abc import Iterator
from random import Random
from typing import Final

from tests.mutations.draft import SECOND, Draft, Row
from tests.mutations.scene import Mutant, Mutation, Scene, Story

MS: Final = SECOND // 1000
JITTERED_MIN: Final = 100
"""Delays, as many as can tell anything of their spread."""
SHORT_MAX: Final = 0.1


def _ns(seconds: float) -> int:
    return round(seconds * SECOND)


# ---- timeouts


def outlived_its_timeout(scene: Scene, random: Random) -> Mutant | None:
    policy = scene.scenario.policy
    more = _ns(policy.timeout_s + policy.grace_s + random.uniform(0.5, 3))
    found = scene.pick(random, scene.done, lambda story: scene.excuse(story.runs[0][0]["t"], story.last_t + more))
    if not found:
        return None
    story, excuse = found
    draft = scene.draft()
    ends = story.runs[0][0]["t"] + more
    scene.read_later(draft, ends)
    draft.change("ended", lambda row: row["run"] == story.runs[0][0]["run"], t=ends)
    return Mutant(draft, story.job, excuse)


def timed_out_too_early(scene: Scene, random: Random) -> Mutant | None:
    limit = _ns(scene.scenario.policy.timeout_s - scene.promise.start_gap_s)
    places = [each for each in scene.stories if each.outcomes[:1] == ("ok",) and _lasts(each.runs[0]) < limit]
    found = scene.pick(random, places, scene.excuse_of)
    if not found:
        return None
    story, excuse = found
    draft = scene.draft()
    draft.change("ended", lambda row: row["run"] == story.runs[0][0]["run"], outcome="timeout")
    return Mutant(draft, story.job, excuse)


def _lasts(pair: tuple[Row, Row | None]) -> int:
    start, end = pair
    return int(end["t"] - start["t"]) if end else 0


def process_ended_by_itself(scene: Scene, random: Random) -> Mutant | None:
    last: dict[str, tuple[Row, Story]] = {}
    for story in scene.stories:
        for run, _ in story.runs:
            if run["w"] not in last or last[run["w"]][0]["t"] < run["t"]:
                last[run["w"]] = run, story
    limit = _ns(scene.scenario.policy.timeout_s - scene.promise.start_gap_s)
    places = [
        (run, story)
        for w, (run, story) in last.items()
        if scene.original.workers[w]["pid"] not in scene.supervisors
        and story.invoked["spec"]["kind"] in {"succeed", "fail"}
        and 0 < _lasts((run, scene.original.ended.get(run["run"]))) < limit
    ]
    found = scene.pick(random, places, lambda place: scene.excuse(place[0]["t"], place[0]["t"] + SECOND))
    if not found:
        return None
    (run, story), excuse = found
    end = scene.original.ended[run["run"]]["t"]
    opened = scene.original.workers[run["w"]]
    draft = scene.draft()
    draft.drop("ended", lambda row: row["run"] == run["run"])
    draft.drop("exited", lambda row: (row["pid"], row["pid_start"]) == (opened["pid"], opened["pid_start"]))
    seen = {"worker": opened["worker"], "pid": opened["pid"], "pid_start": opened["pid_start"], "status": None}
    draft.add("exited", {**seen, "t": end + 5 * MS, "lo_ns": end})
    return Mutant(draft, story.job, excuse)


# ---- attempts


def _exhausted(scene: Scene) -> list[Story]:
    return [each for each in scene.dead if each.state["reason"] == "exhausted" and set(each.outcomes) == {"error"}]


def one_attempt_too_many(scene: Scene, random: Random) -> Mutant | None:
    found = scene.pick(random, _exhausted(scene), scene.excuse_until_read)
    if not found:
        return None
    story, excuse = found
    draft = scene.draft()
    wait = _ns(scene.scenario.policy.backoff.bounds_s(len(story.runs))[1] + 0.1)
    last = story.runs[-1][0]["attempt"]
    scene.run_more(draft, story, story.last_t + wait, random, outcome="error", attempt=last)
    return Mutant(draft, story.job, excuse)


def retries_are_not_counted(scene: Scene, random: Random) -> Mutant | None:
    most = scene.scenario.policy.max_attempts
    places = [each for each in scene.stories if each.outcomes and set(each.outcomes) <= {"error"} | {"ok"}]
    places = [each for each in places if each.outcomes[0] == "error" and each.outcomes[-1] == "ok"]
    found = scene.pick(random, places, scene.excuse_until_read)
    if not found:
        return None
    story, excuse = found
    draft = scene.draft()
    draft.change("ended", lambda row: row["run"] == story.runs[-1][0]["run"], outcome="error")
    at, fence = story.last_t, story.runs[-1][0]["fence"]
    for again in range(most + 1 - len(story.runs)):
        at += _ns(scene.scenario.policy.backoff.bounds_s(len(story.runs) + again)[1] + 0.1)
        fence += 1 if fence else 0
        scene.run_more(draft, story, at, random, outcome="error", fence=fence, attempt=2, lasts_ns=20 * MS)
        at += 20 * MS
    return Mutant(draft, story.job, excuse)


def counted_past_its_limit(scene: Scene, random: Random) -> Mutant | None:
    story = random.choice(scene.done)
    draft = scene.draft()
    told = scene.scenario.policy.max_attempts + random.randint(1, 3)
    draft.change("started", lambda row: row["job"] == story.job, attempt=told)
    return Mutant(draft, story.job)


def given_up_early(scene: Scene, random: Random) -> Mutant | None:
    places = [each for each in _exhausted(scene) if len(each.runs) > 1]
    found = scene.pick(random, places, scene.excuse_until_read)
    if not found:
        return None
    story, excuse = found
    draft = scene.draft()
    gone = {row["run"] for row, _ in story.runs[random.randint(1, len(story.runs) - 1) :]}
    draft.drop("started", lambda row: row["run"] in gone)
    draft.drop("ended", lambda row: row["run"] in gone)
    return Mutant(draft, story.job, excuse)


# ---- backoff


def _retries(scene: Scene) -> Iterator[tuple[Story, int]]:
    """A job and the number of a failure of it that was retried, where all before it failed as well."""
    for story in scene.stories:
        for number, outcome in enumerate(story.outcomes[:-1], start=1):
            if set(story.outcomes[:number]) == {"error"} and outcome == "error":
                yield story, number


def _moved_from(scene: Scene, draft: Draft, story: Story, number: int, by: int) -> None:
    """All runs of a job after its ``number``-th come so much later."""
    scene.read_later(draft, story.last_t + by)
    later = {run["run"] for run, _ in story.runs[number:]}
    for kind in ("started", "ended"):
        draft.put(kind, [{**row, "t": row["t"] + by} if row["run"] in later else row for row in draft.of(kind)])


def retried_too_early(scene: Scene, random: Random) -> Mutant | None:
    bounds = scene.scenario.policy.backoff.bounds_s
    places = [(story, number) for story, number in _retries(scene) if bounds(number)[0] > 0]
    found = scene.pick(random, places, lambda place: scene.excuse_until_read(place[0]))
    if not found:
        return None
    (story, number), excuse = found
    _, failed = story.runs[number - 1]
    assert failed
    start = failed["t"] + _ns(bounds(number)[0] * random.uniform(0, 0.95))
    draft = scene.draft()
    _moved_from(scene, draft, story, number, start - story.runs[number][0]["t"])
    return Mutant(draft, story.job, excuse)


def retried_too_late(scene: Scene, random: Random) -> Mutant | None:
    promise = scene.promise
    if promise.prefetch > 1 or promise.concurrency is not None or promise.rate_n is not None:
        return None  # what is in hand, or a limit, delays lawfully
    found = scene.pick(random, [each for each in _retries(scene) if each[1] == 1], lambda _: scene.excuse_at_rest())
    if not found or promise.recovery_s == float("inf"):
        return None
    (story, _), excuse = found
    # Where nothing else is done: it fails long after all the others, and is retried later still.
    fails = scene.last_trouble + _ns(promise.recovery_s + 2)
    allowed = promise.report_s + promise.start_gap_s + promise.sweep_s + random.uniform(0.3, 2)
    policy = scene.scenario.policy  # what was hidden by an earlier fault may have made the delay a later one's
    starts = fails + _ns(policy.backoff.bounds_s(policy.max_attempts)[1] + allowed)
    (first, failed), (second, _) = story.runs[:2]
    alive = scene.alive(scene.read_at - 1)
    if not failed or not alive:
        return None
    draft = scene.draft()
    _moved_from(scene, draft, story, 1, starts - second["t"])
    by = fails - failed["t"]
    draft.change("started", lambda row: row["run"] == first["run"], t=first["t"] + by)
    draft.change("ended", lambda row: row["run"] == first["run"], t=fails)
    draft.change("started", lambda row: row["job"] == story.job, w=random.choice(alive))
    return Mutant(draft, story.job, excuse)


def _delays(scene: Scene, share: float) -> Mutant | None:
    """Every delay at one place of its range: 0 the least, 1 the longest."""
    policy = scene.scenario.policy.backoff
    places = list(_retries(scene))
    wide = [number for _, number in places if policy.bounds_s(number)[1] >= 1]
    if policy.jitter == "none" or len(wide) < 2 * JITTERED_MIN or any(row["e"] == "fault" for row in scene.few):
        return None
    moved: dict[str, int] = {}
    late: dict[str, int] = {}
    for story, number in places:
        (_, failed), (run, _) = story.runs[number - 1], story.runs[number]
        assert failed
        low, high = policy.bounds_s(number)
        waits = _ns(low + share * (high - low)) + 10 * MS
        late[story.job] = failed["t"] + late.get(story.job, 0) + waits - run["t"]
        moved[run["run"]] = late[story.job]
    draft = scene.draft()
    scene.read_later(draft, max(story.last_t for story in scene.stories) + max(late.values()))
    for kind in ("started", "ended"):
        rows = [{**row, "t": row["t"] + moved.get(row["run"], 0)} for row in draft.of(kind)]
        draft.put(kind, rows)
    widest = max(policy.bounds_s(number)[1] - policy.bounds_s(number)[0] for _, number in places)
    may_be_late = scene.promise.start_gap_s + scene.promise.sweep_s
    # What came late may have been drawn short; what came at the begin of the range can't have been drawn long.
    excuse = "a shorter delay and a start as late as is promised" if share * widest < may_be_late else ""
    return Mutant(draft, None, excuse if share > SHORT_MAX else "")


def without_jitter(scene: Scene, random: Random) -> Mutant | None:
    return _delays(scene, random.uniform(0.98, 1))


def always_the_shortest_delay(scene: Scene, random: Random) -> Mutant | None:
    return _delays(scene, random.uniform(0, 0.02))


# ---- concurrency and rate


def _full(scene: Scene, at: int, queue: str, besides: str) -> bool:
    """Whether as many runs of the queue as its limit were open then, and for a moment after."""
    running = [run for start, end, run in scene.open_at if start < at - MS and end > at + 5 * MS]
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


def _too_many_in_a_window(scene: Scene, random: Random, extra: int) -> Mutant | None:
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
    return Mutant(draft, None, why)


def one_past_the_rate(scene: Scene, random: Random) -> Mutant | None:
    return _too_many_in_a_window(scene, random, 1)


def rate_counted_by_each_worker(scene: Scene, random: Random) -> Mutant | None:
    return _too_many_in_a_window(scene, random, random.randint(5, 20))


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


def _after_its_cancellation(scene: Scene, random: Random, wait_s: float) -> Mutant | None:
    done = {
        row["job"]: row["t"]
        for row in scene.few
        if row["e"] == "op" and row["op"] == "cancel" and row["phase"] == "acked" and row["outcome"] == "cancelled"
    }
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
    Mutation("timeouts", "nobody ends a body that hangs", outlived_its_timeout),
    Mutation("timeouts", "the timeout is counted from the enqueue", timed_out_too_early),
    Mutation("timeouts", "a worker's process dies of its own bug", process_ended_by_itself),
    Mutation("attempts", "the bound is off by one", one_attempt_too_many),
    Mutation("attempts", "a retry does not count the attempt", retries_are_not_counted),
    Mutation("attempts", "the count goes on past the bound", counted_past_its_limit),
    Mutation("attempts", "a dead letter before its attempts are used up", given_up_early),
    Mutation("backoff", "a retry without its delay", retried_too_early),
    Mutation("backoff", "delayed retries are looked for too seldom", retried_too_late),
    Mutation("backoff", "no jitter: all come back at once", without_jitter),
    Mutation("backoff", "the jitter's random number is always 0", always_the_shortest_delay),
    Mutation("concurrency", "a claim does not look at the limit", started_past_the_limit),
    Mutation("concurrency", "the seat is free before the body has ended", seat_given_away_before_the_end),
    Mutation("concurrency", "leases are counted by each worker for itself", more_leases_than_allowed),
    Mutation("rate", "the window forgets one grant", one_past_the_rate),
    Mutation("rate", "each worker counts its own grants", rate_counted_by_each_worker),
    Mutation("rate", "a fixed window: twice the rate around its edge", granted_past_the_rate),
    Mutation("control", "a claim does not look whether the queue is paused", started_while_paused),
    Mutation("control", "a worker goes on with what it knew of the queue", pause_reaches_one_worker_late),
    Mutation("control", "the cancelled job's id stays in the queue", cancelled_and_started),
    Mutation("control", "a claim does not look whether the job is cancelled", cancelled_while_it_was_claimed),
    Mutation("early", "the delay is dropped", delay_ignored),
    Mutation("early", "the due time is another clock's", promoted_early),
    Mutation("early", "the due time is rounded down", due_time_rounded_down),
)
