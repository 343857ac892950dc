"""A delayed job that was started before its time."""

from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered, told
from scenarios.clocks import anchors
from scenarios.history_types import FOREVER, ns, s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario

READING_SLACK_NS: Final = ns(0.005)  # a clock that is read to the millisecond, here and there
ANCHOR_NS_MAX: Final = ns(0.02)  # a reading that took longer says too little of when it was
CLOCK_RATE_SHARE: Final = 1000  # one part of so many: twice the 500 ppm by which NTP may slew a clock


ANOMALIES: Final = {
    "early start": Anomaly(
        definition="The first run of a delayed job began before its delay was over, counted from before it was sent.",
        smallest='acked("j", 0, delay=5)\nrun("j", 4.9, 5)',
        means="What was to wait does not: a reminder before its day, a retry into a system that asked for time.",
    ),
}


def early(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: delayed jobs that ran. Their delay counts from before the enqueue's first byte was sent.

    So no clock is compared but for its rate, and for being set forward: by as much as it may have been, a job may start
    early, since a store reckons by its own. Only the first run of a job counts, unless an operator requeued it: later
    ones have delays of their own.
    """
    del promise, scenario
    ran = (pl.col("delay") > 0) & pl.col("first_start").is_not_null()
    tally = Gathered(examined=history.count_jobs(ran))
    if not tally.examined:
        return tally.judged()
    slack = READING_SLACK_NS + pl.col("delay") // CLOCK_RATE_SHARE
    ahead = history.jobs_that(ran & (pl.col("first_start") + slack < pl.col("invoked") + pl.col("delay")))
    forward = set_forward_ns(history) if len(ahead) else 0
    requeued = {event["job"] for event in history.op_rows if event["op"] == "requeue"}
    for job in history.stories(ahead):
        first = min(job.runs, key=lambda run: run.start)
        if job.job in requeued or first.start + forward + READING_SLACK_NS + job.delay // CLOCK_RATE_SHARE >= (
            job.invoked + job.delay
        ):
            tally.explained += 1
            continue
        tally.findings.append(
            Finding(
                anomaly="early start",
                job=job.job,
                at_ns=first.start,
                says=(
                    f"Job {job.job} was enqueued at {s(job.invoked - history.begin):.3f} s with a delay of"
                    f" {s(job.delay):.3f} s, and started {s(first.start - job.invoked):.3f} s later:"
                    f" {told(first, history.begin)}."
                ),
                runs=(first.run,),
                causes_rejected=(
                    f"No clock: the wall clock, which servers go by, was set by {s(forward):.3f} s at most.",
                ),
                clause="early",
            )
        )
    return tally.judged()


def set_forward_ns(history: "History") -> int:
    """By how much the clock that servers go by may have been set forward while the scenario ran, at most.

    As anchors tell it, or without any the first lines of processes, which hold both clocks of this machine.
    """
    told = [each.offset for each in anchors(history.few["anchor"]) if each.hi - each.lo <= ANCHOR_NS_MAX]
    if not told:
        opened = history.frames["open"].select("t", "wall_ns").drop_nulls().sort("t")
        told = [(wall - t, wall - t) for t, wall in opened.iter_rows()]
    most, least = 0, FOREVER
    for lo, hi in told:
        most, least = max(most, hi - least), min(least, lo)
    return most
