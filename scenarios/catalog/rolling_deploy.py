"""A new release takes the workers' places under load, and an operator takes it back."""

from dataclasses import replace

from stormproof_target import Policy
from stormproof_target.spec import fails, succeeds

from chaos.faults.registry import deploy, roll_back
from loadtests.arrivals import constant
from scenarios.scenario import Scenario, Workers

ROLLING_DEPLOY = Scenario(
    name="rolling_deploy",
    claim="A new release takes over under load and loses no job, and so does the old one on the way back.",
    stands_for="audit CRITICAL-4, §15: deployment, and back within five minutes",
    workers=Workers(processes=2, slots=2),
    policy=replace(Policy(), timeout_s=3),
    load=constant(  # some run long enough to be met by each stop
        rate_s=40, for_s=16, jobs={succeeds(sleep_ms=30): 18, succeeds(sleep_ms=400): 1, fails(times=1): 1}
    ),
    faults=[deploy(release=2).at(s=1.5), roll_back(release=1).at(s=8.5)],
    needs=frozenset({"releases"}),
    reach=["fired at deploy >= 1", "fired at roll back >= 1", "seconds of deploy < 300", "seconds of roll back < 300"],
    objectives=["lost == 0", "unfinished == 0", "recovery < 8s"],
)
