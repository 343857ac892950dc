"""A scenario of one's own. `stormproof run --file` runs it, and `pytest -m chaos`, in a file called scenario_*.py."""

from stormproof_target.spec import fails, succeeds

from chaos.faults.registry import kill, redis_down
from loadtests.arrivals import constant
from scenarios.scenario import Scenario, Workers

MAIL = Scenario(
    name="mail_in_a_bad_hour",
    claim="Mail goes out, although Redis is away for a moment and a worker dies.",
    stands_for="the evening of 3 May, when the switch rebooted",
    workers=Workers(processes=2, slots=2),
    load=constant(rate_s=60, for_s=8, jobs={succeeds(sleep_ms=20): 9, fails(times=1): 1}),
    faults=[redis_down(for_s=1).at(s=1.5), kill("tree").at(s=4)],
    reach=["fired at redis down >= 1", "runs open at kill tree >= 1"],
    objectives=["lost == 0", "unfinished == 0", "recovery < 10s"],
)
