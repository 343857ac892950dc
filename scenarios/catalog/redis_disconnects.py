"""The network between everybody and Redis breaks: connections are reset, and refused for a moment and for longer."""

from dataclasses import replace

from stormproof_target import Policy
from stormproof_target.spec import fails, succeeds

from chaos.faults.registry import redis_down, reset_peer
from loadtests.arrivals import constant
from scenarios.scenario import Scenario, Workers

REDIS_DISCONNECTS = Scenario(
    name="redis_disconnects",
    claim="Connections that are reset or refused lose no acknowledged job, and a short cut makes none run twice.",
    stands_for="audit CRITICAL-8, §14 integration 2: Redis disconnection",
    workers=Workers(processes=2, slots=2),
    policy=replace(Policy(), lease_s=4.0),  # a short cut and the way back from it fit in
    load=constant(rate_s=60, for_s=9, jobs={succeeds(sleep_ms=15): 27, succeeds(sleep_ms=600): 1, fails(times=1): 2}),
    faults=[
        redis_down(for_s=0.2).at(s=0.8),  # the control: too short to end a lease
        reset_peer(for_s=0.5).at(s=4.4),
        redis_down(for_s=2.6).at(s=5.4),  # long enough to see who spins meanwhile
    ],
    reach=["fired at reset peer >= 1", "fired at redis down >= 2", "in flight at redis down >= 1"],
    objectives=["lost == 0", "unfinished == 0", "recovery < 6s"],
)
