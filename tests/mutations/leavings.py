"""Mutations of what is left: results, keys, and what workers' processes keep."""

from random import Random
from typing import Final

from tests.mutations.draft import SECOND, Row
from tests.mutations.ends import settled
from tests.mutations.scene import Mutant, Mutation, Scene, Story

KIB: Final = 1 << 10
MIB: Final = 1 << 20
COPIES: Final = 12
"""Of a job's arguments and result that a process may well keep: more than any checker allows for."""
RUNS_MIN: Final = 120
POINTS_MIN: Final = 14

# ---- results


def _kept(scene: Scene) -> list[Story]:
    return [each for each in scene.done if each.state["sum"]]


def _result(scene: Scene, random: Random, stored: str) -> Mutant | None:
    found = scene.pick(random, _kept(scene), lambda _: scene.excuse_at_rest())
    if not found:
        return None
    story, excuse = found
    draft = scene.draft()
    scene.state(draft, story, "finished", story.state["found_in"], sum=stored)
    return Mutant(draft, story.job, excuse if not stored else "the store lost writes" if scene.lossy else "")


def result_cut_off(scene: Scene, random: Random) -> Mutant | None:
    return _result(scene, random, "of half of it")


def result_of_another_job(scene: Scene, random: Random) -> Mutant | None:
    others = _kept(scene)
    return _result(scene, random, f"{random.choice(others).state['sum']}, another's") if others else None


def result_not_stored(scene: Scene, random: Random) -> Mutant | None:
    return _result(scene, random, "")


def record_expired_at_once(scene: Scene, random: Random) -> Mutant | None:
    until = scene.scenario.policy.result_ttl_s
    places = [each for each in _kept(scene) if scene.read_at - each.last_t < (until - 5) * SECOND]
    found = settled(scene, random, places)
    if not found:
        return None
    draft, story, excuse = found
    scene.state(draft, story, "absent", (), sum="")
    return Mutant(draft, story.job, excuse)


def result_of_a_zombie(scene: Scene, random: Random) -> Mutant | None:
    """A second run was granted while the first went on, and the first one's result is kept."""
    places = [each for each in _kept(scene) if each.runs[0][0]["fence"]]
    if not places or not scene.promise.fenced:
        return None
    story = random.choice(places)
    first, end = story.runs[0]
    assert end
    draft = scene.draft()
    scene.run_more(draft, story, (first["t"] + end["t"]) // 2, random)
    return Mutant(draft, story.job, "the store lost writes" if scene.lossy else "")


# ---- keys


def _keys(scene: Scene, random: Random, of: str | None, **fields: int | str) -> Mutant | None:
    """One row of the keys at rest changed, ``of`` this pattern (None: any)."""
    rows = [row for row in scene.original.rows["key"] if of in (None, row["pattern"])]
    if not rows:
        return None
    chosen = random.choice(rows)
    draft = scene.draft()
    draft.put("key", [{**row, **fields} if row is chosen else row for row in draft.of("key")])
    return Mutant(draft, None, scene.excuse_at_rest() if "without_ttl" in fields else "")


def unknown_keys(scene: Scene, random: Random) -> Mutant | None:
    return _keys(scene, random, None, pattern="", name="q:lock:forgotten", n=random.randint(1, 100))


def _patterns(scene: Scene, *, per: str) -> list[str]:
    present = {row["pattern"] for row in scene.original.rows["key"]}
    return [key.pattern for key in scene.promise.keys if key.ttl_s_max and key.per == per and key.pattern in present]


def key_never_expires(scene: Scene, random: Random) -> Mutant | None:
    patterns = _patterns(scene, per="")
    return _keys(scene, random, random.choice(patterns), without_ttl=random.randint(1, 20)) if patterns else None


def key_expires_too_late(scene: Scene, random: Random) -> Mutant | None:
    patterns = [key for key in scene.promise.keys if key.ttl_s_max]
    present = [key for key in patterns if any(row["pattern"] == key.pattern for row in scene.original.rows["key"])]
    if not present:
        return None
    key = random.choice(present)
    longest = round((key.ttl_s_max or 0) * 1000)
    return _keys(scene, random, key.pattern, ttl_ms_max=longest + random.choice([1, 1000, longest]))


def record_left_behind(scene: Scene, random: Random) -> Mutant | None:
    patterns = _patterns(scene, per="job")
    if not patterns:
        return None
    over = {"finished", "cancelled", "absent"}
    owners = sum(1 for row in scene.original.rows["invoked"] if _state(scene, row) not in over)
    return _keys(scene, random, random.choice(patterns), without_ttl=owners + random.randint(1, 50))


def _state(scene: Scene, invoked: Row) -> str:
    state = scene.original.states.get(invoked["job"])
    if state is None or (state["state"] == "absent" and invoked["job"] not in scene.original.acked):
        return "not known"
    return str(state["state"])


# ---- processes


def _samples(scene: Scene, random: Random) -> list[Row]:
    """Those of one process, of which there are many."""
    by_process: dict[tuple[str, int], list[Row]] = {}
    for row in scene.original.rows["sample"]:
        by_process.setdefault((row["worker"], row["pid"]), []).append(row)
    most = max(map(len, by_process.values()), default=0)
    long = [rows for rows in by_process.values() if len(rows) >= max(20, most // 2)]
    return random.choice(long) if long else []


def _changed(scene: Scene, mine: list[Row], column: str, values: dict[int, int], excuse: str) -> Mutant:
    draft = scene.draft()
    who = mine[0]["worker"], mine[0]["pid"]
    rows = [
        {**row, column: values[row["t"]]} if (row["worker"], row["pid"]) == who else row for row in draft.of("sample")
    ]
    draft.put("sample", rows)
    return Mutant(draft, None, excuse)


def descriptor_a_run(scene: Scene, random: Random) -> Mutant | None:
    """Each run of the worker leaves so many descriptors open in one of its processes."""
    return _descriptors(scene, random, 1.0)


def descriptor_in_some_runs(scene: Scene, random: Random) -> Mutant | None:
    return _descriptors(scene, random, random.uniform(0.25, 0.6))


def _descriptors(scene: Scene, random: Random, a_run: float) -> Mutant | None:
    mine = _samples(scene, random)
    if not mine:
        return None
    worker = mine[0]["worker"]
    ends = sorted(
        end for _, end, run in scene.open_at if scene.original.workers[run["w"]]["worker"] == worker
    )  # fmt: skip
    before = [sum(1 for end in ends if end <= row["t"]) for row in mine]
    values = {row["t"]: row["fds"] + round(a_run * n) for row, n in zip(mine, before, strict=True)}
    seen = {n for row, n in zip(mine, before, strict=True) if row["t"] <= scene.read_at}
    few = len(seen) < 40 or (max(seen) - min(seen)) * a_run < 40
    return _changed(scene, mine, "fds", values, "too few runs, or too few samples between them" if few else "")


def memory_kept_of_runs(scene: Scene, random: Random) -> Mutant | None:
    """Each run leaves a piece of what it took in its process."""
    if scene.promise.growth_mib == float("inf"):
        return None
    places: list[tuple[list[Row], list[int]]] = []
    for w, opened in scene.original.workers.items():
        mine = [row for row in scene.original.rows["sample"] if row["pid"] == opened["pid"]]
        ends = [end for _, end, run in scene.open_at if run["w"] == w]
        before = [sum(1 for end in ends if end <= row["t"]) for row in mine]
        if before and before[-1] - before[0] >= RUNS_MIN:
            places.append((mine, before))
    if not places:
        return None
    mine, before = random.choice(places)
    sizes = ((row["spec"]["args_kb"] or 0) + (row["spec"]["result_kb"] or 0) for row in scene.original.rows["invoked"])
    allowed = scene.promise.growth_mib * MIB + COPIES * max(sizes) * KIB
    a_run = 2 * allowed * random.uniform(2.5, 6) / before[-1]
    values = {row["t"]: row["rss"] + round(a_run * n) for row, n in zip(mine, before, strict=True)}
    few = len({n for n in before if 2 * n > before[-1]}) < POINTS_MIN
    return _changed(scene, mine, "rss", values, "too few samples between its runs" if few else "")


def hot_loop_at_rest(scene: Scene, random: Random) -> Mutant | None:
    """A process takes a whole core once there is nothing more to do."""
    mine = _samples(scene, random)
    last = max((end for _, end, _ in scene.open_at if end <= scene.read_at), default=0)
    if not mine:
        return None
    values = {row["t"]: row["cpu_ns"] + max(0, row["t"] - last) for row in mine}
    at_rest = [row["t"] for row in mine if max(last, scene.last_trouble) + 2 * SECOND < row["t"] < scene.read_at]
    seen = len(at_rest) > 1 and at_rest[-1] - at_rest[0] > SECOND and at_rest[0] - mine[0]["t"] > 2 * SECOND
    return _changed(scene, mine, "cpu_ns", values, scene.excuse_at_rest() if seen else "too few samples at rest")


MUTATIONS: Final = (
    Mutation("results", "a large result is cut off", result_cut_off),
    Mutation("results", "two jobs share the place of their results", result_of_another_job),
    Mutation("results", "the result is not stored", result_not_stored),
    Mutation("results", "the record's time to live is too short", record_expired_at_once),
    Mutation("results", "no fence at the report: a zombie's result wins", result_of_a_zombie),
    Mutation("residue", "a lock that nobody owns is left behind", unknown_keys),
    Mutation("residue", "a key's time to live is not set", key_never_expires),
    Mutation("residue", "a key's time to live is set in the wrong unit", key_expires_too_late),
    Mutation("residue", "records of finished jobs do not expire", record_left_behind),
    Mutation("leaks", "each run leaves a descriptor open", descriptor_a_run),
    Mutation("leaks", "each failed run does", descriptor_in_some_runs),
    Mutation("leaks", "each run leaves memory in its process", memory_kept_of_runs),
    Mutation("leaks", "a loop that never waits", hot_loop_at_rest),
)
