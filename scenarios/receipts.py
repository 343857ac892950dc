"""Which jobs were sent, and the queue's receipt of each: read from the producer's ledger while it is still open."""

import json
from pathlib import Path


def receipts(directory: Path) -> dict[str, str]:
    """Every invoked job of ``<directory>/ledger/producer-*.jsonl`` to its receipt, '' where none came back."""
    found: dict[str, str] = {}
    for path in sorted((directory / "ledger").glob("producer-*.jsonl")):
        for line in path.read_bytes().rpartition(b"\n")[0].splitlines():
            event = json.loads(line)
            if event["e"] == "invoked":
                found.setdefault(event["job"], "")
            elif event["e"] == "acked":
                found[event["job"]] = event["receipt"]
    return found
