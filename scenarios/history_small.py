"""The tables of a small history, built row by row: a polars query takes a fifth of a millisecond, whatever its size.

Says the same as ``history_tables``, which is made for millions of rows; a property test holds the two together.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import polars as pl

from scenarios.history_schema import COLUMNS, SPEC, TYPES
from scenarios.history_types import FAILED, FOREVER

LINES_MAX: Final = 3000
"""Above it the tables are built by polars: about where the two are equally fast."""

Row = dict[str, Any]
Rows = Mapping[str, list[Row]]
"""Kind of event (a key of ``COLUMNS``) → its events in order of time."""

_TEXT, _NUMBER = pl.String(), pl.Int64()
WRITERS: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("w", "worker", "role"), _TEXT),
    **dict.fromkeys(("pid", "pid_start", "life", "exit_lo", "exit_hi"), _NUMBER),
}
RUNS: Final[Mapping[str, Any]] = {
    "run": _TEXT, "job": _TEXT, "w": _TEXT, "attempt": _NUMBER, "fence": _NUMBER, "args_sum": _TEXT, "start": _NUMBER,
    "worker": _TEXT, "pid": _NUMBER, "life": _NUMBER, "sum": _TEXT, "outcome": _TEXT, "end_lo": _NUMBER,
    "end_hi": _NUMBER,
}  # fmt: skip
JOBS: Final[Mapping[str, Any]] = {
    "job": _TEXT, "queue": _TEXT, "spec": SPEC, "args_sum": _TEXT, "invoked": _NUMBER, "intended": _NUMBER,
    "delay": _NUMBER, "answered": _NUMBER, "n_runs": _NUMBER, "n_failed": _NUMBER, "n_ok": _NUMBER,
    "plain": pl.Boolean(), "first_start": _NUMBER, "last_start": _NUMBER, "first_ok_end": _NUMBER,
    "last_end": _NUMBER, "state": _TEXT, "reason": _TEXT, "found_in": pl.List(pl.String), "told_attempts": _NUMBER,
    "state_at": _NUMBER, "result_sum": _TEXT, "outcome": _TEXT, "kind": _TEXT, "times": _NUMBER,
}  # fmt: skip


class RowFrames(Mapping[str, pl.DataFrame]):
    """The frames of these rows, each made when it is asked for."""

    def __init__(self, rows: Rows) -> None:
        """``rows`` of every kind that there is."""
        self.rows = rows
        self._made: dict[str, pl.DataFrame] = {}

    def __getitem__(self, kind: str) -> pl.DataFrame:
        """The frame of one kind, empty where nothing was told."""
        if kind not in self._made:
            types = {column: TYPES[column] for column in COLUMNS[kind]}
            self._made[kind] = framed(self.rows.get(kind, ()), types)
        return self._made[kind]

    def __iter__(self) -> Iterator[str]:
        """Kinds."""
        return iter(COLUMNS)

    def __len__(self) -> int:
        """How many kinds there are."""
        return len(COLUMNS)


def framed(rows: Sequence[Row], types: Mapping[str, Any]) -> pl.DataFrame:
    """Rows as a frame: column by column, which costs a tenth of what reading rows costs."""
    return pl.DataFrame(
        [pl.Series(name, [row.get(name) for row in rows], dtype, strict=False) for name, dtype in types.items()]
    )


def processes(rows: Rows) -> list[Row]:
    """Writers, each with the life of its worker that was then, and its end."""
    born: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for event in rows.get("few", ()):
        if event["e"] == "spawned":
            mine = born[event["worker"]]
            mine.append((event["t"], event.get("life") or len(mine) + 1))
    exits: dict[tuple[int, int], Row] = {}
    for event in rows.get("exited", ()):
        exits.setdefault((event["pid"], event["pid_start"]), event)
    return [_process(event, born[event["worker"]], exits) for event in rows.get("open", ())]


def _process(opened: Row, born: Iterable[tuple[int, int]], exits: Mapping[tuple[int, int], Row]) -> Row:
    end = exits.get((opened["pid"], opened["pid_start"]))
    life = 1
    for t, number in born:
        if t <= opened["t"]:
            life = number
    return {
        **{name: opened.get(name) for name in ("w", "worker", "role", "pid", "pid_start")},
        "life": life,
        "exit_lo": (end.get("lo_ns") or 0) if end else None,
        "exit_hi": end["t"] if end else None,
    }


def runs(rows: Rows, writers: Iterable[Row]) -> list[Row]:
    """Runs by job; in order within it: by fence where every run of the job has one, else by start."""
    by_writer = {writer["w"]: writer for writer in writers}
    ends: dict[str, Row] = {}
    for event in rows.get("ended", ()):
        ends.setdefault(event["run"], event)
    by_job: dict[str, list[Row]] = defaultdict(list)
    for event in rows.get("started", ()):
        by_job[event["job"]].append(_run(event, by_writer.get(event["w"], {}), ends.get(event["run"], {})))
    found: list[Row] = []
    for job in sorted(by_job):
        mine = by_job[job]
        fenced = len(mine) > 1 and all(run["fence"] > 0 for run in mine)
        found += sorted(mine, key=lambda run: (run["fence"], run["start"])) if fenced else mine
    return found


def _run(started: Row, writer: Row, ended: Row) -> Row:
    start, end, exit_lo, exit_hi = started["t"], ended.get("t"), writer.get("exit_lo"), writer.get("exit_hi")
    return {
        "run": started["run"],
        "job": started["job"],
        "w": started["w"],
        "attempt": started.get("attempt") or 0,
        "fence": started.get("fence") or 0,
        "args_sum": started.get("args_sum"),
        "start": start,
        "worker": writer.get("worker"),
        "pid": writer.get("pid"),
        "life": writer.get("life"),
        "sum": ended.get("sum"),
        "outcome": ended.get("outcome") or ("open" if exit_hi is None else "exit"),
        "end_lo": max(exit_lo or 0, start) if end is None else end,
        "end_hi": end if end is not None else FOREVER if exit_hi is None else exit_hi,
    }


def last_event(run_rows: Sequence[Row], until: int) -> int:
    """The last start, or end that a body wrote, not later than ``until`` (0: none)."""
    times = [run["start"] for run in run_rows]
    times += [run["end_hi"] for run in run_rows if run["outcome"] not in {"exit", "open"}]
    return max((t for t in times if t <= until), default=0)


def jobs(rows: Rows, by_job: Mapping[str, Sequence[Row]]) -> list[Row]:
    """A row a job that was invoked; ``by_job``: its runs in order."""
    answers: dict[str, tuple[int, str]] = {}
    for name in ("acked", "rejected", "unknown"):
        for event in rows.get(name, ()):
            known = answers.get(event["job"])
            if known is None or event["t"] < known[0]:
                answers[event["job"]] = event["t"], name
    states = {event["job"]: event for event in rows.get("state", ())}
    found: dict[str, Row] = {}
    for event in rows.get("invoked", ()):
        name = event["job"]
        if name not in found:
            answered, outcome = answers.get(name, (FOREVER, "unknown"))
            found[name] = _job(event, answered, outcome, states.get(name, {}), by_job.get(name, ()))
    return sorted(found.values(), key=lambda job: (job["invoked"], job["job"]))


def _job(invoked: Row, answered: int, outcome: str, state: Row, mine: Sequence[Row]) -> Row:
    spec = invoked.get("spec")
    intended = invoked.get("intended_ns")
    ok_ends = [run["end_hi"] for run in mine if run["outcome"] == "ok"]
    return {
        "job": invoked["job"],
        "queue": invoked.get("queue"),
        "spec": spec,
        "args_sum": invoked.get("args_sum"),
        "invoked": invoked["t"],
        "intended": invoked["t"] if intended is None else intended,
        "delay": invoked.get("delay_ns") or 0,
        "answered": answered,
        "n_runs": len(mine),
        "n_failed": sum(run["outcome"] in FAILED for run in mine),
        "n_ok": len(ok_ends),
        "plain": _plain(mine),
        "first_start": min((run["start"] for run in mine), default=None),
        "last_start": max((run["start"] for run in mine), default=None),
        "first_ok_end": min(ok_ends, default=None),
        "last_end": max((run["end_hi"] for run in mine), default=None),
        "state": state.get("state"),
        "reason": state.get("reason"),
        "found_in": state.get("found_in"),
        "told_attempts": state.get("history"),
        "state_at": state.get("t"),
        "result_sum": state.get("sum"),
        "outcome": outcome,
        "kind": spec.get("kind") if spec else None,
        "times": (spec.get("times") or 0) if spec else 0,
    }


def _plain(mine: Sequence[Row]) -> bool:
    """Every run but the last failed by its own word before the next began, and the last closed."""
    orderly = all(a["outcome"] in FAILED and a["end_hi"] <= b["start"] for a, b in pairwise(mine))
    return orderly and not (mine and mine[-1]["outcome"] in {"exit", "open"})
