"""Arguments and results are large, bodies let nothing else of their process run, and one ends as a zombie."""

from dataclasses import replace

from stormproof_target import Policy
from stormproof_target.spec import fails, holds_gil, succeeds

from chaos.faults.registry import freeze
from loadtests.arrivals import constant
from scenarios.scenario import Scenario, Workers
from scenarios.together import together

PAYLOADS = Scenario(
    name="payloads",
    claim="Arguments and results come whole and are the right run's; a body that blocks its process keeps its lease.",
    stands_for="audit HIGH-5: results that fill Redis; CRITICAL-5: long jobs that are taken for stalled ones",
    workers=Workers(processes=2, slots=4),
    policy=replace(Policy(), timeout_s=10),  # a body that blocks is not late, only longer than its lease of 2 s
    load=together(
        constant(
            rate_s=20,
            for_s=8,
            jobs={
                succeeds(sleep_ms=15): 33,
                succeeds(sleep_ms=15, args_kb=64, result_kb=64): 20,
                succeeds(args_kb=1024): 2,
                succeeds(result_kb=1024): 2,
                holds_gil(for_s=3.2): 1,
                fails(times=1): 2,
            },
        ),
        constant(rate_s=1, for_s=8, jobs={succeeds(sleep_ms=3600, result_kb=64): 1}),
    ),
    # Nobody renews for four seconds: a body of 3.6 s that has just begun ends when another one has its job.
    faults=[freeze(for_s=4.0, part="supervisor", open_s=(0.1, 0.5)).at(s=2.8)],
    reach=["acknowledged >= 40", "retries >= 1", "runs open at freeze supervisor >= 1", "zombies reported late >= 1"],
    objectives=["lost == 0", "unfinished == 0"],
)
