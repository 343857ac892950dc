"""Follows the ledger while it is written, for the one thing that a load generator can't see: when jobs end."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

READ_BYTES: Final = 1024 * 1024


class LedgerTail:
    """Reads each ledger of a folder once, from its beginning on, at most ``READ_BYTES`` at a time."""

    def __init__(self, directory: Path) -> None:
        """The folder's ``*.jsonl`` files, also those that appear later."""
        self._directory = directory
        self._offsets: dict[Path, int] = {}

    def ends(self) -> Iterator[tuple[str, int]]:
        """Job and time (monotonic ns) of each run that ended well and was written since the last call."""
        for path in sorted(self._directory.glob("*.jsonl")):
            while block := self._next_block(path):
                for line in block.splitlines():
                    if b'"ended"' in line and b'"ok"' in line:
                        event = json.loads(line)
                        if event["e"] == "ended" and event["outcome"] == "ok":
                            yield event["job"], event["t"]

    def _next_block(self, path: Path) -> bytes:
        """Whole lines only: what follows the last one is not written to its end yet."""
        offset = self._offsets.get(path, 0)
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(READ_BYTES)
        block = data[: data.rfind(b"\n") + 1]
        self._offsets[path] = offset + len(block)
        return block
