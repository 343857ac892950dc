"""``stormproof demo``: what the tool is for, in three parts and one report.

The reference queue on half a dozen scenarios (it must pass), the reference with one planted bug (it must be caught, by
the right checker), and stock RQ, as it is found.
"""

import argparse
import sys
from typing import TYPE_CHECKING, Final

from reports.verdict import Verdict
from scenarios.campaign_plan import ANY_EXPECTED, CampaignPlan, PartPlan
from scenarios.catalog import CATALOG
from scenarios.commands.closing import close
from scenarios.options import add_out
from scenarios.planted import PLANTED, part_of
from scenarios.progress import for_stream
from scenarios.suite import run_campaign
from scenarios.target_program import resolve

if TYPE_CHECKING:
    from argparse import _SubParsersAction

SEED: Final = 7
SHOWN: Final = ("steady", "redis_disconnects", "redis_restart", "latency", "workers_killed", "poison")
PLANTED_SHOWN: Final = "ack_before_run"


def add_to(commands: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """Options."""
    command = commands.add_parser("demo", help="reference, a planted bug, stock RQ: one report, about two minutes")
    add_out(command)
    command.add_argument("--seed", type=int, default=SEED, help=f"of load and faults (default: {SEED})")
    command.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    """Exit 0 when each part ended as it should."""
    plan = CampaignPlan(
        _parts(), options.seed, options.out, f"stormproof demo --seed {options.seed}", side_by_side=True
    )
    with for_stream(sys.stderr) as progress:
        result = run_campaign(plan, progress)
    as_expected = all(part.as_expected for part in result.record.parts)
    return close(result, Verdict.PASS if as_expected else Verdict.FAIL)


def _parts() -> list[PartPlan]:
    return [
        PartPlan(resolve("reference"), [CATALOG[name] for name in SHOWN]),
        part_of(PLANTED[PLANTED_SHOWN]),
        PartPlan(resolve("rq"), [CATALOG["steady"], CATALOG["workers_killed"]], kind="as found", expected=ANY_EXPECTED),
    ]
