"""Redis is lost and comes back from a copy that is a second and a half old: what is gone, and what runs twice."""

from dataclasses import replace

from stormproof_target import BackoffPolicy, Policy
from stormproof_target.spec import fails, succeeds

from chaos.faults.registry import backup, restore_backup
from loadtests.arrivals import constant
from scenarios.scenario import Scenario, Workers

RESTORE_BACKUP = Scenario(
    name="restore_backup",
    claim="A Redis restored from an older copy loses what was enqueued since, repeats what ended since, and no more.",
    stands_for="audit §16: disaster recovery from a backup",
    workers=Workers(processes=2, slots=2),
    policy=replace(Policy(), backoff=BackoffPolicy(base_s=2.0, jitter="equal")),  # some wait when Redis is lost
    load=constant(rate_s=100, for_s=8, jobs={succeeds(sleep_ms=15): 19, fails(times=1): 1}),
    faults=[backup().at(s=2.0), restore_backup(down_s=1).at(s=3.5)],
    reach=[
        "fired at backup >= 1",
        "fired at restore backup >= 1",
        "repeats explained by a loss of the store >= 1",
        "lost by the store >= 1",
    ],
    objectives=["lost == 0", "unfinished == 0", "recovery < 8s"],
)
