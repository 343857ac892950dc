"""A delayed job that was started before its time."""

from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered, told
from scenarios.history_types import ns, s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario

READING_SLACK_NS: Final = ns(0.005)  # a clock that is read to the millisecond, here and there
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

    So no clock is compared but for its rate, and for a step of the wall clock by which the store reckons: each process
    wrote both clocks down at its begin, and what lies between the largest and the least difference is allowed. Only
    the first run of a job counts, unless an operator requeued it: later ones have delays of their own.
    """
    del promise, scenario
    ran = (pl.col("delay") > 0) & pl.col("first_start").is_not_null()
    tally = Gathered(examined=history.count_jobs(ran))
    if not tally.examined:
        return tally.judged()
    slack = READING_SLACK_NS + pl.col("delay") // CLOCK_RATE_SHARE
    ahead = history.jobs_that(ran & (pl.col("first_start") + slack < pl.col("invoked") + pl.col("delay")))
    steps = _steps_ns(history) if len(ahead) else 0
    requeued = {event["job"] for event in history.op_rows if event["op"] == "requeue"}
    for job in history.stories(ahead):
        first = min(job.runs, key=lambda run: run.start)
        if job.job in requeued or first.start + steps + READING_SLACK_NS + job.delay // CLOCK_RATE_SHARE >= (
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
                    f"No clock: the wall clock, which servers go by, was set by {s(steps):.3f} s at most.",
                ),
                clause="early",
            )
        )
    return tally.judged()


def _steps_ns(history: "History") -> int:
    """By how much the wall clock may have been set while the scenario ran, as its processes' first lines show."""
    differences = history.frames["open"].select(apart=pl.col("wall_ns") - pl.col("t")).drop_nulls()["apart"]
    most, least = differences.max(), differences.min()
    return most - least if isinstance(most, int) and isinstance(least, int) else 0
