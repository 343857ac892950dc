"""Reads the audit stream: who did what to which job or queue, from where, why, and what came of it."""
# ruff: noqa: ANN401  # redis-py types each reply as both of its clients would give it, which is of no use

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from .keys import PREFIX
from .stream import context_of, written_at

STREAM: Final = f"{PREFIX}:sp:audit"
BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line. ``at``: RFC 3339, server time; ``id``: its place in the stream. ``before``: the state that was found.

    ``outcome``: `applied`, `refused: why`, or how a run ended; ``context``: what a worker noted of a run.
    """

    id: str
    at: str
    actor: str
    origin: str
    action: str
    queue: str
    job: str
    reason: str
    before: str
    outcome: str
    context: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """Lines that have all of it; '' and None ask for nothing. ``since_s``: seconds since the epoch, server time."""

    job: str = ""
    queue: str = ""
    actor: str = ""
    action: str = ""
    since_s: float | None = None

    def fits(self, entry: AuditEntry) -> bool:
        """Whether the entry has what is asked for, its time apart."""
        return all(getattr(self, name) in {"", getattr(entry, name)} for name in ("job", "queue", "actor", "action"))


def read_audit(redis: Any, asked: Asked = Asked()) -> Iterator[AuditEntry]:  # frozen
    """The newest first."""
    oldest = "-" if asked.since_s is None else str(max(0, int(asked.since_s * 1000)))
    newest = "+"
    while entries := redis.xrevrange(STREAM, newest, oldest, count=BATCH):
        for entry_id, fields in entries:
            entry = _entry(entry_id.decode(), {k.decode(): v.decode("utf-8", "replace") for k, v in fields.items()})
            if asked.fits(entry):
                yield entry
        newest = f"({entries[-1][0].decode()}"


def _entry(entry_id: str, fields: dict[str, str]) -> AuditEntry:
    names = ("actor", "origin", "action", "queue", "job", "reason", "before", "outcome")
    told = {name: fields.get(name, "") for name in names}
    return AuditEntry(entry_id, written_at(entry_id), **told, context=context_of(fields.get("context", "")))
