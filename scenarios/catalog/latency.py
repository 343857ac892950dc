"""The way to Redis is slow, and unevenly so."""

from stormproof_target.spec import fails, succeeds

from chaos.faults.registry import latency
from loadtests.arrivals import constant
from scenarios.scenario import Scenario, Workers

LATENCY = Scenario(
    name="latency",
    claim="Slow links delay jobs; they lose none and repeat none.",
    stands_for="audit CRITICAL-8: a network that is up, but bad",
    workers=Workers(processes=2, slots=2),
    load=constant(rate_s=100, for_s=8, jobs={succeeds(sleep_ms=15): 19, fails(times=1): 1}),
    faults=[
        latency(latency_ms=40, jitter_ms=20, for_s=2).at(s=1.5),
        latency(latency_ms=80, jitter_ms=40, for_s=1).at(s=4.5),
    ],
    reach=["fired at latency >= 1"],
    objectives=["lost == 0", "unfinished == 0", "recovery < 6s"],
)
