"""Redis does what it is told, and nobody hears of it: replies are lost, again and again."""

from dataclasses import replace

from stormproof_target import Policy
from stormproof_target.spec import fails, succeeds

from chaos.faults.registry import lost_replies
from loadtests.arrivals import constant
from scenarios.scenario import Scenario, Workers

LOST_REPLIES = Scenario(
    name="lost_replies",
    claim="A command whose reply is lost has one effect: no job is stranded, lost or run twice by it.",
    stands_for="audit CRITICAL-8: the network fails after the command and before its answer",
    workers=Workers(processes=2, slots=2),
    policy=replace(Policy(), lease_s=4.0),  # longer than a cut and the way back: what runs twice then is no lease's end
    load=constant(rate_s=100, for_s=8, jobs={succeeds(sleep_ms=15): 19, fails(times=1): 1}),
    faults=[
        lost_replies(for_s=0.5, of="worker-1").at(s=1.0),
        lost_replies(for_s=0.5, of="worker-2").at(s=2.0),
        lost_replies(for_s=0.5, of="producer", bytes_max=100).at(s=3.0),
        lost_replies(for_s=1.5).at(s=4.0),
    ],
    reach=["fired at lost replies >= 4"],
    objectives=["lost == 0", "unfinished == 0", "recovery < 8s"],
)
