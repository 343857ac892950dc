"""Redis answers, but not as it did: it has forgotten the scripts that it was sent, and later it is full."""

from dataclasses import replace

from stormproof_target import Policy
from stormproof_target.spec import fails, succeeds

from chaos.faults.registry import freeze, out_of_memory, script_flush
from loadtests.arrivals import constant
from scenarios.scenario import Scenario, Workers

REDIS_REFUSES = Scenario(
    name="redis_refuses",
    claim="A Redis that has forgotten its scripts or is full loses no job and leaves none half enqueued.",
    stands_for="audit HIGH-2: Redis runs out of memory; a restart or a fail-over forgets scripts",
    workers=Workers(processes=2, slots=2),
    policy=replace(Policy(), timeout_s=10),  # a frozen body must outlive its lease, not its timeout
    load=constant(rate_s=40, for_s=10, jobs={succeeds(sleep_ms=15): 35, fails(times=1): 3, succeeds(sleep_ms=900): 2}),
    faults=[  # at the end somebody sleeps on while the others take up work: what he holds is his for one lease more
        script_flush(for_s=0.5).at(s=1.0),
        script_flush(for_s=0.5).at(s=1.7),
        out_of_memory(for_s=0.3).at(s=2.3),
        freeze(for_s=6.9).at(s=2.9),
        out_of_memory(for_s=5.3).at(s=3.1),  # longer than a lease, and than an enqueue is tried for
    ],
    reach=["fired at script flush >= 1", "fired at out of memory >= 2", "in flight at out of memory >= 1"],
    objectives=["lost == 0", "unfinished == 0"],
)
