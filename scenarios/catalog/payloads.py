"""Jobs whose arguments and results are large, and jobs whose body lets nothing else of its process run."""

from dataclasses import replace

from stormproof_target import Policy
from stormproof_target.spec import fails, holds_gil, succeeds

from loadtests.arrivals import constant
from scenarios.scenario import Scenario, Workers

PAYLOADS = Scenario(
    name="payloads",
    claim="Large arguments and results come whole, and a body that blocks its process keeps its lease.",
    stands_for="rq/rq#1014: a job that holds the GIL sends no heartbeat",
    workers=Workers(processes=2, slots=3),
    policy=replace(Policy(), timeout_s=10),  # a body that blocks is not late, only longer than its lease
    load=constant(
        rate_s=20,
        for_s=6,
        jobs={
            succeeds(sleep_ms=15): 30,
            succeeds(sleep_ms=15, args_kb=64, result_kb=64): 20,
            succeeds(args_kb=1024): 3,
            succeeds(result_kb=1024): 3,
            holds_gil(for_s=3.2): 2,  # of a lease of 2 s
            fails(times=1): 2,
        },
    ),
    reach=["acknowledged >= 40", "retries >= 1"],
    objectives=["lost == 0", "unfinished == 0"],
)
