"""The audit's five queues on the same workers, and everything in one of them goes wrong."""

from dataclasses import replace

from stormproof_target import Policy
from stormproof_target.spec import exits, fails, hangs, segfaults, succeeds

from loadtests.arrivals import constant
from scenarios.scenario import Scenario, Workers
from scenarios.together import together

SOUND = ("email", "notifications", "reports", "backup")

FIVE_QUEUES = Scenario(
    name="five_queues",
    claim="A queue whose jobs hang, crash and fail keeps no other queue's jobs waiting.",
    stands_for="audit CRITICAL-1, CRITICAL-3: one queue's trouble stops all five",
    workers=Workers(processes=2, slots=4),
    policy=replace(Policy(), timeout_s=0.5, grace_s=0.3, concurrency=3),  # of 8 slots: 5 are left to the others
    queues=("document-processing", *SOUND),
    load=together(
        constant(
            rate_s=3,
            for_s=8,
            queue="document-processing",
            jobs={hangs(): 3, hangs(in_c=True): 1, exits(): 1, segfaults(): 1, fails(): 2},
        ),
        *(
            constant(rate_s=15, for_s=8, queue=queue, jobs={succeeds(sleep_ms=15): 19, fails(times=1): 1})
            for queue in SOUND
        ),
    ),
    job_needs={hangs(in_c=True): "hard_timeout", exits(): "crash_bound", segfaults(): "crash_bound"},
    needs=frozenset({"concurrency"}),
    reach=["timeouts >= 12", "crashes >= 6", "dead letters >= 12"],
    objectives=["lost == 0", "unfinished == 0", "p(95) job_time < 1s", "p(99) job_time < 3s"],
    settle_s=25,
)
