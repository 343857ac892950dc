"""An operator cancels jobs that wait, that are delayed and that run, while a worker dies."""

from dataclasses import replace

from stormproof_target import Policy
from stormproof_target.spec import fails, succeeds

from chaos.faults.registry import cancel, kill
from loadtests.arrivals import Delayed, constant
from scenarios.scenario import Scenario, Workers
from scenarios.together import together

CANCELLED = Scenario(
    name="cancelled",
    claim="A job that is cancelled before it starts never does, and each cancelled job ends in one way.",
    stands_for="audit §7: who may cancel a job, and whether it is then cancelled",
    workers=Workers(processes=2, slots=2),
    policy=replace(Policy(), timeout_s=5),
    load=together(  # a little more than four slots can take, so that some always wait
        constant(rate_s=20, for_s=6, jobs={succeeds(sleep_ms=150): 17, succeeds(sleep_ms=1500): 2, fails(times=1): 1}),
        constant(rate_s=5, for_s=6, jobs={succeeds(sleep_ms=15): 1}, delayed=Delayed(share=1.0, delay_s=2.0)),
    ),
    faults=[
        cancel(jobs=6).at(s=2.0),
        cancel(jobs=6).at(s=3.0),
        kill("tree").at(s=3.1),  # what was asked to end outlives the worker that was to end it
        cancel(jobs=9).at(s=4.5),
    ],
    needs=frozenset({"cancel"}),
    reach=["fired at cancel >= 9", "fired at kill tree >= 1"],
    objectives=["lost == 0", "unfinished == 0"],
)
