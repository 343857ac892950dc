"""Changes of a history that must alter no verdict: each says why. What alters one shows a checker's error.

*Exact* changes say the same in other words: every count and every metric stays as it was, and so do the findings of a
history that has some. The others change what is known, or add what a lawful queue may do: no finding may come of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any, Final

from stormproof_target import Promise

from scenarios.history import History
from scenarios.judge import Judgement, judge
from scenarios.metrics import Metrics
from tests.mutations.draft import SECOND, Draft, Row
from tests.mutations.merge import merged
from tests.mutations.scene import Scene

MS: Final = SECOND // 1000
TIMES: Final = ("t", "lo_ns", "intended_ns")
OURS: Final = frozenset({"", "host", "producer", "harness", "canary"})
"""What stands in the column of workers and is none."""

Make = Callable[[Scene, Draft, Random], bool]
"""Changes the draft; False where the history has nothing to change."""


@dataclass(frozen=True, slots=True)
class Change:
    """``why`` its verdict must be the same. ``exact``: nothing at all may differ but times and names."""

    name: str
    why: str
    make: Make
    exact: bool = False


# ---- the same in other words


def _mapped(draft: Draft, columns: frozenset[str], to: Callable[[Any], Any]) -> None:
    def change(_kind: str, row: Row) -> Row:
        return {**row, **{name: to(row[name]) for name in columns if row.get(name) is not None}}

    draft.each(change)


def shifted(_scene: Scene, draft: Draft, random: Random) -> bool:
    by = random.randint(-draft.original.phases["load_begin"] // 2, 10**15)
    _mapped(draft, frozenset(TIMES), lambda t: t + by)
    return True


def jobs_renamed(_scene: Scene, draft: Draft, random: Random) -> bool:
    jobs = list(dict.fromkeys(row["job"] for kind in ("invoked", "started") for row in draft.of(kind)))
    numbers = random.sample(range(10 * len(jobs)), len(jobs))
    names = {job: f"job.{number}" for job, number in zip(jobs, numbers, strict=True)}
    _mapped(draft, frozenset({"job"}), lambda job: names.get(job, job))
    return True


def runs_renamed(_scene: Scene, draft: Draft, random: Random) -> bool:
    salt = random.randrange(1 << 32)
    _mapped(draft, frozenset({"run"}), lambda run: f"{hash_of(run, salt)}-{run}")
    return True


def hash_of(text: str, salt: int) -> int:
    """Any order but the old one; the same in each process, as ``hash`` is not."""
    return Random(f"{salt}{text}").randrange(1 << 20)


def workers_renamed(_scene: Scene, draft: Draft, random: Random) -> bool:
    names = list({row["worker"]: None for row in draft.of("open") if row["worker"] not in OURS})
    others = dict(zip(names, random.sample([f"w{n}" for n in range(len(names))], len(names)), strict=True))
    _mapped(draft, frozenset({"worker"}), lambda worker: others.get(worker, worker))
    _mapped(draft, frozenset({"workers"}), lambda workers: [others.get(worker, worker) for worker in workers])
    return True


def pids_changed(_scene: Scene, draft: Draft, random: Random) -> bool:
    pids = {row["pid"] for kind in ("open", "exited", "sample", "few") for row in draft.of(kind)} - {None}
    others = dict(zip(sorted(pids), random.sample(range(2, 4 << 20), len(pids)), strict=True))
    later = random.randrange(1 << 30)
    _mapped(draft, frozenset({"pid"}), lambda pid: others[pid])
    _mapped(draft, frozenset({"pid_start"}), lambda ticks: ticks + later)
    return True


def lines_of_one_instant_in_another_order(_scene: Scene, draft: Draft, random: Random) -> bool:
    for kind in ("started", "ended", "invoked", "acked", "state", "exited", "open", "sample", "count"):
        rows = list(draft.of(kind))
        random.shuffle(rows)
        draft.put(kind, rows)
    return True


def clauses_in_another_order(_scene: Scene, draft: Draft, random: Random) -> bool:
    promise = dict(draft.header.promise)
    sources = list(promise["sources"].items())
    random.shuffle(sources)
    clauses = [(name, value) for name, value in promise.items() if name != "sources"]
    random.shuffle(clauses)
    draft.header = replace(draft.header, promise={"sources": dict(sources), **dict(clauses)})
    return True


# ---- less is known, or a lawful queue did a little otherwise


def _killed(draft: Draft) -> set[str]:
    """Writers whose process, or whose supervisor, was sent KILL."""
    sent = {(row["worker"], row["pid"]) for row in draft.of("few") if row["e"] == "signal" and row["name"] == "KILL"}
    spawned = [row for row in draft.of("few") if row["e"] == "spawned"]
    whole = {
        (row["worker"], row["t"], min((at["t"] for at in spawned if _after(at, row)), default=row["t"] << 1))
        for row in spawned
        if (row["worker"], row["pid"]) in sent
    }
    return {
        row["w"]
        for row in draft.of("open")
        if (row["worker"], row["pid"]) in sent
        or any(worker == row["worker"] and born <= row["t"] < until for worker, born, until in whole)
    }


def _after(later: Row, row: Row) -> bool:
    return bool(later["worker"] == row["worker"] and later["t"] > row["t"])


def first_lines_of_killed_runs_lost(_scene: Scene, draft: Draft, random: Random) -> bool:
    killed, ended = _killed(draft), {row["run"] for row in draft.of("ended")}
    places = [row["run"] for row in draft.of("started") if row["w"] in killed and row["run"] not in ended]
    gone = {run for run in places if random.random() < 0.8}
    draft.drop("started", lambda row: row["run"] in gone)
    return bool(gone)


def last_lines_of_killed_processes_torn(_scene: Scene, draft: Draft, _random: Random) -> bool:
    """Only an end that the queue never heard of: its job was run again."""
    killed = _killed(draft)
    last = {row["w"]: row for row in draft.of("started") if row["w"] in killed}
    starts = {(row["job"], row["run"]): row["t"] for row in draft.of("started")}
    again = {
        row["run"] for row in last.values() if any(job == row["job"] and t > row["t"] for (job, _), t in starts.items())
    }
    before = len(draft.of("ended"))
    draft.drop("ended", lambda row: row["run"] in again)
    return len(draft.of("ended")) < before


def starts_later(scene: Scene, draft: Draft, random: Random) -> bool:
    """By up to half of the gap, and never past the run's own end or its process's."""
    gap = round(scene.promise.start_gap_s * SECOND) // 2
    ends = {run["run"]: end for _, end, run in scene.open_at}

    def later(row: Row) -> Row:
        room = min(gap, ends[row["run"]] - row["t"] - MS) if row["run"] in ends else 0
        return {**row, "t": row["t"] + (random.randint(0, room) if room > 0 else 0)}

    draft.put("started", [later(row) for row in draft.of("started")])
    return True


def ends_earlier(scene: Scene, draft: Draft, random: Random) -> bool:
    """By up to half of the time that a report may take, and never before the run's own start."""
    most = round(scene.promise.report_s * SECOND) // 2
    starts = {row["run"]: row["t"] for row in draft.of("started")}

    def earlier(row: Row) -> Row:
        room = min(most, row["t"] - starts[row["run"]]) if row["outcome"] in {"ok", "error"} else 0
        return {**row, "t": row["t"] - (random.randint(0, room) if room > 0 else 0)}

    draft.put("ended", [earlier(row) for row in draft.of("ended")])
    return True


def exits_seen_later(_scene: Scene, draft: Draft, random: Random) -> bool:
    draft.put("exited", [{**row, "t": row["t"] + random.randint(0, 30 * MS)} for row in draft.of("exited")])
    return True


def canary_thinned(_scene: Scene, draft: Draft, random: Random) -> bool:
    missing = {row["n"] for row in draft.of("canary") if row["phase"] == "missing"}
    numbers = {row["n"] for row in draft.of("canary")} - missing
    gone = {n for n in numbers if random.random() < 0.5 and not {n - 1, n + 1} & missing}
    draft.drop("canary", lambda row: row["n"] in gone)
    return bool(gone)


def run_twice_over(scene: Scene, draft: Draft, random: Random) -> bool:
    merged(scene, draft, later_ns=random.randint(1, 60) * SECOND)
    return True


_exact = partial(Change, exact=True)
CHANGES: Final = (
    _exact("all times shifted", "a clock's zero means nothing", shifted),
    _exact("jobs renamed", "an id means nothing but itself", jobs_renamed),
    _exact("runs renamed", "an id means nothing but itself", runs_renamed),
    _exact("workers renamed", "a name means nothing but itself", workers_renamed),
    _exact("pids and start times changed", "a process is known by both, whatever they are", pids_changed),
    _exact(
        "lines of one instant in another order",
        "files are read in any order",
        lines_of_one_instant_in_another_order,
    ),
    _exact("clauses in another order", "a promise is a set of clauses", clauses_in_another_order),
    Change(
        "`started` of killed runs dropped",
        "a kill may come between the grant and the body's first line",
        first_lines_of_killed_runs_lost,
    ),
    Change(
        "last lines torn",
        "a kill may come before the line of an end is written, of which the queue then never heard",
        last_lines_of_killed_processes_torn,
    ),
    Change("starts later, within the declared gap", "a grant comes up to `start_gap_s` before its start", starts_later),
    Change("ends earlier, within the time of a report", "a report may take `report_s`", ends_earlier),
    Change("ends of processes seen later", "an end is an interval: a wider one says less", exits_seen_later),
    Change("half of the canary left out", "fewer numbers bound a loss less narrowly", canary_thinned),
    Change(
        "the run once more behind itself",
        "other jobs, workers, processes and faults at another time are no part of a job's life",
        run_twice_over,
    ),
)


# ---- judged again


def judged(scene: Scene, draft: Draft) -> Judgement:
    """Under the promise that the changed history tells."""
    return judge(draft.history(), Promise.from_dict(draft.header.promise), scene.scenario)


def altered(scene: Scene, draft: Draft, change: Change, *, before: Draft | None = None) -> list[str]:
    """What ``change`` altered although it must not, a sentence each. ``before``: unchanged (None: as recorded)."""
    old = judged(scene, before or scene.draft())
    new = judged(scene, draft)
    found = []
    for was, now in zip(old.checkers, new.checkers, strict=True):
        if change.exact and (was.judged.total, *_numbers(was.judged)) != (now.judged.total, *_numbers(now.judged)):
            found.append(f"{was.name}: {_numbers(was.judged)} became {_numbers(now.judged)}")
        emptied = not change.exact and now.judged.examined == 0  # what was left out was all that there was to examine
        if now.error or (was.verdict is not now.verdict and not emptied):
            found.append(f"{was.name}: {was.verdict} became {now.verdict}: {now.error or now.why}")
    if change.exact and before is None:
        was_told, is_told = _metrics(scene, scene.original.history), _metrics(scene, draft.history())
        found += [
            f"{name}: {value} became {is_told[name]}" for name, value in was_told.items() if value != is_told[name]
        ]
    return found


def _numbers(judged_: Any) -> tuple[int, int, int]:  # noqa: ANN401  # two classes have these
    return judged_.examined, judged_.explained, judged_.undecided


def _metrics(scene: Scene, history: History) -> dict[str, tuple[float | None, int]]:
    told = Metrics(history, scene.promise, scene.scenario).all()
    return {each.name: (each.value, each.n) for each in told}
