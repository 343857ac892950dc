"""Redis is killed in mid-load and comes back on the data that it left."""

from stormproof_target.spec import fails, succeeds

from chaos.faults.registry import redis_restart
from loadtests.arrivals import constant
from scenarios.scenario import Scenario, Workers

REDIS_RESTART = Scenario(
    name="redis_restart",
    claim="A Redis that is killed and started again on its own data loses no acknowledged job.",
    stands_for="audit CRITICAL-8, §16: recovery of the store",
    workers=Workers(processes=2, slots=2),
    load=constant(rate_s=100, for_s=8, jobs={succeeds(sleep_ms=15): 19, fails(times=1): 1}),
    faults=[redis_restart(down_s=1).at(s=2.5)],
    reach=["fired at redis restart >= 1", "in flight at redis restart >= 1"],
    objectives=["lost == 0", "unfinished == 0", "recovery < 6s"],
)
