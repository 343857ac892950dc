"""Reads ledgers into one table of events, and refuses what can't be trusted.

A torn last line is what a killed process leaves, and is counted. Everything else that is missing or unreadable means
that the harness does not know what happened, and that is never a pass.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

INTACT_SUFFIX: Final = ".intact"

SPEC: Final = pl.Struct(
    {"kind": pl.String, "sleep_ms": pl.Int64, "times": pl.Int64, "hang_s": pl.Float64, "status": pl.Int64}
)
# 64-bit integers only: polars panics on smaller ones in NDJSON, which no ``except Exception`` catches.
SCHEMA: Final[dict[str, Any]] = {
    "w": pl.String,
    "seq": pl.Int64,
    "t": pl.Int64,
    "e": pl.String,
    "role": pl.String,
    "worker": pl.String,
    "pid": pl.Int64,
    "pid_start": pl.Int64,
    "life": pl.Int64,
    "wall_ns": pl.Int64,
    "job": pl.String,
    "queue": pl.String,
    "spec": SPEC,
    "intended_ns": pl.Int64,
    "delay_ns": pl.Int64,
    "args_sum": pl.String,
    "receipt": pl.String,
    "why": pl.String,
    "run": pl.String,
    "attempt": pl.Int64,
    "fence": pl.Int64,
    "outcome": pl.String,
    "sum": pl.String,
    "status": pl.Int64,
    "lo_ns": pl.Int64,
    "name": pl.String,
    "fault": pl.String,
    "kind": pl.String,
    "effect": pl.String,
    "phase": pl.String,
    "workers": pl.List(pl.String),
    "n": pl.Int64,
    "evidence": pl.List(pl.String),
    "by": pl.String,
    "server": pl.String,
    "server_us": pl.Int64,
    "op": pl.String,
    "waiting": pl.Int64,
    "delayed": pl.Int64,
    "running": pl.Int64,
    "dead": pl.Int64,
    "found_in": pl.List(pl.String),
    "state": pl.String,
    "reason": pl.String,
    "history": pl.Int64,
    "ttl_ms": pl.Int64,
}
EVERY_LINE: Final = ("w", "seq", "t", "e")


class HistoryError(Exception):
    """The ledger can't be trusted: the harness failed, whatever the queue did. The message names file and line."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the harness's event ``target`` says. ``abilities`` None: a history written by hand, which says nothing."""

    name: str = ""
    version: str = ""
    abilities: frozenset[str] | None = None
    promise: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "Header":
        """From one event ``target``."""
        abilities = event.get("abilities")
        return cls(
            str(event.get("name", "")),
            str(event.get("version", "")),
            None if abilities is None else frozenset(map(str, abilities)),
            event.get("promise") or {},
        )


@dataclass(frozen=True, slots=True)
class Ledgers:
    """All events of one scenario in order of time, what the target is, and how many last lines were torn."""

    events: pl.DataFrame
    header: Header
    torn: int


def read_ledgers(directory: Path) -> Ledgers:
    """Read every ``*.jsonl`` below ``directory``. Raises ``HistoryError``."""
    paths = sorted(directory.glob("*.jsonl"))
    if not paths:
        raise HistoryError(f"{directory}: no ledger (*.jsonl) in it")
    broken = [path.name for path in paths if not path.with_name(path.name + INTACT_SUFFIX).exists()]
    if broken:
        raise HistoryError(f"{directory}: a line could not be written (disk full?) to {', '.join(broken)}")
    chunks, torn = [], 0
    for path in paths:
        data = path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        torn += len(whole) < len(data)
        chunks.append((path, whole))
    try:
        events = pl.read_ndjson(io.BytesIO(b"".join(data for _, data in chunks)), schema=SCHEMA)
    except pl.exceptions.PolarsError as error:
        raise _named(chunks, error) from error
    return Ledgers(checked(events), _header([data for _, data in chunks]), torn)


def _named(chunks: Sequence[tuple[Path, bytes]], error: Exception) -> HistoryError:
    for path, data in chunks:
        for number, line in enumerate(data.splitlines(), start=1):
            try:
                pl.read_ndjson(io.BytesIO(line + b"\n"), schema=SCHEMA)
            except pl.exceptions.PolarsError as wrong:
                return HistoryError(f"{path}, line {number}: no event of a ledger ({wrong}): {line[:120]!r}")
    return HistoryError(f"unreadable ledgers: {error}")


def _header(chunks: Sequence[bytes]) -> Header:
    for data in chunks:
        at = data.find(b'"e":"target"')
        if at >= 0:
            line = data[data.rfind(b"\n", 0, at) + 1 : data.find(b"\n", at)]
            return Header.from_event(json.loads(line))
    return Header()


def from_dicts(events: Sequence[Mapping[str, Any]]) -> Ledgers:
    """The same from events in memory. Raises ``HistoryError``."""
    told = [event for event in events if event["e"] == "target"]
    frame = pl.from_dicts([dict(event) for event in events], schema=SCHEMA, strict=False)
    return Ledgers(checked(frame), Header.from_event(told[0]) if told else Header(), 0)


def checked(events: pl.DataFrame) -> pl.DataFrame:
    """``events`` ordered by time, if every writer's lines are all there. Raises ``HistoryError`` otherwise."""
    lacking = events.filter(pl.any_horizontal(pl.col(list(EVERY_LINE)).is_null()))
    if lacking.height:
        raise HistoryError(f"{lacking.height} lines lack one of {', '.join(EVERY_LINE)}: {lacking.row(0)[:4]}")
    writers = events.group_by("w").agg(
        first=pl.col("seq").min(), last=pl.col("seq").max(), lines=pl.len(), distinct=pl.col("seq").n_unique()
    )
    bad = writers.filter(
        (pl.col("first") != 1) | (pl.col("last") != pl.col("lines")) | (pl.col("lines") != pl.col("distinct"))
    )
    if bad.height:
        one = bad.sort("w").row(0, named=True)
        raise HistoryError(
            f"writer {one['w']}: {one['distinct']} of its {one['last']} lines are there ({bad.height} such writers):"
            " a line was lost that a process had written"
        )
    return events.sort("t", "w", "seq")
