"""An operator pauses the queue in mid-load while connections break, and resumes it."""

from dataclasses import replace

from stormproof_target import Policy
from stormproof_target.spec import fails, succeeds

from chaos.faults.registry import kill, pause, redis_down, reset_peer
from loadtests.arrivals import Delayed, constant
from scenarios.scenario import Scenario, Workers

PAUSE_RESUME = Scenario(
    name="pause_resume",
    claim="A paused queue starts nothing, whatever breaks meanwhile, and loses nothing; what runs goes on.",
    stands_for="audit MEDIUM-3: no way to pause a queue in an incident",
    workers=Workers(processes=2, slots=2),
    policy=replace(Policy(), timeout_s=3),
    load=constant(  # those with a delay that come early fall due during the pause
        rate_s=40, for_s=12, jobs={succeeds(sleep_ms=40): 19, fails(times=1): 1}, delayed=Delayed(share=0.1, delay_s=3)
    ),
    faults=[
        kill("slot").at(s=1.0),
        reset_peer(for_s=0.3).at(s=1.8),
        pause(for_s=6).at(s=2.0),  # long enough for some seconds in which nothing else is broken
        redis_down(for_s=0.5).at(s=2.4),
    ],
    needs=frozenset({"pause"}),
    reach=["fired at pause >= 1", "fired at redis down >= 1", "in flight at redis down >= 1"],
    objectives=["lost == 0", "unfinished == 0", "recovery < 6s"],
)
