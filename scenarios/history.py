"""The history: the ordered events of one scenario, and the tables that all checkers share, each built once."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import polars as pl
from stormproof_target import JobSpec, Policy, Promise

from scenarios import history_faults as happened
from scenarios import history_small as small
from scenarios import history_stored as stored
from scenarios import history_tables as tables
from scenarios.clocks import Step, anchors, steps
from scenarios.history_causes import Causes
from scenarios.history_cuts import Interval, merged
from scenarios.history_read import HistoryError, Ledgers, from_dicts, read_ledgers
from scenarios.history_schema import COLUMNS, FEW, TYPES
from scenarios.history_types import FOREVER, Died, Job, Run

__all__ = ["History", "HistoryError", "read_history"]

OP: Final = ("t", "op", "job", "queue", "phase", "outcome")
RUN: Final = ("run", "job", "worker", "w", "pid", "life", "start", "end_lo", "end_hi", "outcome", "attempt", "fence")


def read_history(directory: Path) -> "History":
    """The history that ``<directory>/ledger/*.jsonl`` tells. Raises ``HistoryError`` where it can't be trusted."""
    return History(read_ledgers(directory / "ledger"))


class History:
    """Tables are polars frames with a row a run or a job; what is few (faults, signals, lives) is plain data."""

    def __init__(self, ledgers: Ledgers, small_lines_max: int = small.LINES_MAX) -> None:
        """``ledgers`` are checked already; see ``read_history``, ``from_events``, ``read_parquet``."""
        self._small_lines_max = small_lines_max
        self.frames, self.header, self.torn = ledgers.frames, ledgers.header, ledgers.torn
        self._causes: Causes | None = None

    def know(self, facts: Mapping[str, Any]) -> None:
        """Answers of the whole run, by the names of properties here: for a history that has a part of its jobs only."""
        self.__dict__.update(facts)

    @cached_property
    def _rows(self) -> small.Rows | None:
        """The events as rows, where they are few enough for that."""
        if self.lines > self._small_lines_max:
            return None
        if isinstance(self.frames, small.RowFrames):
            return self.frames.rows
        return {kind: self.frames[kind].to_dicts() for kind in COLUMNS}

    @classmethod
    def from_events(cls, events: Sequence[Mapping[str, Any]]) -> Self:
        """From ledger lines as dictionaries. Raises ``HistoryError``."""
        return cls(from_dicts(events))

    def write_parquet(self, path: Path) -> None:
        """Store it in one file: about a tenth of the ledgers' size, and read 5 times as fast."""
        stored.write(path, self.frames, self.header, self.torn)

    @classmethod
    def read_parquet(cls, path: Path) -> Self:
        """What ``write_parquet`` or a ``CohortWriter`` stored. Raises ``HistoryError``."""
        return cls(stored.read(path))

    def can(self, ability: str) -> bool:
        """Whether the target has an ability; a history without a ``target`` event is taken to have all."""
        return self.header.abilities is None or ability in self.header.abilities

    # ---- tables, a row a process, a run, a job

    @cached_property
    def writers(self) -> pl.DataFrame:
        """w, worker, role, pid, pid_start, life, exit_lo, exit_hi."""
        return tables.processes(self.frames) if self._rows is None else small.framed(self._writer_rows, small.WRITERS)

    @cached_property
    def runs(self) -> pl.DataFrame:
        """run, job, w, worker, pid, life, start, end_lo, end_hi, outcome, attempt, fence, args_sum, sum; ordered."""
        if self._rows is None:
            return self._runs_with_id.drop("id")
        return small.framed(self._run_rows, small.RUNS)

    @cached_property
    def _runs_with_id(self) -> pl.DataFrame:
        return tables.runs(self.frames, self.writers)

    @cached_property
    def jobs(self) -> pl.DataFrame:
        """One row an enqueue: see ``history_tables.jobs``."""
        return self._jobs_with_id.drop("id") if self._rows is None else small.framed(self._job_rows, small.JOBS)

    @cached_property
    def _jobs_with_id(self) -> pl.DataFrame:
        return tables.jobs(self.frames, self._runs_with_id)

    def runs_with(self, **columns: str) -> pl.DataFrame:
        """``runs`` with these columns of their jobs under other names (null: nobody enqueued it)."""
        if self._rows is not None:
            return self.runs.join(self.jobs.select("job", **columns), on="job", how="left", maintain_order="left")
        named = self._jobs_with_id.select("id", **columns)
        return self._runs_with_id.join(named, on="id", how="left", maintain_order="left").drop("id")

    @cached_property
    def bodies(self) -> pl.DataFrame:
        """When which process ran what, of all runs: w, queue (null: nobody enqueued it), start, end_hi, outcome."""
        return self.runs_with(queue="queue").select("w", "queue", "start", "end_hi", "outcome")

    @cached_property
    def _writer_rows(self) -> list[small.Row]:
        return small.processes(self._rows or {})

    @cached_property
    def _run_rows(self) -> list[small.Row]:
        return small.runs(self._rows or {}, self._writer_rows)

    @cached_property
    def _runs_by_job(self) -> dict[str, list[small.Row]]:
        found: dict[str, list[small.Row]] = defaultdict(list)
        for run in self._run_rows:
            found[run["job"]].append(run)
        return found

    @cached_property
    def _job_rows(self) -> list[small.Row]:
        return small.jobs(self._rows or {}, self._runs_by_job)

    @cached_property
    def counts(self) -> pl.DataFrame:
        """t, queue, waiting, delayed, running, dead: what the queue says of itself."""
        return self.frames["count"]

    @property
    def grants(self) -> pl.DataFrame:
        """When the queue says that it gave its last leases: t (of the reading), queue, server_us."""
        return self.frames["granted"]

    @property
    def samples(self) -> pl.DataFrame:
        """What workers' processes used: t, worker, pid, pid_start, rss (bytes), fds, cpu_ns (since their start)."""
        return self.frames["sample"]

    @property
    def keys(self) -> pl.DataFrame:
        """What the store held at rest: t, pattern ('' : none), name, n, without_ttl, ttl_ms_max, bytes."""
        return self.frames["key"]

    # ---- what is few

    @property
    def lines(self) -> int:
        """Events in all."""
        if isinstance(self.frames, small.RowFrames):
            return sum(map(len, self.frames.rows.values()))
        return sum(n for n, _, _ in stored.extents(self.frames).values())

    @cached_property
    def few(self) -> dict[str, list[small.Row]]:
        """Events of the kinds that are few, by kind."""
        found: dict[str, list[small.Row]] = defaultdict(list)
        for event in self.frames[FEW].to_dicts() if self._rows is None else self._rows.get(FEW, ()):
            found[event["e"]].append(event)
        return found

    def _exited(self, pids: set[int]) -> list[small.Row]:
        if self._rows is None:
            return self.frames["exited"].filter(pl.col("pid").is_in(list(pids))).to_dicts()
        return [event for event in self._rows.get("exited", ()) if event["pid"] in pids]

    @cached_property
    def faults(self) -> tuple[happened.FaultSpan, ...]:
        """Planned faults as they went."""
        return happened.fault_spans(self.few["fault"])

    @cached_property
    def signals(self) -> tuple[happened.Signal, ...]:
        """Signals that the harness sent."""
        return happened.signals(self.few["signal"])

    @cached_property
    def lives(self) -> dict[str, tuple[happened.Life, ...]]:
        """Worker → its spawns."""
        return happened.lives(self.few["spawned"], self._exited, self.signals)

    @cached_property
    def stalls(self) -> tuple[happened.Stall, ...]:
        """Times in which the machine did not let processes run."""
        return happened.stalls(self.few["stall"])

    @cached_property
    def stalled(self) -> list[Interval]:
        """The same, disjoint and in order, whomever they hit."""
        return merged((stall.lo, stall.hi) for stall in self.stalls)

    @cached_property
    def clock_steps(self) -> tuple[Step, ...]:
        """When the server's clock was set, and by how much."""
        return steps(anchors(self.few["anchor"]))

    @cached_property
    def canary(self) -> happened.Canary:
        """What the store itself lost."""
        return happened.canary(self._canary_rows())

    def _canary_rows(self) -> Iterable[tuple[Any, ...]]:
        columns = "t", "server", "n", "phase"
        if self._rows is None:
            return self.frames["canary"].select(columns).iter_rows()
        return (tuple(map(event.get, columns)) for event in self._rows.get("canary", ()))

    def stored_under(self, durability: str) -> None:
        """Take it that the store kept so much: where not each write, an outage may have cost what no number shows.

        Such outages are among ``canary.losses`` from now on, as roll-backs of which nothing is known but their bounds.
        """
        downs = [span for span in self.faults if span.effect == "store_down"]
        if durability != "always" and downs:
            losses = (*self.canary.losses, *happened.unseen_losses(self._canary_rows(), downs))
            self.know({"canary": replace(self.canary, losses=tuple(dict.fromkeys(losses)))})

    @cached_property
    def ops(self) -> pl.DataFrame:
        """Operators' requests: t, op, job or queue, phase, outcome."""
        return small.framed(self.few["op"], {name: TYPES[name] for name in OP})

    @cached_property
    def op_rows(self) -> list[small.Row]:
        """The same, row by row; what an event did not name is None."""
        return [dict.fromkeys(OP) | event for event in self.few["op"]]

    @cached_property
    def called_off(self) -> frozenset[str]:
        """Jobs whose cancellation was asked for, unless each answer was that it was refused."""
        asked = [each for each in self.op_rows if each["op"] == "cancel"]
        refused = Counter(each["job"] for each in asked if each["phase"] == "acked" and each["outcome"] == "refused")
        steps = Counter(each["job"] for each in asked if each["phase"] == "invoked" or each["outcome"] != "refused")
        return frozenset(job for job, n in steps.items() if n > refused[job])

    @cached_property
    def phases(self) -> dict[str, int]:
        """When the runner first said ``load_begin``, ``load_end``, ``rest``, ..."""
        return {event["name"]: event["t"] for event in reversed(self.few["phase"])}

    @cached_property
    def begin(self) -> int:
        """Load's begin, or the first event."""
        return self.phases.get("load_begin") or min(self._times(), default=0)

    @cached_property
    def end(self) -> int:
        """The last event."""
        return max(self._times(), default=0)

    def _times(self) -> list[int]:
        """The first and the last of each table."""
        if self._rows is not None:
            return [rows[index]["t"] for rows in self._rows.values() if rows for index in (0, -1)]
        return [t for _, *times in stored.extents(self.frames).values() for t in times]

    @cached_property
    def looked_at(self) -> int:
        """When the harness began to read the jobs' states: not later than this (``FOREVER``: it did not)."""
        if "states" in self.phases:
            return self.phases["states"]
        first = self.jobs["state_at"].min()
        return first if isinstance(first, int) else FOREVER

    @cached_property
    def last_run_event(self) -> int:
        """The last ``started`` or ``ended`` (0: none)."""
        if self._rows is not None:
            return small.last_event(self._run_rows, self.looked_at)
        known = (pl.col("start"), pl.when(~pl.col("outcome").is_in(["exit", "open"])).then("end_hi"))
        times = self.runs.select(
            *(each.filter(each <= self.looked_at).max().alias(str(n)) for n, each in enumerate(known))
        )
        return max((int(t) for t in times.row(0) if t is not None), default=0)

    @cached_property
    def open_when_read(self) -> tuple[dict[str, int], frozenset[str]]:
        """Runs that were open when the harness began to read the states: how many a worker had, and their jobs."""
        if self._rows is not None:
            held = [run for run in self._run_rows if run["start"] <= self.looked_at <= run["end_hi"]]
            return dict(Counter(run["worker"] for run in held)), frozenset(run["job"] for run in held)
        was_open = (pl.col("end_hi") >= self.looked_at) & (pl.col("start") <= self.looked_at)
        found = self.runs.select(pl.col("worker", "job").filter(was_open))
        return dict(Counter(found["worker"].to_list())), frozenset(found["job"].to_list())

    @cached_property
    def died_in_bodies(self) -> Mapping[str, Died]:
        """Processes that ended in the middle of a body: threads that share one end with each other's jobs."""
        if self._rows is not None:
            ended = [(run["w"], run["end_lo"], run["end_hi"]) for run in self._run_rows if run["outcome"] == "exit"]
        else:
            ended = self.runs.filter(pl.col("outcome") == "exit").select("w", "end_lo", "end_hi").rows()
        found: dict[str, Died] = {}
        for process, lo, hi in ended:
            known = found.get(process, Died(0, hi, 0))
            found[process] = Died(max(known.lo, lo), hi, known.bodies + 1)
        return found

    def ahead(self, held: int, gap_ns: int) -> Mapping[str, int]:
        """Run → how long its job may have been in hand before it (ns), where a worker holds ``held`` jobs at most.

        See ``history_tables.ahead``.
        """
        if (held, gap_ns) not in self.runs_ahead:
            self.runs_ahead[held, gap_ns] = tables.ahead(self.runs, held, gap_ns)
        return self.runs_ahead[held, gap_ns]

    @cached_property
    def runs_ahead(self) -> dict[tuple[int, int], Mapping[str, int]]:
        """What ``ahead`` has found."""
        return {}

    # ---- a selection: ``DataFrame.filter`` takes eight times as long, and copies every column

    def jobs_that(self, holds: pl.Expr) -> pl.Series:
        """Names of the jobs of which an expression over ``jobs`` holds, in order."""
        return self.jobs.select(pl.col("job").filter(holds)).to_series()

    def count_jobs(self, holds: pl.Expr) -> int:
        """How many these are."""
        return int(self.jobs.select(holds.sum()).item())

    def jobs_with_runs_that(self, holds: pl.Expr) -> pl.Series:
        """Names of the jobs, once a run of which an expression over ``runs`` holds."""
        return self.runs.select(pl.col("job").filter(holds)).to_series()

    # ---- what a promise makes of it

    def causes(self, promise: Promise, policy: Policy) -> Causes:
        """Windows, cuts and causes under one promise; kept, since several checkers ask."""
        kept = self._causes
        if kept is None or kept.promise != promise or kept.policy != policy:
            kept = self._causes = Causes(self, promise, policy)
        return kept

    # ---- a close look at some jobs

    def stories(self, names: Iterable[str] | pl.Series) -> list[Job]:
        """These jobs with their runs, in order of their enqueue; names that were never invoked are left out."""
        if self._rows is not None:
            chosen_names = set(names)
            return [job for job in self._all_stories if job.job in chosen_names] if chosen_names else []
        wanted = names if isinstance(names, pl.Series) else pl.Series("job", list(names), dtype=pl.String)
        if wanted.is_empty():
            return []
        chosen = wanted.alias("job").to_frame().unique().lazy()
        by_job: dict[str, list[tuple[Any, ...]]] = {}
        for row in (
            self.runs.lazy().join(chosen, on="job", how="semi", maintain_order="left").select(RUN).collect().iter_rows()
        ):
            by_job.setdefault(row[1], []).append(row)
        table = self.jobs.lazy().join(chosen, on="job", how="semi", maintain_order="left").collect()
        return [_job(row, by_job.get(row["job"], [])) for row in table.iter_rows(named=True)]

    @cached_property
    def _all_stories(self) -> list[Job]:
        """Of a small history: every job, since most checkers want most of them."""
        runs = self._runs_by_job
        return [
            _job(row, (tuple(run[name] for name in RUN) for run in runs.get(row["job"], ()))) for row in self._job_rows
        ]


def _job(row: dict[str, Any], runs: Iterable[tuple[Any, ...]]) -> Job:
    """``runs``: what ``RUN`` names."""
    given = {key: value for key, value in (row["spec"] or {}).items() if value is not None}
    return Job(
        job=row["job"],
        outcome=row["outcome"],
        intended=row["intended"],
        invoked=row["invoked"],
        answered=row["answered"],
        delay=row["delay"],
        spec=JobSpec(**given),
        runs=tuple(Run(*(*run, row["invoked"])) for run in runs),
        state=row["state"] or "",
        found_in=tuple(row["found_in"] or ()),
        reason=row["reason"] or "",
        told_attempts=row["told_attempts"],
        state_at=row["state_at"] or 0,
    )
