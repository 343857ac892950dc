"""The columns of a ledger's events. What comes once or more a job has a table of its own, the few others share one.

A wide table of everything would take 2 kB an event, most of it for what the event does not have.
"""

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

SPEC: Final = pl.Struct(
    {
        "kind": pl.String,
        "sleep_ms": pl.Int64,
        "times": pl.Int64,
        "hang_s": pl.Float64,
        "status": pl.Int64,
        "args_kb": pl.Int64,
        "result_kb": pl.Int64,
        "fails_first": pl.Int64,
    }
)
STRINGS: Final = (
    "w", "e", "role", "worker", "job", "queue", "args_sum", "receipt", "why", "run", "outcome", "sum",
    "name", "fault", "kind", "effect", "phase", "by", "server", "op", "state", "reason", "pattern",
)  # fmt: skip
NUMBERS: Final = (
    "seq", "t", "pid", "pid_start", "life", "wall_ns", "intended_ns", "delay_ns", "attempt", "fence",
    "status", "lo_ns", "n", "server_us", "waiting", "delayed", "running", "dead", "history", "ttl_ms",
    "rss", "fds", "cpu_ns", "without_ttl", "ttl_ms_max", "bytes",
)  # fmt: skip
# 64-bit integers only: polars panics on smaller ones in NDJSON, which no ``except Exception`` catches.
TYPES: Final[Mapping[str, Any]] = {
    **dict.fromkeys(STRINGS, pl.String),
    **dict.fromkeys(NUMBERS, pl.Int64),
    **dict.fromkeys(("workers", "evidence", "found_in"), pl.List(pl.String)),
    "spec": SPEC,
}
EVERY_LINE: Final = ("w", "seq", "t", "e")
MANY: Final[Mapping[str, tuple[str, ...]]] = {
    "open": ("t", "w", "role", "worker", "pid", "pid_start", "wall_ns"),
    "invoked": ("t", "job", "queue", "spec", "intended_ns", "delay_ns", "args_sum"),
    "acked": ("t", "job", "receipt"),
    "rejected": ("t", "job", "why"),
    "unknown": ("t", "job", "why"),
    "started": ("t", "w", "job", "run", "attempt", "fence", "args_sum"),
    "ended": ("t", "job", "run", "outcome", "sum"),
    "exited": ("t", "worker", "pid", "pid_start", "status", "lo_ns"),
    "state": ("t", "job", "found_in", "state", "reason", "history", "sum", "ttl_ms"),
    "canary": ("t", "server", "n", "phase"),
    "granted": ("t", "queue", "server_us"),
    "count": ("t", "queue", "waiting", "delayed", "running", "dead"),
    "sample": ("t", "worker", "pid", "pid_start", "rss", "fds", "cpu_ns"),
    "key": ("t", "pattern", "name", "n", "without_ttl", "ttl_ms_max", "bytes"),
}
"""Events that may be many, with what is kept of them."""
FEW: Final = "few"
"""The table of all other events: it has every column that one of them may have."""
FEW_COLUMNS: Final = (
    "t", "e", "worker", "pid", "pid_start", "life", "lo_ns", "name", "fault", "kind", "effect", "phase", "workers", "n",
    "evidence", "by", "server", "server_us", "op", "job",
    "queue", "outcome",
)  # fmt: skip
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {**MANY, FEW: FEW_COLUMNS}

Frames = Mapping[str, pl.DataFrame]
"""Kind of event (those of ``MANY``, and ``few``) → its table in order of time."""


def empty(kind: str) -> pl.DataFrame:
    """A table without a row."""
    return pl.DataFrame(schema={column: TYPES[column] for column in COLUMNS[kind]})
