"""Small real runs, for tests of what the harness makes of its own failures."""

from dataclasses import dataclass, replace
from pathlib import Path

from stormproof_target.spec import succeeds

from chaos.planned import Planned
from loadtests.arrivals import constant
from reports.run_record import ScenarioRun
from scenarios.campaign_plan import CampaignPlan, PartPlan
from scenarios.exit_codes import Exit
from scenarios.progress import Quiet
from scenarios.scenario import Scenario, Workers
from scenarios.suite import run_campaign
from scenarios.target_program import resolve

SEED = 5
SMALL = Scenario(
    name="small",
    claim="",
    stands_for="",
    load=constant(rate_s=40, for_s=1.5, jobs={succeeds(sleep_ms=10): 1}),
    workers=Workers(processes=1, slots=2),
    objectives=["lost == 0"],
    rest_s=1.0,
    settle_s=8.0,
)


@dataclass(frozen=True, slots=True)
class Told:
    """How it ended; ``folder`` is the scenario's, with its ledgers."""

    run: ScenarioRun
    code: Exit
    folder: Path


def play(out: Path, *faults: Planned, scenario: Scenario = SMALL) -> Told:
    """Run it on the reference queue, with everything that is real: Redis, proxies, processes."""
    played = replace(scenario, faults=faults) if faults else scenario
    result = run_campaign(CampaignPlan([PartPlan(resolve("reference"), [played])], SEED, out, ""), Quiet())
    (run,) = result.record.parts[0].scenarios
    return Told(run, result.exit_code(result.verdict), result.directory / "reference" / scenario.name)
