"""Judges a run that is too long to be held: cohort after cohort of its jobs, with what happened to all beside each.

A job's cohort is by its name's hash, so what is said of one job is said by one cohort. What a checker asks of the whole
run is found first, in a narrow pass: its begin and end, when the states were read, what was open then. Not split are

- ``backoff``: it pools the delays' jitter and asks for idle slots. It gets the jobs that failed, and the times
  of all runs;
- ``late``: it asks when a process had nothing to do. It gets the jobs that waited, and the times of all runs;
- ``leaks``: it asks when a worker had nothing to do. It gets the worker, the process and the times of all runs;
- ``residue``: it counts the jobs that are not over, and gets these;
- ``lost`` of a queue that promises at-most-once, where a kill excuses so many jobs in all, and ``concurrency`` and
  ``rate`` where there is a limit, to which all runs count: they read the whole, in the memory that this takes.
"""

import gc
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import FINDINGS_SHOWN_MAX, Checker, Judged
from scenarios.checkers.late import waits
from scenarios.checkers.registry import CHECKERS
from scenarios.checkers.residue import OVER
from scenarios.history import History
from scenarios.history_read import HistoryError, Ledgers
from scenarios.history_stored import CohortWriter, StoredFrames, cohorts, read
from scenarios.history_tables import hashed
from scenarios.history_types import FOREVER, Died, ns
from scenarios.idle_slots import judges
from scenarios.judge import Judgement, judge

if TYPE_CHECKING:
    from scenarios.scenario import Scenario

LINES_MAX: Final = 6_000_000
"""A history of more lines is split; this many are judged in about 1.5 GiB."""
COHORT_LINES: Final = 2_500_000


def judge_by_cohorts(path: Path, promise: Promise, scenario: "Scenario") -> Judgement:
    """What ``judge`` says of the history in the folder ``path``, in the memory of a cohort. Raises ``HistoryError``."""
    whole = History(read(path))
    whole.stored_under(scenario.durability)
    known = _shared(whole, path, promise)
    whole.know(known)
    apart = _unsplit(promise)
    said: dict[str, list[_Outcome]] = defaultdict(list)
    reduced = _Reduced(promise)
    for frames in cohorts(path):
        cohort = History(Ledgers(frames, whole.header, whole.torn), small_lines_max=0)
        cohort.know(known)
        reduced.add(cohort)
        for name in CHECKERS.keys() - apart.keys():
            said[name].append(_outcome(CHECKERS[name].check, cohort, promise, scenario))
        del cohort
        gc.collect()  # a history and its causes refer to each other, so only this frees the cohort's tables
    for name, needs in apart.items():
        said[name].append(_outcome(CHECKERS[name].check, needs(whole, reduced, known), promise, scenario))
    merged = {name: replace(each, check=_told(said[name])) for name, each in CHECKERS.items()}
    return judge(whole, promise, scenario, merged)


def judge_stored(path: Path, promise: Promise, scenario: "Scenario") -> Judgement:
    """``judge``, of a file or a folder; by cohorts where it is longer than ``LINES_MAX``. Raises ``HistoryError``."""
    history = History.read_parquet(path)
    if path.is_dir():
        return judge_by_cohorts(path, promise, scenario)
    if history.lines <= LINES_MAX or not isinstance(history.frames, StoredFrames) or not _told_of_jobs(history.frames):
        return judge(history, promise, scenario)
    with TemporaryDirectory(prefix="stormproof-cohorts-") as folder:
        split = Path(folder) / "history.parquet"
        writer = CohortWriter(split, math.ceil(history.lines / COHORT_LINES))
        writer.add_all(history.frames)
        writer.close(history.header, history.torn)
        return judge_by_cohorts(split, promise, scenario)


def _told_of_jobs(frames: StoredFrames) -> bool:
    """Whether ends are stored with their jobs, as they were not always: without these no cohort is known."""
    return not frames.scan("ended").select(pl.col("job").is_null().any()).collect().item()


def merge(parts: Iterable[Judged]) -> Judged:
    """What one checker said of disjoint jobs: the sums, and of the findings the first few."""
    every = tuple(parts)
    found = sorted((each for part in every for each in part.findings), key=lambda each: (each.at_ns, each.job or ""))
    return Judged(
        examined=sum(part.examined for part in every),
        findings=tuple(found[:FINDINGS_SHOWN_MAX]),
        total=sum(part.total for part in every),
        explained=sum(part.explained for part in every),
        undecided=sum(part.undecided for part in every),
    )


# ---- a checker may crash, and then says so where the judge asks it

_Outcome = Judged | Exception | pl.exceptions.PanicException


def _outcome(check: Checker, history: History, promise: Promise, scenario: "Scenario") -> _Outcome:
    try:
        return check(history, promise, scenario)
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001  # the judge's to report
        return error


def _told(outcomes: Iterable[_Outcome]) -> Checker:
    every = tuple(outcomes)

    def check(history: History, promise: Promise, scenario: "Scenario") -> Judged:
        del history, promise, scenario
        for outcome in every:
            if not isinstance(outcome, Judged):
                raise outcome
        return merge(outcome for outcome in every if isinstance(outcome, Judged))

    return check


# ---- what all cohorts share


def _shared(whole: History, path: Path, promise: Promise) -> dict[str, Any]:
    """The whole run's answers to what a cohort can't know, by the names of the history's own."""
    if not isinstance(whole.frames, StoredFrames):
        raise HistoryError(f"{path}: not stored as cohorts")
    extents = whole.frames.extents
    looked_at = whole.phases.get("states") or extents.get("state", (0, FOREVER, FOREVER))[1]
    known = {name: getattr(whole, name) for name in ("phases", "faults", "signals", "lives", "stalls", "canary")}
    known |= {name: getattr(whole, name) for name in ("begin", "end", "writers", "few")}
    known["looked_at"] = looked_at
    before = pl.col("t") <= looked_at
    last = [whole.frames.scan(kind).select(pl.col("t").filter(before).max()).collect().item() for kind in _RUN_EVENTS]
    known["last_run_event"] = max((t for t in last if t is not None), default=0)
    known["died_in_bodies"] = _died(cohorts(path), whole.writers)
    known["open_when_read"] = _open(cohorts(path), whole.writers, looked_at)
    if promise.prefetch > 1:
        held = promise.prefetch * promise.slots, ns(promise.start_gap_s)
        known["runs_ahead"] = {held: whole.ahead(*held)}
    return known


_RUN_EVENTS: Final = ("started", "ended")


def _open(every: Iterable[StoredFrames], writers: pl.DataFrame, at: int) -> tuple[dict[str, int], frozenset[str]]:
    """As ``History.open_when_read``: started by then, not ended before, and its process had not been seen dead."""
    workers: Counter[str] = Counter()
    jobs: set[str] = set()
    known = writers.lazy().select("w", "worker", ended=pl.col("exit_hi").fill_null(FOREVER))
    for frames in every:
        ended = frames.scan("ended").select("t", run=hashed("run"))
        later = ended.group_by("run").agg(ends=pl.col("t").min())
        found = (
            frames.scan("started")
            .filter(pl.col("t") <= at)
            .select("w", "job", run=hashed("run"))
            .join(ended.filter(pl.col("t") < at), on="run", how="anti")
            .join(known, on="w", how="left")
            .join(later, on="run", how="left")
            .filter(pl.coalesce("ends", "ended", pl.lit(FOREVER)) >= at)
            .select("worker", "job")
            .collect()
        )
        workers.update(found["worker"].to_list())
        jobs.update(found["job"].to_list())
    return dict(workers), frozenset(jobs)


def _died(every: Iterable[StoredFrames], writers: pl.DataFrame) -> dict[str, Died]:
    """As ``History.died_in_bodies``: of the processes that were seen dead, those with runs that never ended."""
    ends = writers.lazy().filter(pl.col("exit_hi").is_not_null()).select("w", "exit_lo", "exit_hi")
    found: dict[str, Died] = {}
    for frames in every:
        ended = frames.scan("ended").select(run=hashed("run"))
        still_open = frames.scan("started").select("w", "t", run=hashed("run")).join(ended, on="run", how="anti")
        for process, start, lo, hi in (
            still_open.join(ends, on="w").select("w", "t", "exit_lo", "exit_hi").collect().iter_rows()
        ):
            known = found.get(process, Died(0, hi, 0))
            found[process] = Died(max(known.lo, lo, start), hi, known.bodies + 1)
    return found


# ---- what is not split

_Needs = Callable[[History, "_Reduced", Mapping[str, Any]], History]


def _unsplit(promise: Promise) -> Mapping[str, _Needs]:
    """Checkers that can't be split under this promise, each with the history that it gets."""
    found: dict[str, _Needs] = {"backoff": _of_failed, "residue": _of_unfinished, "leaks": _of_times}
    if judges(promise):
        found["late"] = _of_waiting
    if promise.concurrency is not None:
        found["concurrency"] = _of_all
    if promise.rate_n is not None:
        found["rate"] = _of_all
    if promise.delivery == "at_most_once":
        found["lost"] = _of_all
    return found


def _of_all(whole: History, reduced: "_Reduced", known: Mapping[str, Any]) -> History:
    del reduced, known
    return whole


@dataclass(slots=True)
class _Reduced:
    """What the cohorts leave for the checkers that ask for all of them."""

    promise: Promise
    times: list[pl.DataFrame] = field(default_factory=list)
    bodies: list[pl.DataFrame] = field(default_factory=list)
    waited: list[tuple[pl.DataFrame, pl.DataFrame]] = field(default_factory=list)
    failed: list[tuple[pl.DataFrame, pl.DataFrame]] = field(default_factory=list)
    unfinished: list[tuple[pl.DataFrame, pl.DataFrame]] = field(default_factory=list)

    def add(self, cohort: History) -> None:
        worker = pl.col("worker").cast(pl.Enum(sorted(cohort.writers["worker"].drop_nulls().unique())))
        self.times.append(cohort.runs.select(worker, "pid", "start", "end_hi"))
        self.failed.append(_with_runs(cohort, pl.col("n_failed") > 0))
        over = pl.col("state").is_in(OVER) & ~((pl.col("state") == "absent") & (pl.col("outcome") == "unknown"))
        if judges(self.promise):
            process = pl.col("w").cast(pl.Enum(sorted(cohort.writers["w"].unique())))
            self.bodies.append(cohort.bodies.with_columns(process, pl.col("queue", "outcome").cast(pl.Categorical)))
            self.waited.append(_with_runs(cohort, waits(self.promise).fill_null(value=False)))
        self.unfinished.append(_with_runs(cohort, ~over.fill_null(value=False)))

    def slots(self) -> dict[str, pl.DataFrame]:
        """When which slot ran what, for who may ask: see ``IdleSlots``."""
        return {"bodies": pl.concat(self.bodies)} if self.bodies else {}


def _with_runs(cohort: History, chosen: pl.Expr) -> tuple[pl.DataFrame, pl.DataFrame]:
    jobs = cohort.jobs.filter(chosen)
    runs = cohort.runs.join(jobs.select("job"), on="job", how="semi", maintain_order="left")
    return _apart(jobs), _apart(runs)


def _apart(rows: pl.DataFrame) -> pl.DataFrame:
    """Made anew: a selection's strings would keep those of the whole cohort in memory."""
    return pl.DataFrame(rows.to_dict(as_series=False), schema=rows.schema)


def _joined(whole: History, parts: Iterable[tuple[pl.DataFrame, pl.DataFrame]], known: Mapping[str, Any]) -> History:
    jobs, runs = zip(*parts, strict=True)
    history = History(Ledgers(whole.frames, whole.header, whole.torn), small_lines_max=0)
    history.know({**known, "jobs": pl.concat(jobs).sort("invoked", "job"), "runs": pl.concat(runs)})
    return history


def _of_failed(whole: History, reduced: _Reduced, known: Mapping[str, Any]) -> History:
    return _joined(whole, reduced.failed, {**known, **reduced.slots()})


def _of_waiting(whole: History, reduced: _Reduced, known: Mapping[str, Any]) -> History:
    return _joined(whole, reduced.waited, {**known, **reduced.slots()})


def _of_unfinished(whole: History, reduced: _Reduced, known: Mapping[str, Any]) -> History:
    return _joined(whole, reduced.unfinished, known)


def _of_times(whole: History, reduced: _Reduced, known: Mapping[str, Any]) -> History:
    history = _joined(whole, reduced.unfinished, known)
    history.know({"runs": pl.concat(reduced.times).with_columns(pl.col("worker").cast(pl.String))})
    return history
