"""More jobs than the queue's rate allows arrive; workers die and replies are lost; no window gets one too many."""

from dataclasses import replace

from stormproof_target import Policy
from stormproof_target.spec import succeeds

from chaos.faults.registry import kill, redis_down, reset_peer
from loadtests.arrivals import constant
from scenarios.scenario import Scenario, Workers

RATE_LIMIT = Scenario(
    name="rate_limit",
    claim="In no window of time are more jobs granted than the rate allows, whatever happens to workers and replies.",
    stands_for="audit HIGH-6: no rate limit for outside services",
    workers=Workers(processes=2, slots=2),
    policy=replace(Policy(), rate_n=40, rate_window_s=5),
    load=constant(rate_s=15, for_s=9, jobs={succeeds(sleep_ms=100): 1}),
    faults=[
        kill("tree").on(started=0.1),
        reset_peer(for_s=0.3).at(s=3.0),
        redis_down(for_s=0.8).at(s=5.0),
        kill("slot").on(started=0.25),
    ],
    needs=frozenset({"rate"}),
    reach=[
        "fired at kill tree >= 1",
        "fired at redis down >= 1",
        "in flight at redis down >= 1",
        "grants known >= 135",
    ],
    objectives=["lost == 0", "unfinished == 0", "max job_time < 20s"],
    settle_s=25,
)
