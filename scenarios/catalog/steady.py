"""Nothing breaks: what the queue does with a steady load of its own accord."""

from stormproof_target.spec import fails, succeeds

from loadtests.arrivals import constant
from scenarios.scenario import Scenario, Workers

STEADY = Scenario(
    name="steady",
    claim="Without faults every job runs to its end, and none runs twice.",
    stands_for="audit §14 integration 1: submit, process, verify the result",
    workers=Workers(processes=2, slots=2),
    load=constant(rate_s=100, for_s=8, jobs={succeeds(sleep_ms=15): 19, fails(times=1): 1}),
    reach=["acknowledged >= 200", "retries >= 1"],
    objectives=["lost == 0", "unfinished == 0", "p(95) job_time < 3s", "availability > 99%"],
)
