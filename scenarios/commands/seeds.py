"""``stormproof seeds``: the whole catalogue on the reference queue, again and again under other seeds.

Whatever a checker finds there is a false alarm, or a bug of the reference: neither may be. What it proves has a bound:
so many runs, of so many jobs, on this machine, and no more.
"""

import argparse
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chaos.hog import hogs
from scenarios import seed_rows, seed_table
from scenarios.exit_codes import Exit
from scenarios.progress import PlainProgress
from scenarios.registered import chosen
from scenarios.seed_campaigns import Campaigns

if TYPE_CHECKING:
    from argparse import _SubParsersAction
    from collections.abc import Sequence

FIRST_SEED: Final = 1000
OUT: Final = Path("out/seeds")
JUDGED_SHARE_MIN: Final = 0.9
"""Where fewer of the scenario runs were judged, the seeds prove nothing: exit 3."""


def add_to(commands: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """Options."""
    command = commands.add_parser("seeds", help="the catalogue on the reference under other seeds: no false alarms")
    command.add_argument("-n", type=_count, default=5, metavar="N", help="how many seeds (default: 5)")
    command.add_argument("--first", type=int, default=FIRST_SEED, metavar="SEED", help="the first of them")
    command.add_argument(
        "--jobs", type=_count, default=1, metavar="J", help="campaigns at a time (default: 1; about 2 a processor)"
    )
    command.add_argument(
        "--hog",
        choices=("none", "half", "all"),
        default="none",
        help="which seeds run beside a process a processor that only computes (half: the odd ones, after the others)",
    )
    command.add_argument(
        "--scenario",
        action="append",
        default=[],
        metavar="NAME",
        help="of the catalogue; may be repeated; all if absent",
    )
    command.add_argument("--out", type=Path, default=OUT, metavar="DIR", help=f"folder for results (default: {OUT})")
    command.add_argument(
        "--table",
        type=Path,
        metavar="FILE.md",
        help="where the page goes (default: seeds.md in DIR), between its markers if it has any; rows go to FILE.jsonl",
    )
    command.add_argument("--resume", action="store_true", help="leave out the seeds that FILE.jsonl has a row of")
    command.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    """Exit 0: no checker found anything, and nearly all runs were judged; 1: one did; 3: too few were judged."""
    chosen(options.scenario)
    page = options.table or options.out / "seeds.md"
    stored = page.with_suffix(".jsonl")
    kept = seed_rows.rows_in(stored)
    rows = kept.read()
    if stored.exists() and not options.resume:
        sys.stderr.write(f"stormproof: {stored}: has {len(rows)} rows; --resume goes on, another --table begins anew\n")
        return Exit.USAGE
    for folder in (page.parent, options.out):
        folder.mkdir(parents=True, exist_ok=True)
    kept.mend()
    progress = PlainProgress(sys.stderr)

    def told(row: seed_rows.Row) -> None:
        rows.append(row)
        kept.append([row])
        seed_table.write(page, seed_table.page(rows))
        progress.note(f"seed {row.seed}: {said(row)} ({len(rows)} of {options.n})")

    known = {row.seed for row in rows}
    seeds = [seed for seed in range(options.first, options.first + options.n) if seed not in known]
    campaigns = Campaigns(options.out, options.scenario)
    for hog, mine in by_hog(seeds, options.hog):
        with ExitStack() as beside:
            if hog and mine:
                beside.enter_context(hogs(os.cpu_count() or 1))
            campaigns.run(mine, options.jobs, hog=hog, told=told)
    text = seed_table.page(rows)
    seed_table.write(page, text)
    print(text)
    return exit_of(rows)


def by_hog(seeds: "Sequence[int]", which: str) -> list[tuple[bool, list[int]]]:
    """Seeds without a hog, then those beside one, so that no campaign of the former meets one."""
    beside = [seed for seed in seeds if which == "all" or (which == "half" and seed % 2)]
    return [(False, [seed for seed in seeds if seed not in beside]), (True, beside)]


def exit_of(rows: "Sequence[seed_rows.Row]") -> Exit:
    """As ``perform`` says. A campaign without a record counts with as many runs as the longest other one."""
    if any(row.found for row in rows):
        return Exit.FAIL
    most = max((row.scenarios for row in rows), default=0)
    planned = sum(
        row.scenarios - row.endings.get("not applicable", 0) if not row.error else max(most, 1) for row in rows
    )
    judged = sum(row.judged for row in rows)
    return Exit.PASS if rows and judged >= JUDGED_SHARE_MIN * planned else Exit.INCONCLUSIVE


def said(row: seed_rows.Row) -> str:
    """One line for the terminal."""
    if row.error:
        return f"no record: {row.error}"
    ended = ", ".join(f"{n} {ending}" for ending, n in row.endings.items())
    found = ", ".join(f"{n} by {name}" for name, n in row.found.items())
    return f"{ended}; {f'FOUND: {found}' if found else 'no finding'}, {row.seconds:.0f} s"


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}: a number from 1 on is needed")
    return number
