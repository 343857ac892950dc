"""Workers die in every way in which a process can, and one comes back from the dead."""

from dataclasses import replace

from stormproof_target import Policy
from stormproof_target.spec import fails, succeeds

from chaos.faults.registry import freeze, kill
from loadtests.arrivals import constant
from scenarios.scenario import Scenario, Workers

WORKERS_KILLED = Scenario(
    name="workers_killed",
    claim="A killed or frozen worker loses no job and repeats only what it was running.",
    stands_for="audit CRITICAL-5, §14 integration 3: worker crash; rq/rq#152",
    workers=Workers(processes=2, slots=2),
    policy=replace(Policy(), timeout_s=10),  # a frozen body must outlive its lease, not its timeout
    load=constant(rate_s=80, for_s=10, jobs={succeeds(sleep_ms=15): 19, fails(times=1): 1}),
    faults=[
        freeze(for_s=0.4).at(s=0.4),  # the control: too short to end a lease
        kill("slot").at(s=1.0),
        kill("supervisor").at(s=1.4),
        kill("tree").on(started=0.28),
        freeze(for_s=3.0).at(s=5.6),  # past the lease of 2 s, while somebody is left who takes over
    ],
    reach=["runs open at kill tree >= 1", "runs open at freeze >= 1", "retries >= 1"],
    objectives=["lost == 0", "unfinished == 0", "recovery < 6s", "p(95) job_time < 3s"],
)
