"""Rows of a long piece of work, a JSON object a line, appended as they come, so that it can go on when interrupted."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")


class RowError(ValueError):
    """A file of rows that can't be read (exit code 2)."""


@dataclass(frozen=True, slots=True)
class RowFile(Generic[Row]):
    """``row`` makes one of a line's object, and may raise ``TypeError``, ``ValueError`` or ``KeyError``."""

    path: Path
    row: Callable[[dict[str, Any]], Row]

    def read(self) -> list[Row]:
        """All rows, none if there is no file; a last line without its end was cut off, and is left out.

        Raises ``RowError`` naming every line that is no row.
        """
        rows, wrong = [], []
        for number, line in enumerate(self._whole().splitlines(), 1):
            try:
                rows.append(self.row(json.loads(line)))
            except (ValueError, TypeError, KeyError) as error:
                wrong.append(f"{self.path}:{number}: no row of this kind: {error}")
        if wrong:
            raise RowError("\n".join(wrong))
        return rows

    def mend(self) -> None:
        """Take away a last line that was cut off, so that the next does not follow it in the same line."""
        if self.path.exists():
            with self.path.open("rb+") as file:
                file.truncate(len(self._whole()))

    def append(self, rows: Iterable[Row]) -> None:
        """Add lines, all in one write."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows))

    def _whole(self) -> bytes:
        text = self.path.read_bytes() if self.path.exists() else b""
        return text[: text.rfind(b"\n") + 1]
