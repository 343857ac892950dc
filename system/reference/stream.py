"""What entries of both streams, the audit's and a job's results, have in common: a time as id, a context as JSON."""

import json
from datetime import UTC, datetime
from typing import Any


def written_at(entry_id: str) -> str:
    """When it was written: RFC 3339, server time."""
    return datetime.fromtimestamp(int(entry_id.partition("-")[0]) / 1000, UTC).isoformat(timespec="milliseconds")


def context_of(text: str) -> dict[str, Any]:
    """What a worker noted of the run; what can't be read stands under `unreadable`."""
    try:
        context = json.loads(text or "{}")
    except ValueError:
        context = None
    return context if isinstance(context, dict) else {"unreadable": text}
