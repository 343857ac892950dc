"""``stormproof seeds``: the reference and each planted bug again and again, under other seeds.

What it proves has a bound: so many runs, of so many jobs, on this machine, and no more.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reports.run_record import Part
from reports.verdict import Verdict
from scenarios.campaign_plan import CampaignPlan, PartPlan
from scenarios.catalog import CATALOG
from scenarios.exit_codes import Exit
from scenarios.options import add_out
from scenarios.planted import PLANTED, part_of
from scenarios.progress import for_stream
from scenarios.suite import run_campaign
from scenarios.target_program import resolve

if TYPE_CHECKING:
    from argparse import _SubParsersAction

FIRST_SEED: Final = 1000
HEAD: Final = (
    "| seed | target | scenarios | jobs | runs | repeats explained | faults fired | verdict | as it should |\n"
    + "|---" * 9
    + "|"
)


def add_to(commands: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """Options."""
    command = commands.add_parser("seeds", help="reference and planted bugs under other seeds; a table")
    command.add_argument("-n", type=int, default=5, metavar="N", help="how many seeds (default: 5)")
    command.add_argument("--first", type=int, default=FIRST_SEED, metavar="SEED", help="the first of them")
    command.add_argument("--table", type=Path, metavar="FILE.md", help="also write the table there")
    add_out(command)
    command.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    """Exit 0 when the reference passed and each planted bug was caught by its checker, every time."""
    rows: list[str] = []
    good = True
    with for_stream(sys.stderr) as progress:
        for seed in range(options.first, options.first + options.n):
            plan = CampaignPlan(_parts(), seed, options.out, f"stormproof seeds -n 1 --first {seed}", side_by_side=True)
            for part in run_campaign(plan, progress).record.parts:
                good &= part.as_expected
                rows.append(_row(seed, part))
                progress.note(rows[-1])
    table = "\n".join((HEAD, *rows))
    print(table)
    if options.table:
        options.table.write_text(table + "\n", encoding="utf-8")
    return Exit.PASS if good else Exit.FAIL


def _parts() -> list[PartPlan]:
    return [PartPlan(resolve("reference"), list(CATALOG.values())), *map(part_of, PLANTED.values())]


def _row(seed: int, part: Part) -> str:
    runs = part.scenarios
    faults = [fault for run in runs for fault in run.faults]
    explained = sum(check.explained for run in runs for check in run.checkers if check.name == "duplicates")
    by = sorted({finding.checker for run in runs for finding in run.findings})
    cells = (
        seed,
        part.title or part.target.label,
        len(runs),
        sum(run.load.acknowledged for run in runs),
        sum(run.runs for run in runs),
        explained,
        f"{sum(fault.fired for fault in faults)} of {len(faults)}",
        f"{part.verdict}" + (f" by {', '.join(by)}" if part.verdict is Verdict.FAIL else ""),
        "yes" if part.as_expected else "NO",
    )
    return "| " + " | ".join(map(str, cells)) + " |"
