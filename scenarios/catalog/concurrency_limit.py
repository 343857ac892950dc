"""Eight slots and a limit of three: workers die and links break, and never a fourth lease is given."""

from dataclasses import replace

from stormproof_target import Policy
from stormproof_target.spec import fails, succeeds

from chaos.faults.registry import kill, redis_down, reset_peer
from loadtests.arrivals import constant
from scenarios.scenario import Scenario, Workers

CONCURRENCY_LIMIT = Scenario(
    name="concurrency_limit",
    claim="A queue's leases never exceed its limit, whatever happens to workers and replies.",
    stands_for="audit CRITICAL-3: no concurrency limit over several workers",
    workers=Workers(processes=2, slots=4),
    policy=replace(Policy(), concurrency=3),
    load=constant(rate_s=40, for_s=8, jobs={succeeds(sleep_ms=50): 19, fails(times=1, sleep_ms=50): 1}),
    faults=[
        kill("slot").at(s=1.0),
        reset_peer(for_s=0.3).at(s=2.0),
        kill("tree").at(s=3.5),
        redis_down(for_s=0.8).at(s=5.5),
    ],
    needs=frozenset({"concurrency"}),
    reach=["fired at kill tree >= 1", "fired at redis down >= 1", "most leases at once == 3", "runs >= 320"],
    objectives=["lost == 0", "unfinished == 0", "recovery < 8s"],
)
