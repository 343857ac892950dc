"""A recorded history that can be changed, event by event; what is not touched is shared with the original."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, Final

import polars as pl

from scenarios.history import History
from scenarios.history_read import Ledgers
from scenarios.history_schema import COLUMNS, TYPES

Row = dict[str, Any]
SECOND: Final = 1_000_000_000


class Original:
    """The rows of one history by kind, and indexes over them; nobody may change them."""

    def __init__(self, history: History) -> None:
        """All tables are read once."""
        self.history = history
        self.rows: Mapping[str, list[Row]] = {kind: history.frames[kind].to_dicts() for kind in COLUMNS}

    @cached_property
    def ended(self) -> dict[str, Row]:
        """Run → its ``ended``."""
        return {row["run"]: row for row in self.rows["ended"]}

    @cached_property
    def runs(self) -> dict[str, list[Row]]:
        """Job → its ``started``, in order."""
        found: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows["started"]:
            found[row["job"]].append(row)
        return found

    @cached_property
    def invoked(self) -> dict[str, Row]:
        """Job → its ``invoked``."""
        return {row["job"]: row for row in self.rows["invoked"]}

    @cached_property
    def acked(self) -> dict[str, Row]:
        """Job → its ``acked``."""
        return {row["job"]: row for row in self.rows["acked"]}

    @cached_property
    def states(self) -> dict[str, Row]:
        """Job → its ``state``."""
        return {row["job"]: row for row in self.rows["state"]}

    @cached_property
    def workers(self) -> dict[str, Row]:
        """Writer → its ``open``."""
        return {row["w"]: row for row in self.rows["open"]}

    @cached_property
    def phases(self) -> dict[str, int]:
        """When the runner said what it did next."""
        return {row["name"]: row["t"] for row in self.rows["few"] if row["e"] == "phase"}


class Draft:
    """A copy of an original to be changed. Rows are replaced, never changed in place."""

    def __init__(self, original: Original) -> None:
        """Equal to the original until something is changed."""
        self.original, self._changed = original, dict[str, list[Row]]()
        self.header = original.history.header
        self.read_at = original.phases["states"]  # later, once time was stretched before it

    def of(self, kind: str) -> list[Row]:
        """The rows of a kind as they are now."""
        return self._changed.get(kind, self.original.rows[kind])

    def put(self, kind: str, rows: Iterable[Row]) -> None:
        """Take these instead."""
        self._changed[kind] = list(rows)

    def add(self, kind: str, *rows: Row) -> None:
        """More rows, anywhere in time."""
        self.put(kind, [*self.of(kind), *rows])

    def change(self, kind: str, which: Callable[[Row], bool], **fields: Any) -> None:  # noqa: ANN401  # any column
        """Other values in the rows for which ``which`` holds."""
        self.put(kind, [{**row, **fields} if which(row) else row for row in self.of(kind)])

    def drop(self, kind: str, which: Callable[[Row], bool]) -> None:
        """Leave out the rows for which ``which`` holds."""
        self.put(kind, [row for row in self.of(kind) if not which(row)])

    def each(self, change: Callable[[str, Row], Row]) -> None:
        """Every row of every kind, as ``change`` makes it."""
        for kind in COLUMNS:
            self.put(kind, [change(kind, row) for row in self.of(kind)])

    def history(self) -> History:
        """The history that it tells now."""
        frames = {
            kind: _frame(kind, self._changed[kind]) if kind in self._changed else self.original.history.frames[kind]
            for kind in COLUMNS
        }
        return History(Ledgers(frames, self.header, self.original.history.torn))


def _frame(kind: str, rows: list[Row]) -> pl.DataFrame:
    ordered = sorted(rows, key=lambda row: row["t"])
    return pl.DataFrame(
        {name: [row.get(name) for row in ordered] for name in COLUMNS[kind]},
        schema={name: TYPES[name] for name in COLUMNS[kind]},
        strict=False,
    )
