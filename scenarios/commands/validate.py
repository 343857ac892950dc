"""``stormproof validate``: are the scenarios sound, and will they show anything? Nothing is started."""

import argparse
from typing import TYPE_CHECKING

from rich.table import Table
from stormproof_target import Setup

from scenarios.exit_codes import Exit
from scenarios.fit import fit
from scenarios.options import add_choice, add_seed, add_target, chosen_scenarios, seed_of
from scenarios.plan import Row, plan_row
from scenarios.target_program import resolve
from scenarios.terminal import console

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_to(commands: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """Options."""
    command = commands.add_parser("validate", help="check scenarios without running them; all errors at once")
    add_choice(command)
    add_target(command)
    add_seed(command)
    command.add_argument("--plan", action="store_true", help="print n, arrivals at each trigger, calm jobs and seconds")
    command.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    """Exit 0 when all are sound; errors are raised."""
    scenarios = chosen_scenarios(options)
    print(f"{len(scenarios)} scenarios are sound: {', '.join(scenario.name for scenario in scenarios)}")
    if not options.plan:
        return Exit.PASS
    program, seed = resolve(options.target), seed_of(options)
    rows = []
    for scenario in scenarios:
        description = program.describe(Setup(policy=scenario.policy))
        rows.append(plan_row(fit(scenario, description), description, seed))
    _print(rows, f"plan for {description.name} {description.version}, seed {seed}")
    return Exit.PASS


def _print(rows: list[Row], title: str) -> None:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in (
        "scenario",
        "n",
        "left out",
        "jobs/s",
        "load s",
        "at most s",
        "can succeed",
        "calm",
        "faults, with arrivals by then",
    ):
        table.add_column(name, justify="left" if name in {"scenario", "faults, with arrivals by then"} else "right")
    for row in rows:
        table.add_row(
            row.scenario,
            str(row.jobs),
            str(row.left_out),
            f"{row.rate_s:g}",
            f"{row.load_s:g}",
            f"{row.at_most_s:g}",
            str(row.can_succeed),
            str(row.calm_jobs),
            "\n".join((*row.triggers, *row.notes)) or "none",
        )
    console().print(table)
