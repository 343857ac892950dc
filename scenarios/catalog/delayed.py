"""Half of the jobs are not due yet while the workers that shall start them die."""

from dataclasses import replace

from stormproof_target import Policy
from stormproof_target.spec import fails, succeeds

from chaos.faults.registry import kill
from loadtests.arrivals import Delayed, constant
from scenarios.scenario import Scenario, Workers
from scenarios.together import together

JOBS = {succeeds(sleep_ms=15): 19, fails(times=1): 1}

DELAYED = Scenario(
    name="delayed",
    claim="A delayed job starts after its time and not before, though every worker dies meanwhile.",
    stands_for="audit MEDIUM-4: jobs for later, and nobody to start them when a worker is gone",
    workers=Workers(processes=2, slots=2),
    policy=replace(Policy(), timeout_s=5),
    load=together(
        constant(rate_s=20, for_s=7, jobs=JOBS),
        constant(rate_s=20, for_s=7, jobs=JOBS, delayed=Delayed(share=1.0, delay_s=1.0)),
        constant(rate_s=20, for_s=7, jobs=JOBS, delayed=Delayed(share=1.0, delay_s=3.5)),
    ),
    faults=[kill("supervisor").at(s=1.0), kill("tree").at(s=1.5), kill("tree").at(s=3.0)],
    needs=frozenset({"delay"}),
    reach=["in flight at kill supervisor >= 10", "in flight at kill tree >= 20", "retries >= 1"],
    objectives=["lost == 0", "unfinished == 0"],
)
