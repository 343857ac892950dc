"""Planted bugs as Markdown: which checker caught which bug where, and what the unmodified queue came to."""

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from scenarios.checkers.registry import CHECKERS
from scenarios.marked_page import put_between
from scenarios.planted_rows import REFERENCE, Catch, Row

BEGIN: Final = "<!-- planted: begin (made by `make planted`) -->"
END: Final = "<!-- planted: end -->"
SHOWN_MAX: Final = 4


def render(catches: Sequence[Catch], rows: Sequence[Row], seed: int, on: date) -> str:
    """Both tables, with what they were measured on; ``rows`` of all targets."""
    caught = sum(catch.right for catch in catches)
    late = [catch for catch in catches if catch.bug.after_freeze]
    of_late = (
        f" Of {len(late)} that were written after the checkers: {sum(each.right for each in late)}." if late else ""
    )
    return "\n".join(
        (
            f"Measured on {on:%Y-%m-%d}, seed {seed}, {_machine(rows)}.",
            "",
            f"**{caught} of {len(catches)} planted bugs were caught by the checker that must find them.**{of_late}",
            _reference(rows),
            "",
            *_list(catches),
            "",
            *_matrix(catches),
        )
    )


def put_into(path: Path, text: str) -> None:
    """Replace what stands between the markers of a file; a file without them gets both at its end."""
    put_between(path, f"\n{text}\n", BEGIN, END, "# Planted bugs\n")


def _machine(rows: Iterable[Row]) -> str:
    servers = sorted({server for row in rows for server in row.servers})
    return ", ".join(
        (f"{os.cpu_count()} processors, Linux {platform.release()}, Python {platform.python_version()}", *servers)
    )


def _reference(rows: Iterable[Row]) -> str:
    mine = [row for row in rows if row.target == REFERENCE]
    found = sum(sum(row.found.values()) for row in mine)
    odd = [
        f"{row.scenario} ({row.verdict}: {row.why})" for row in mine if row.verdict not in {"pass", "not applicable"}
    ]
    return f"The unmodified queue ran beside them through {len(mine)} scenarios: {found} findings" + (
        f"; not passed: {', '.join(odd)}." if odd else ", all passed."
    )


def _list(catches: Iterable[Catch]) -> Iterable[str]:
    yield "| bug | what is wrong | must be found by | caught | in | also found by | scenarios run |"
    yield "|---" * 7 + "|"
    for catch in catches:
        bug, right = catch.bug, catch.by.get(catch.bug.caught_by, ())
        also = ", ".join(f"{name} ({len(where)})" for name, where in catch.by.items() if name != bug.caught_by)
        name = bug.name + (" †" if bug.after_freeze else "")
        cells = (name, bug.title, bug.caught_by, catch.verdict, _named(right), also, catch.runs)
        yield f"| {' | '.join(map(str, cells))} |"
    if any(catch.bug.after_freeze for catch in catches):
        yield ""
        yield "† written after the checkers were finished."


def _named(scenarios: Sequence[str]) -> str:
    more = len(scenarios) - SHOWN_MAX
    return ", ".join(scenarios[:SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")


def _matrix(catches: Sequence[Catch]) -> Iterable[str]:
    columns = [name for name in CHECKERS if any(name in catch.by for catch in catches)]
    if not columns:
        return
    yield "In how many scenarios each checker found each bug:"
    yield ""
    yield f"| bug | {' | '.join(columns)} |"
    yield "|---" * (len(columns) + 1) + "|"
    for catch in catches:
        counts = (len(catch.by.get(name, ())) for name in columns)
        words = (
            f"**{count}**" if name == catch.bug.caught_by else str(count) if count else ""
            for name, count in zip(columns, counts, strict=True)
        )
        yield f"| {catch.bug.name} | {' | '.join(words)} |"
