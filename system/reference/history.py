"""The history of a job's runs, from the stream of results that RQ's readers know."""
# ruff: noqa: ANN401  # redis-py types each reply as both of its clients would give it, which is of no use

import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .codec import is_sealed
from .keys import results_key
from .payload import decode_trace
from .stream import context_of, written_at


@dataclass(frozen=True, slots=True)
class Run:
    """One run's line. ``at``: RFC 3339, server time; ``kind``: how it ended; ``context``: what the worker noted."""

    at: str
    kind: str
    error_type: str
    worker: str
    context: dict[str, Any]
    trace: str


def history(redis: Any, job_id: str, read: Callable[[str], str] = str) -> list[Run]:
    """The oldest first. ``read`` opens texts that are sealed; without it they stay tokens."""
    return [_run(entry.decode(), fields, read) for entry, fields in redis.xrange(results_key(job_id))]


def _run(entry: str, fields: dict[bytes, bytes], read: Callable[[str], str]) -> Run:
    def text(name: bytes) -> str:
        return fields.get(name, b"").decode("utf-8", "replace")

    finished = text(b"type") == "1"
    return Run(
        at=written_at(entry),
        kind="finished" if finished else text(b"kind") or "error",
        error_type=text(b"error_type"),
        worker=text(b"worker_name"),
        context=_context(text(b"context"), read),
        trace=_trace(fields[b"exc_string"], read) if b"exc_string" in fields else "",
    )


def _trace(field: bytes, read: Callable[[str], str]) -> str:
    try:
        return read(decode_trace(field))
    except (ValueError, zlib.error):
        return repr(field)


def _context(text: str, read: Callable[[str], str]) -> dict[str, Any]:
    context = context_of(text)
    for name, value in context.items():
        if is_sealed(value):
            context[name] = read(value)
            with suppress(ValueError):  # arguments were sealed as JSON
                context[name] = json.loads(context[name]) if name == "arguments" else context[name]
    return context
