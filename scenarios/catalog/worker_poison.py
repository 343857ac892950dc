"""One job kills every worker that takes it, and there is only one worker."""

from dataclasses import replace

from stormproof_target import Policy
from stormproof_target.spec import kills_worker, succeeds

from loadtests.arrivals import constant
from scenarios.scenario import Scenario, Workers

WORKER_POISON = Scenario(
    name="worker_poison",
    claim="A job that takes its whole worker with it ends as a dead letter, also where that worker is the only one.",
    stands_for="audit CRITICAL-5: a poison job, restarted for ever",
    workers=Workers(processes=1, slots=2),
    policy=replace(Policy(), max_stalls=2),
    load=constant(rate_s=10, for_s=6, jobs={succeeds(sleep_ms=15): 59, kills_worker(): 1}),
    job_needs={kills_worker(): "stall_bound"},
    needs=frozenset({"stall_bound"}),
    reach=["crashes >= 2", "dead letters >= 1"],
    objectives=["lost == 0", "unfinished == 0"],
    settle_s=25,
)
