"""Mutations of how long a body may run, how often it is tried, and how long after: timeouts, attempts, backoff."""

from collections.abc import Callable, Iterator
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
    if not found or float("inf") in {promise.recovery_s, promise.claim_s}:
        return None  # nobody has promised that an idle slot takes it
    (story, _), excuse = found
    # Where nothing else is done: it fails long after all the others, and is retried later still.
    fails = scene.last_trouble + _ns(promise.recovery_s + 2)
    allowed = promise.report_s + promise.start_gap_s + promise.sweep_s + promise.claim_s + random.uniform(0.3, 2)
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


def _delays(scene: Scene, share_of: Callable[[Row], float]) -> Draft | None:
    """Every delay at a place of its range: 0 the least, 1 the longest; ``share_of`` the run that failed."""
    policy = scene.scenario.policy.backoff
    places = list(_retries(scene))
    wide = [number for _, number in places if policy.bounds_s(number)[1] >= 1]
    if policy.jitter == "none" or len(wide) < JITTERED_MIN or any(row["e"] == "fault" for row in scene.few):
        return None
    moved: dict[str, int] = {}
    late: dict[str, int] = {}
    for story, number in places:
        (first, failed), (run, _) = story.runs[number - 1], story.runs[number]
        assert failed
        low, high = policy.bounds_s(number)
        waits = _ns(low + share_of(first) * (high - low)) + 10 * MS
        late[story.job] = failed["t"] + late.get(story.job, 0) + waits - run["t"]
        moved[run["run"]] = late[story.job]
    draft = scene.draft()
    scene.read_later(draft, max(story.last_t for story in scene.stories) + max(late.values()))
    for kind in ("started", "ended"):
        rows = [{**row, "t": row["t"] + moved.get(row["run"], 0)} for row in draft.of(kind)]
        draft.put(kind, rows)
    return draft


def _all_delays(scene: Scene, share: float) -> Mutant | None:
    draft, policy = _delays(scene, lambda _: share), scene.scenario.policy.backoff
    if draft is None:
        return None
    places = _retries(scene)
    widest = max(policy.bounds_s(number)[1] - policy.bounds_s(number)[0] for _, number in places)
    may_be_late = scene.promise.start_gap_s + scene.promise.sweep_s
    # What came late may have been drawn short; what came at the begin of the range can't have been drawn long.
    excuse = "a shorter delay and a start as late as is promised" if share * widest < may_be_late else ""
    return Mutant(draft, None, excuse if share > SHORT_MAX else "")


def without_jitter(scene: Scene, random: Random) -> Mutant | None:
    return _all_delays(scene, random.uniform(0.98, 1))


def always_the_shortest_delay(scene: Scene, random: Random) -> Mutant | None:
    return _all_delays(scene, random.uniform(0, 0.02))


def jitter_drawn_once(scene: Scene, random: Random) -> Mutant | None:
    """One draw a process, for all the retries that it causes."""
    drawn: dict[str, float] = {}
    draft = _delays(scene, lambda failed: drawn.setdefault(failed["w"], random.random()))
    return Mutant(draft, None) if draft else None


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
    Mutation("backoff", "each process draws its jitter once", jitter_drawn_once),
    Mutation("backoff", "the jitter's random number is always 0", always_the_shortest_delay),
)
