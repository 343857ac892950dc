"""``stormproof report``: write the reports of a stored run again, from its ``run.json`` alone."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from reports.write import write_all
from scenarios.commands.check import stored_record
from scenarios.exit_codes import Exit

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_to(commands: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """Options."""
    command = commands.add_parser("report", help="write report.html, junit.xml and summary.md again from run.json")
    command.add_argument(
        "run", type=Path, nargs="?", default=Path("out/latest"), help="a run's folder (default: out/latest)"
    )
    command.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    """Write them and say where."""
    stored_record(options.run)
    for path in write_all(options.run):
        print(path)
    return Exit.PASS
