"""``stormproof planted``: each planted bug through the whole catalogue, beside the queue without one.

Proves the checkers from the side of the guilty: a bug is caught if the checker that must find it does, in any scenario.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scenarios.exit_codes import Exit
from scenarios.options import add_out
from scenarios.planted import PLANTED, PlantedBug
from scenarios.planted_rows import REFERENCE, Row, catch_of, rows_in
from scenarios.planted_runs import Batch, batches, run
from scenarios.planted_table import put_into, render
from scenarios.registered import ScenarioFileError, chosen
from scenarios.row_file import RowFile

if TYPE_CHECKING:
    from argparse import _SubParsersAction

SEED: Final = 2000
JOBS: Final = 3
ROWS: Final = "planted.jsonl"


def add_to(commands: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """Options."""
    command = commands.add_parser("planted", help="each planted bug through the catalogue; a table bug by checker")
    command.add_argument("--only", default="", metavar="NAME[,NAME]", help="these bugs (default: all)")
    command.add_argument(
        "--scenario", action="append", default=[], metavar="NAME", help="may be repeated (default: the whole catalogue)"
    )
    command.add_argument("--seed", type=int, default=SEED, help=f"of load and faults (default: {SEED})")
    command.add_argument("--jobs", type=int, default=JOBS, metavar="N", help=f"runs at a time (default: {JOBS})")
    command.add_argument("--resume", action="store_true", help=f"go on with what stands in {ROWS} of the folder")
    command.add_argument("--table", type=Path, metavar="FILE.md", help="also put the tables there, between its markers")
    add_out(command)
    command.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    """Exit 0 when each bug was caught by its checker, and the unmodified queue by none.

    4 where nothing else is wrong than that the harness could not judge a run that would have to tell.
    """
    bugs, scenarios = _bugs(options.only), [scenario.name for scenario in chosen(options.scenario)]
    if options.jobs < 1:
        raise ScenarioFileError(f"--jobs is {options.jobs}; at least 1 is needed")
    folder = options.out / "planted"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ROWS
    if path.exists() and not options.resume:
        path.replace(path.with_suffix(".before.jsonl"))
    kept = rows_in(path)
    rows = _stored(kept, bugs, scenarios, options.seed)
    kept.mend()
    plan = batches(bugs, scenarios, options.seed, rows)
    _say(
        f"{len(bugs)} planted bugs, {len(scenarios)} scenarios, {sum(len(each.scenarios) for each in plan)} runs to go"
    )
    began = datetime.now().astimezone()
    left = len(plan)

    def told(batch: Batch, new: list[Row]) -> None:
        nonlocal left
        left -= 1
        kept.append(new)
        rows.extend(new)
        for row in new:
            passed_s = int((datetime.now().astimezone() - began).total_seconds())
            _say(f"[{passed_s // 60}:{passed_s % 60:02}, {left} to go] {_line(batch, row)}")

    run(plan, options.jobs, folder, told)
    rows = _stored(kept, bugs, scenarios, options.seed)
    return _close(bugs, rows, options)


def _close(bugs: Sequence[PlantedBug], rows: Sequence[Row], options: argparse.Namespace) -> int:
    catches = [catch_of(bug, rows) for bug in bugs]
    text = render(catches, rows, options.seed, datetime.now().astimezone().date())
    print(text)
    if options.table:
        put_into(options.table, text)
    for catch in catches:
        if not catch.right:
            _say(f"NOT CAUGHT by {catch.bug.caught_by}: {catch.bug.name} (found by: {', '.join(catch.by) or 'nobody'})")
    for row in rows:
        if row.error:
            _say(f"NOT JUDGED: {row.target} · {row.scenario}: {row.error}")
    accused = [row for row in rows if row.target == REFERENCE and row.found]
    for row in accused:
        _say(f"FALSE ALARM or a bug of the queue: {row.scenario}: {row.why} ({row.folder})")
    unjudged = {row.target for row in rows if row.error}
    missed = {catch.bug.name for catch in catches if not catch.right}
    if accused or missed - unjudged:
        return Exit.FAIL
    return Exit.HARNESS if unjudged & {REFERENCE, *missed} else Exit.PASS


def _bugs(only: str) -> list[PlantedBug]:
    names = [name for name in only.split(",") if name]
    if unknown := [name for name in names if name not in PLANTED]:
        raise ScenarioFileError(f"no such planted bug: {', '.join(unknown)}; there are {', '.join(PLANTED)}")
    return [PLANTED[name] for name in names] if names else list(PLANTED.values())


def _stored(kept: RowFile[Row], bugs: Sequence[PlantedBug], scenarios: Sequence[str], seed: int) -> list[Row]:
    """The last row of each run that was asked for. Raises ``RowError`` for a file of something else."""
    targets = {REFERENCE, *(bug.name for bug in bugs)}
    last = {row.key: row for row in kept.read()}
    return [row for row in last.values() if row.target in targets and row.scenario in scenarios and row.seed == seed]


def _line(batch: Batch, row: Row) -> str:
    found = ", ".join(f"{name} ×{count}" for name, count in row.found.items()) or "nothing found"
    mark = ""
    if bug := PLANTED.get(batch.target):
        mark = " ✓" if bug.caught_by in row.found else " ✗" if row.scenario == bug.scenario else ""
    return f"{row.target} · {row.scenario}: {row.error or f'{row.verdict}, {found}'}{mark}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
