"""A history with itself once more behind it: other jobs, workers, processes, faults, at a later time."""

from typing import Any, Final

from scenarios.history_schema import COLUMNS
from tests.mutations.draft import Draft, Row
from tests.mutations.scene import Scene

OURS: Final = frozenset({"", "host", "producer", "harness", "canary"})
TEXTS: Final = ("job", "run", "receipt", "w", "fault")
NUMBERS: Final = ("fence", "n", "pid")


def merged(scene: Scene, draft: Draft, later_ns: int) -> None:
    """Both parts have one begin (the first one's) and one reading of states (the second one's)."""
    span = later_ns + scene.original.history.end - min(row["t"] for row in draft.of("open"))
    most = {name: _most(draft, name) for name in NUMBERS}

    def second(kind: str, row: Row) -> Row:
        moved: dict[str, Any] = {name: row[name] + span for name in ("t", "lo_ns", "intended_ns") if row.get(name)}
        moved |= {name: f"again-{row[name]}" for name in TEXTS if row.get(name)}
        moved |= {name: row[name] + most[name] for name in ("fence", "pid") if row.get(name)}
        if kind == "canary":
            moved["n"] = row["n"] + most["n"]
        if row.get("worker") and row["worker"] not in OURS:
            moved["worker"] = f"again-{row['worker']}"
        if row.get("workers"):
            moved["workers"] = [name if name in OURS else f"again-{name}" for name in row["workers"]]
        if row.get("server_us"):
            moved["server_us"] = row["server_us"] + span // 1000
        return {**row, **moved}

    for kind in COLUMNS:
        first = [row for row in draft.of(kind) if not _ends_it(row)]
        then = [second(kind, row) for row in draft.of(kind) if not _begins_it(row)]
        draft.put(kind, [*first, *then])


def _most(draft: Draft, column: str) -> int:
    kinds = {"fence": ("started",), "n": ("canary",), "pid": ("open", "exited", "few")}[column]
    return max((row[column] or 0 for kind in kinds for row in draft.of(kind)), default=0) + 1


def _ends_it(row: Row) -> bool:
    return row.get("e") == "phase" and row["name"] in {"load_end", "rest", "states", "end"}


def _begins_it(row: Row) -> bool:
    return row.get("e") == "target" or (row.get("e") == "phase" and row["name"] == "load_begin")
