"""The history of a job's runs, from the stream of results that RQ's readers know."""
# ruff: noqa: ANN401  # redis-py types each reply as both of its clients would give it, which is of no use

import json
import zlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .codec import PayloadCodec, is_sealed
from .keys import results_key
from .payload import decode_trace, open_text


@dataclass(frozen=True, slots=True)
class Run:
    """One run's line. ``at``: RFC 3339, server time; ``kind``: how it ended; ``context``: what the worker noted."""

    at: str
    kind: str
    error_type: str
    worker: str
    context: dict[str, Any]
    trace: str


def history(redis: Any, job_id: str, codec: PayloadCodec | None = None) -> list[Run]:
    """The oldest first."""
    return [_run(entry.decode(), fields, job_id, codec) for entry, fields in redis.xrange(results_key(job_id))]


def _run(entry: str, fields: dict[bytes, bytes], job_id: str, codec: PayloadCodec | None) -> Run:
    def text(name: bytes) -> str:
        return fields.get(name, b"").decode("utf-8", "replace")

    at = datetime.fromtimestamp(int(entry.partition("-")[0]) / 1000, UTC)
    finished = text(b"type") == "1"
    return Run(
        at=at.isoformat(timespec="milliseconds"),
        kind="finished" if finished else text(b"kind") or "error",
        error_type=text(b"error_type"),
        worker=text(b"worker_name"),
        context=_context(text(b"context"), job_id, codec),
        trace=_trace(fields[b"exc_string"], job_id, codec) if b"exc_string" in fields else "",
    )


def _trace(field: bytes, job_id: str, codec: PayloadCodec | None) -> str:
    try:
        return decode_trace(field, codec, job_id)
    except (ValueError, zlib.error):
        return repr(field)


def _context(text: str, job_id: str, codec: PayloadCodec | None) -> dict[str, Any]:
    try:
        context = json.loads(text or "{}")
    except ValueError:
        return {"unreadable": text}
    if not isinstance(context, dict):
        return {"unreadable": text}
    for name, value in context.items():
        if is_sealed(value):
            context[name] = open_text(value, codec, job_id)
            with suppress(ValueError):  # arguments were sealed as JSON
                context[name] = json.loads(context[name]) if name == "arguments" else context[name]
    return context
