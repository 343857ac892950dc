"""The history: the ordered events of one scenario, and the tables that all checkers share, each built once."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import polars as pl
from stormproof_target import JobSpec, Policy, Promise

from scenarios import history_faults as happened
from scenarios import history_tables as tables
from scenarios.history_causes import Causes
from scenarios.history_read import Header, HistoryError, Ledgers, from_dicts, read_ledgers
from scenarios.history_schema import COLUMNS, FEW, MANY
from scenarios.history_types import FOREVER, Job, Run

__all__ = ["History", "HistoryError", "read_history"]


def read_history(directory: Path) -> "History":
    """The history that ``<directory>/ledger/*.jsonl`` tells. Raises ``HistoryError`` where it can't be trusted."""
    return History(read_ledgers(directory / "ledger"))


class History:
    """Tables are polars frames with a row a run or a job; what is few (faults, signals, lives) is plain data."""

    def __init__(self, ledgers: Ledgers) -> None:
        """``ledgers`` are checked already; see ``read_history``, ``from_events``, ``read_parquet``."""
        self.frames, self.header, self.torn = ledgers.frames, ledgers.header, ledgers.torn
        self._causes: Causes | None = None

    @classmethod
    def from_events(cls, events: Sequence[Mapping[str, Any]]) -> Self:
        """From ledger lines as dictionaries. Raises ``HistoryError``."""
        return cls(from_dicts(events))

    def write_parquet(self, path: Path) -> None:
        """Store it in one file: about a tenth of the ledgers' size, and read 5 times as fast."""
        abilities = None if self.header.abilities is None else sorted(self.header.abilities)
        header = {
            "name": self.header.name,
            "version": self.header.version,
            "promise": dict(self.header.promise),
        }
        kept = json.dumps({**header, "abilities": abilities, "torn": self.torn})
        parts = [
            frame.lazy() if kind == FEW else frame.lazy().with_columns(e=pl.lit(kind))
            for kind, frame in self.frames.items()
        ]
        pl.concat(parts, how="diagonal").sink_parquet(path, metadata={"stormproof": kept})

    @classmethod
    def read_parquet(cls, path: Path) -> Self:
        """The inverse of ``write_parquet``. Raises ``HistoryError``."""
        try:
            kept = json.loads(pl.read_parquet_metadata(path)["stormproof"])
            frames = {kind: _stored(path, kind) for kind in COLUMNS}
        except (KeyError, ValueError, OSError, pl.exceptions.PolarsError) as error:
            raise HistoryError(f"{path}: not a stored history ({error})") from error
        return cls(Ledgers(frames, Header.from_event(kept), kept["torn"]))  # checked before it was stored

    def can(self, ability: str) -> bool:
        """Whether the target has an ability; a history without a ``target`` event is taken to have all."""
        return self.header.abilities is None or ability in self.header.abilities

    # ---- tables, a row a process, a run, a job

    @cached_property
    def writers(self) -> pl.DataFrame:
        """w, worker, role, pid, pid_start, life, exit_lo, exit_hi."""
        return tables.processes(self.frames)

    @cached_property
    def runs(self) -> pl.DataFrame:
        """run, job, w, worker, pid, life, start, end_lo, end_hi, outcome, attempt, fence, args_sum, sum; ordered."""
        return tables.runs(self.frames, self.writers)

    @cached_property
    def jobs(self) -> pl.DataFrame:
        """One row an enqueue: see ``history_tables.jobs``."""
        return tables.jobs(self.frames, self.runs)

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
        return sum(frame.height for frame in self.frames.values())

    @property
    def _few(self) -> pl.DataFrame:
        return self.frames[FEW]

    @cached_property
    def faults(self) -> tuple[happened.FaultSpan, ...]:
        """Planned faults as they went."""
        return happened.fault_spans(self._few)

    @cached_property
    def signals(self) -> tuple[happened.Signal, ...]:
        """Signals that the harness sent."""
        return happened.signals(self._few)

    @cached_property
    def lives(self) -> dict[str, tuple[happened.Life, ...]]:
        """Worker → its spawns."""
        return happened.lives(self._few, self.frames["exited"], self.signals)

    @cached_property
    def stalls(self) -> tuple[happened.Stall, ...]:
        """Times in which the machine did not let processes run."""
        return happened.stalls(self._few)

    @cached_property
    def canary(self) -> happened.Canary:
        """What the store itself lost."""
        return happened.canary(self.frames["canary"])

    @cached_property
    def ops(self) -> pl.DataFrame:
        """Operators' requests: t, op, job or queue, phase, outcome."""
        return self._few.filter(pl.col("e") == "op").select("t", "op", "job", "queue", "phase", "outcome")

    @cached_property
    def phases(self) -> dict[str, int]:
        """When the runner first said ``load_begin``, ``load_end``, ``rest``, ..."""
        marks = (
            self._few.filter(pl.col("e") == "phase")
            .select("t", "name")
            .unique("name", keep="first", maintain_order=True)
        )
        return {name: t for t, name in marks.iter_rows()}

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
        return [int(frame["t"][index]) for frame in self.frames.values() if frame.height for index in (0, -1)]

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
        known = (pl.col("start"), pl.when(~pl.col("outcome").is_in(["exit", "open"])).then("end_hi"))
        times = self.runs.select(
            *(each.filter(each <= self.looked_at).max().alias(str(n)) for n, each in enumerate(known))
        )
        return max((int(t) for t in times.row(0) if t is not None), default=0)

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
        wanted = pl.Series("job", list(names), dtype=pl.String)
        if wanted.is_empty():
            return []
        chosen = wanted.to_frame().unique().lazy()
        by_job: dict[str, list[Run]] = {}
        columns = (
            "run", "job", "worker", "w", "pid", "life", "start", "end_lo", "end_hi", "outcome", "attempt", "fence",
        )  # fmt: skip
        for row in (
            self.runs.lazy()
            .join(chosen, on="job", how="semi", maintain_order="left")
            .select(columns)
            .collect()
            .iter_rows()
        ):
            by_job.setdefault(row[1], []).append(Run(*row))
        table = self.jobs.lazy().join(chosen, on="job", how="semi", maintain_order="left").collect()
        return [_job(row, by_job.get(row["job"], [])) for row in table.iter_rows(named=True)]


def _stored(path: Path, kind: str) -> pl.DataFrame:
    """One table; the file holds one kind after another, so the others' row groups are skipped."""
    chosen = ~pl.col("e").is_in(list(MANY)) if kind == FEW else pl.col("e") == kind
    return pl.scan_parquet(path).filter(chosen).select(COLUMNS[kind]).collect()


def _job(row: dict[str, Any], runs: list[Run]) -> Job:
    given = {key: value for key, value in (row["spec"] or {}).items() if value is not None}
    return Job(
        job=row["job"],
        outcome=row["outcome"],
        intended=row["intended"],
        invoked=row["invoked"],
        answered=row["answered"],
        delay=row["delay"],
        spec=JobSpec(**given),
        runs=tuple(runs),
        state=row["state"] or "",
        found_in=tuple(row["found_in"] or ()),
        reason=row["reason"] or "",
        told_attempts=row["told_attempts"],
        state_at=row["state_at"] or 0,
    )
