"""The network between everybody and Redis breaks, twice: connections are reset, then refused."""

from stormproof_target.spec import fails, succeeds

from chaos.faults.registry import redis_down, reset_peer
from loadtests.arrivals import constant
from scenarios.scenario import Scenario, Workers

REDIS_DISCONNECTS = Scenario(
    name="redis_disconnects",
    claim="Connections that are reset or refused lose no acknowledged job.",
    stands_for="audit CRITICAL-8, §14 integration 2: Redis disconnection",
    workers=Workers(processes=2, slots=2),
    load=constant(rate_s=100, for_s=8, jobs={succeeds(sleep_ms=15): 19, fails(times=1): 1}),
    faults=[reset_peer(for_s=0.5).at(s=1.5), redis_down(for_s=1).at(s=3.5)],
    reach=["fired at reset peer >= 1", "fired at redis down >= 1", "in flight at redis down >= 1"],
    objectives=["lost == 0", "unfinished == 0", "recovery < 6s"],
)
