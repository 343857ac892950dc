"""Nothing breaks: one queue's slow jobs fill its limit, and another queue's jobs come on."""

from dataclasses import replace

from stormproof_target import Policy
from stormproof_target.spec import fails, succeeds

from loadtests.arrivals import burst, constant
from scenarios.scenario import Scenario, Workers
from scenarios.together import together

SLOW_QUEUE = Scenario(
    name="slow_queue",
    claim="A queue whose slow jobs fill its limit leaves the idle slots to the others, and none stays idle.",
    stands_for="audit CRITICAL-3: one queue's jobs hold up all five",
    workers=Workers(processes=2, slots=4),
    policy=replace(Policy(), timeout_s=10, concurrency=3),  # of 8 slots: 5 are left to the others
    queues=("slow", "quick"),
    load=together(
        burst(count=6, at_s=1, for_s=8, queue="slow", jobs={succeeds(sleep_ms=5000): 1}),
        constant(rate_s=20, for_s=8, queue="quick", jobs={succeeds(sleep_ms=15): 19, fails(times=1): 1}),
    ),
    needs=frozenset({"concurrency"}),
    reach=["most leases at once == 3", "retries >= 1"],
    objectives=["lost == 0", "unfinished == 0", "p(95) job_time < 3s"],
)
