"""Reads ledgers into tables of events, and refuses what can't be trusted.

A torn last line is what a killed process leaves, and is counted. Everything else that is missing or unreadable means
that the harness does not know what happened, and that is never a pass.
"""

import io
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import polars as pl

from scenarios.history_schema import COLUMNS, EVERY_LINE, FEW, MANY, TYPES, Frames, empty
from scenarios.history_small import RowFrames

INTACT_SUFFIX: Final = ".intact"
OUR_OWN: Final = frozenset({"harness.jsonl", "canary.jsonl"})
"""Ledgers of the harness itself, which outlives what it runs: one that ends in the middle of a line is no evidence."""
CHUNK_BYTES: Final = 1 << 25  # parsed at once: memory is bounded by it, not by the length of a file


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
    """All events of one scenario, what the target is, and how many last lines were torn."""

    frames: Frames
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
    sorter, header = _Sorter(), Header()
    for path in paths:
        lines = 0
        for chunk in _chunks(path):
            if chunk.torn and path.name in OUR_OWN:
                raise HistoryError(f"{path}: its last line is torn, though nobody kills whoever writes it")
            if chunk.torn:
                sorter.torn += 1
                continue
            try:
                sorter.add(pl.read_ndjson(io.BytesIO(chunk.data), schema=_needed(chunk.data)))
            except pl.exceptions.PolarsError as error:
                raise _named(path, lines, chunk.data, error) from error
            lines += chunk.data.count(b"\n")
            header = _header(chunk.data) or header
    return Ledgers(sorter.frames(), header, sorter.torn)


@dataclass(frozen=True, slots=True)
class _Chunk:
    data: bytes
    torn: bool = False


def _chunks(path: Path) -> Iterator[_Chunk]:
    """Whole lines, many at once; at last what no newline ended, as torn. Cut before parsing, which it would break."""
    rest = b""
    with path.open("rb") as file:
        while block := file.read(CHUNK_BYTES):
            data = rest + block
            cut = data.rfind(b"\n") + 1
            rest = data[cut:]
            if cut:
                yield _Chunk(data[:cut])
    if rest:
        yield _Chunk(rest, torn=True)


def _needed(data: bytes) -> Mapping[str, Any]:
    """The columns of the kinds of events that come in these lines: to look for all takes twice as long.

    All, where a line does not show its kind as our pens write it.
    """
    lines = pl.read_csv(
        io.BytesIO(data), separator="\x01", has_header=False, quote_char=None, schema={"line": pl.String}
    )
    kinds = lines.select(pl.col("line").str.extract(r'"e":"(\w+)"').unique()).to_series().to_list()
    if None in kinds:
        return TYPES
    wanted = {name for kind in kinds for name in COLUMNS[kind if kind in MANY else FEW]}
    return {name: type_ for name, type_ in TYPES.items() if name in wanted or name in EVERY_LINE}


def _named(path: Path, before: int, data: bytes, error: Exception) -> HistoryError:
    for number, line in enumerate(data.splitlines(), start=before + 1):
        try:
            pl.read_ndjson(io.BytesIO(line + b"\n"), schema=TYPES)
        except pl.exceptions.PolarsError as wrong:
            return HistoryError(f"{path}, line {number}: no event of a ledger ({wrong}): {line[:120]!r}")
    return HistoryError(f"{path}: unreadable ({error})")


def _header(data: bytes) -> Header | None:
    at = data.find(b'"e":"target"')
    if at < 0:
        return None
    return Header.from_event(json.loads(data[data.rfind(b"\n", 0, at) + 1 : data.find(b"\n", at)]))


def from_dicts(events: Sequence[Mapping[str, Any]]) -> Ledgers:
    """The same from events in memory, in any order. Raises ``HistoryError``."""
    lacking = [event for event in events if any(event.get(key) is None for key in EVERY_LINE)]
    if lacking:
        raise _lacking(len(lacking), tuple(map(lacking[0].get, EVERY_LINE)))
    numbers: dict[str, list[int]] = defaultdict(list)
    rows: dict[str, list[dict[str, Any]]] = {kind: [] for kind in COLUMNS}
    told: list[Mapping[str, Any]] = []
    for event in sorted(events, key=itemgetter("t")):
        numbers[event["w"]].append(event["seq"])
        kind = event["e"]
        rows[kind if kind in MANY else FEW].append({**event})
        if kind == "target":
            told.append(event)
    for writer in sorted(numbers):
        seen = numbers[writer]
        _check(writer, 0, (min(seen), max(seen), len(set(seen)), len(seen)))
    return Ledgers(RowFrames(rows), Header.from_event(told[0]) if told else Header(), 0)


def _lacking(count: int, first: tuple[Any, ...]) -> HistoryError:
    return HistoryError(f"{count} lines lack one of {', '.join(EVERY_LINE)}: {first}")


def _check(writer: str, before: int, numbers: tuple[int, int, int, int]) -> int:
    """``numbers``: the first, the last, how many different ones, how many lines. Returns the last."""
    first, last, distinct, lines = numbers
    if first != before + 1 or not last - before == distinct == lines:
        raise HistoryError(
            f"writer {writer}: {distinct} of its lines {before + 1} to {last} are there: a line was lost that a"
            " process had written"
        )
    return last


class _Sorter:
    """Takes events as they were written, checks that none is missing, and sorts them into their tables."""

    def __init__(self) -> None:
        self.torn = 0
        self._seen: dict[str, int] = {}
        self._parts: dict[str, list[pl.DataFrame]] = defaultdict(list)

    def add(self, events: pl.DataFrame) -> None:
        """The next events of their writers. Raises ``HistoryError`` if one of them was left out."""
        lacking = events.filter(pl.any_horizontal(pl.col(list(EVERY_LINE)).is_null()))
        if lacking.height:
            raise _lacking(lacking.height, lacking.select(EVERY_LINE).row(0))
        self._check(events)
        kinds = {name if name in MANY else FEW for name in events["e"].unique()}
        for kind in kinds:
            mine = pl.col("e") == kind if kind in MANY else ~pl.col("e").is_in(list(MANY))
            self._parts[kind].append(events.lazy().filter(mine).select(COLUMNS[kind]).collect())

    def _check(self, events: pl.DataFrame) -> None:
        by_writer = events.lazy().select("w", "seq").group_by("w")
        writers = by_writer.agg(
            first=pl.col("seq").min(), last=pl.col("seq").max(), distinct=pl.col("seq").n_unique(), lines=pl.len()
        ).collect()
        for writer, *numbers in writers.sort("w").iter_rows():
            self._seen[writer] = _check(writer, self._seen.get(writer, 0), (*numbers,))

    def frames(self) -> Frames:
        """All of it, each table in order of time. Lines of one instant keep their writers' order."""
        return {kind: self._frame(kind) for kind in COLUMNS}

    def _frame(self, kind: str) -> pl.DataFrame:
        parts = self._parts.pop(kind, [])
        frame = pl.concat(parts) if parts else empty(kind)
        return frame if frame["t"].is_sorted() else frame.sort("t", maintain_order=True)  # one writer's are
