"""Options that several commands share."""

import argparse
import secrets
from pathlib import Path

from scenarios.registered import chosen, load_file
from scenarios.scenario import Scenario
from scenarios.validation import validate_all

OUT = Path("out")


def add_choice(command: argparse.ArgumentParser) -> None:
    """Which scenarios."""
    command.add_argument(
        "--scenario",
        action="append",
        default=[],
        metavar="NAME",
        help="of the catalogue; may be repeated; all if absent",
    )
    command.add_argument(
        "--file",
        action="append",
        default=[],
        type=Path,
        metavar="FILE.py",
        help="a scenario file of your own; may be repeated",
    )


def chosen_scenarios(options: argparse.Namespace) -> list[Scenario]:
    """The scenarios that the options name, validated. Raises ``ScenarioFileError`` with every error at once."""
    found: list[tuple[str, Scenario]] = []
    for path in options.file:
        found += [(str(path), scenario) for scenario in load_file(path)]
    if options.scenario or not options.file:
        found += [("catalogue", scenario) for scenario in chosen(options.scenario)]
    validate_all(found)
    return [scenario for _, scenario in found]


def add_target(command: argparse.ArgumentParser) -> None:
    """Which queue."""
    command.add_argument(
        "--target",
        default="reference",
        metavar="TARGET",
        help="reference (default), rq, or path/to/adapter.py[@path/to/python]",
    )


def add_seed(command: argparse.ArgumentParser) -> None:
    """The randomness of it all."""
    command.add_argument(
        "--seed", type=int, default=None, help="of load and faults (default: a new one, which is told)"
    )


def seed_of(options: argparse.Namespace) -> int:
    """The given seed, or a fresh one."""
    return options.seed if options.seed is not None else secrets.randbelow(1_000_000)


def add_out(command: argparse.ArgumentParser) -> None:
    """Where results go."""
    command.add_argument("--out", type=Path, default=OUT, metavar="DIR", help="folder for results (default: out)")
