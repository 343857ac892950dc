"""A job that was started although an operator had paused its queue."""

from typing import TYPE_CHECKING

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Finding, Judged
from scenarios.checkers.gather import Gathered, told
from scenarios.history_types import FOREVER, s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario


def control(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: jobs that could have been started during a pause. Explained: starts that were granted before it.

    A pause holds from its acknowledgement until its end is asked for. A run counts only where its grant, however early
    it may have come, lies behind the acknowledgement.
    """
    causes = history.causes(promise, scenario.policy)
    tally = Gathered()
    for queue, paused, resumed in _pauses(history):
        mine = history.jobs.filter(pl.col("queue") == queue)
        open_then = (pl.col("answered") <= resumed) & (pl.col("last_start").fill_null(FOREVER) > paused)
        tally.examined += mine.filter(open_then).height
        started = history.runs.filter((pl.col("start") > paused) & (pl.col("start") < resumed))
        for job in history.stories(mine.join(started, on="job", how="semi")["job"]):
            for run in (each for each in job.runs if paused < each.start < resumed):
                if causes.grant_lo(run) <= paused or history.canary.losses:
                    tally.explained += 1
                    continue
                tally.findings.append(
                    Finding(
                        anomaly="started while paused",
                        job=job.job,
                        at_ns=run.start,
                        says=(
                            f"Queue {queue} was paused at {s(paused - history.begin):.3f} s;"
                            f" {s(run.start - paused):.3f} s later it started job {job.job}:"
                            f" {told(run, history.begin)}."
                        ),
                        runs=(run.run,),
                        causes_rejected=(
                            f"Not granted before: a grant comes at most {promise.start_gap_s:g} s before the start.",
                        ),
                        clause="pause",
                    )
                )
    return tally.judged()


def _pauses(history: "History") -> list[tuple[str, int, int]]:
    """Queue, when its pause was acknowledged, when its end was first asked for."""
    found: list[tuple[str, int, int]] = []
    since: dict[str, int] = {}
    for t, op, queue, phase in history.ops.select("t", "op", "queue", "phase").iter_rows():
        if op == "pause" and phase == "acked":
            since.setdefault(queue, t)
        elif op == "resume" and phase == "invoked" and queue in since:
            found.append((queue, since.pop(queue), t))
    return found + [(queue, t, history.end) for queue, t in since.items()]
