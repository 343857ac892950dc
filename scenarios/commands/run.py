"""``stormproof run``: run scenarios on a target and write the report."""

import argparse
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaos.environment.external import CONSENT_OPTION, ExternalRedis, require_consent
from reports.objectives import DEFAULT_POLICY
from scenarios.campaign_plan import CampaignPlan, PartPlan
from scenarios.commands.closing import close
from scenarios.options import add_choice, add_out, add_seed, add_target, chosen_scenarios, seed_of
from scenarios.progress import for_stream
from scenarios.suite import run_campaign
from scenarios.target_program import resolve

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_to(commands: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """Options."""
    command = commands.add_parser("run", help="run scenarios on a target and write the report")
    add_target(command)
    add_choice(command)
    add_seed(command)
    add_out(command)
    command.add_argument(
        "--policy",
        type=Path,
        default=DEFAULT_POLICY,
        metavar="FILE.toml",
        help="objectives over all (default: the audit's)",
    )
    command.add_argument("--redis-url", metavar="URL", help="a Redis of your own, instead of one that is started here")
    command.add_argument(CONSENT_OPTION, dest="consent", action="store_true", help="faults may hit that Redis")
    command.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    """The exit code is the verdict's."""
    scenarios, program, seed = chosen_scenarios(options), resolve(options.target), seed_of(options)
    store: dict[str, Any] = {}
    if options.redis_url:
        require_consent(options.redis_url, consent=options.consent)
        store = {"make_store": partial(ExternalRedis, options.redis_url), "own_store": False}
    part = PartPlan(program, scenarios, file=str(options.file[0]) if options.file else "")
    plan = CampaignPlan([part], seed, options.out, _again(seed), options.policy, **store)
    with for_stream(sys.stderr) as progress:
        progress.note(f"{len(scenarios)} scenarios on {options.target}, seed {seed}")
        result = run_campaign(plan, progress)
    return close(result, result.verdict)


def _again(seed: int) -> str:
    """This command line, with the seed in it."""
    words = ["stormproof", *sys.argv[1:]]
    return shlex.join(words if "--seed" in words else [*words, "--seed", str(seed)])
