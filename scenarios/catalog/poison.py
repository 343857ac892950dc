"""Jobs that fail, hang, crash: each must end where its policy says, and none may hold up the rest."""

from dataclasses import replace

from stormproof_target import Policy
from stormproof_target.spec import exits, fails, hangs, segfaults, succeeds

from loadtests.arrivals import constant
from scenarios.scenario import Scenario, Workers

POISON = Scenario(
    name="poison",
    claim="Bad jobs end as dead letters, with their reason, and hold nobody up.",
    stands_for="audit CRITICAL-1, CRITICAL-2, CRITICAL-5: timeouts, dead letters, poison jobs",
    workers=Workers(processes=2, slots=2),
    policy=replace(Policy(), timeout_s=0.5, grace_s=0.3),
    load=constant(
        rate_s=20,
        for_s=8,
        jobs={
            succeeds(sleep_ms=15): 134,
            fails(times=1): 14,
            fails(): 4,
            exits(status=1): 1,
            exits(status=1, fails_first=2): 2,  # its last attempt: two failures stand in its record
            segfaults(): 1,
            hangs(): 2,
            hangs(in_c=True): 1,
            hangs(ignores_sigterm=True): 1,
        },
    ),
    job_needs={
        hangs(in_c=True): "hard_timeout",
        hangs(ignores_sigterm=True): "hard_timeout",
        exits(status=1): "crash_bound",
        exits(status=1, fails_first=2): "crash_bound",
        segfaults(): "crash_bound",
    },
    reach=["retries >= 5", "dead letters >= 5", "timeouts >= 1"],
    objectives=["lost == 0", "unfinished == 0", "p(95) job_time < 3s"],
)
