"""Nothing breaks but jobs: how long the queue waits before it tries again, and how often."""

from dataclasses import replace

from stormproof_target import BackoffPolicy, Policy
from stormproof_target.spec import fails, succeeds

from loadtests.arrivals import constant
from scenarios.scenario import Scenario, Workers

RETRIES = Scenario(
    name="retries",
    claim="A failed job is tried again as often as its policy says, and after the delays that it says.",
    stands_for="audit CRITICAL-2: no retry, no backoff",
    workers=Workers(processes=2, slots=8),  # a retry that comes late must find a slot that was free for it
    # delays of which the way to the body is a small part, however long it may be; without the cap a third is 32 s
    policy=replace(Policy(), max_attempts=4, backoff=BackoffPolicy(base_s=8.0, cap_s=16.0, jitter="full")),
    load=constant(
        rate_s=6,  # as long as delays are, so that jobs that come meanwhile tell until when a retry was not due
        for_s=20,
        jobs={succeeds(sleep_ms=15): 6, fails(times=1): 13, fails(times=2): 3, fails(times=3): 2, fails(): 2},
    ),
    needs=frozenset({"retries", "backoff"}),
    reach=["retries >= 100", "dead letters >= 5"],
    objectives=["lost == 0", "unfinished == 0"],
    settle_s=60,
)
