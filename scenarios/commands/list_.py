"""``stormproof list``: scenarios, targets, faults, and the words that scenarios are written in."""

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from stormproof_target import ABILITIES

from chaos.causes import Cause
from chaos.faults import Fault
from chaos.faults.registry import FAULTS
from loadtests.arrivals import PROFILES
from reports.objectives import METRICS
from scenarios.catalog import CATALOG
from scenarios.checkers.registry import CHECKERS
from scenarios.exit_codes import Exit
from scenarios.situations import SITUATIONS
from scenarios.target_program import BUILT_IN

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_to(commands: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """Options."""
    command = commands.add_parser("list", help="scenarios, targets, faults, checkers, and the words of scenarios")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    """Print them."""
    tables = {
        "scenarios": {name: scenario.claim for name, scenario in CATALOG.items()},
        "targets": dict.fromkeys(BUILT_IN, "built in") | {"path/to/adapter.py[@python]": "your own"},
        "faults": {name: f"{_first_line(fault)} {_explains(fault)}" for name, fault in FAULTS.items()},
        "checkers": {name: each.looks_at for name, each in CHECKERS.items()},
        "arrival profiles": {name: _first_line(profile) for name, profile in PROFILES.items()},
        "metrics for objectives": {name: says for name, (_, says) in METRICS.items()},
        "situations for reach": dict(SITUATIONS),
        "abilities of targets": dict(ABILITIES),
    }
    if options.json:
        print(json.dumps(tables, indent=1, ensure_ascii=False))
        return Exit.PASS
    for title, rows in tables.items():
        print(f"{title}:")
        for name, says in rows.items():
            print(f"  {name:28} {says}")
        print()
    return Exit.PASS


def _explains(fault: Callable[..., Fault]) -> str:
    causes: frozenset[Cause] = cast("Any", fault).explains  # of the class, or of the one that it is derived from
    if not causes:
        return "(no reason for a job to run again)"
    names = ", ".join(cause.name.lower().replace("_", " ") for cause in sorted(causes))
    return f"(why a job may run again: {names})"


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().splitlines()[0]
