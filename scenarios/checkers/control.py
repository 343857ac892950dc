"""A job that was started although an operator had paused its queue, or had cancelled it."""

from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered, told
from scenarios.history_cuts import STOLEN
from scenarios.history_faults import PRODUCER
from scenarios.history_small import Row
from scenarios.history_types import FOREVER, Job, Run, s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.history_causes import Causes
    from scenarios.scenario import Scenario


ANOMALIES: Final = {
    "started while paused": Anomaly(
        definition=(
            "A run of a queue that an operator had paused starts so long after the pause was acknowledged that its"
            " grant, however early it may have come, lies behind it, and before the end of the pause was asked for."
        ),
        smallest='acked("j", 0)\npaused(1, 3)\nrun("j", 2.5)',
        means="A pause is what an operator reaches for in an incident; jobs go on to do harm in it.",
    ),
    "started after its cancellation": Anomaly(
        definition=(
            "A run starts so long after the queue acknowledged that its job was cancelled before its start that the"
            " grant, however early it may have come, lies behind it, and nobody had asked for the job again."
        ),
        smallest='acked("j", 0)\ncancelled("j", 1)\nrun("j", 2.5)',
        means="What was called off, and whose caller was told so, is done nevertheless.",
    ),
    "started again after a request to cancel": Anomaly(
        definition=(
            "A run starts so long after the queue acknowledged a request to end its job, which then ran, that the"
            " grant, however early it may have come, lies behind it, and nobody had asked for the job again."
        ),
        smallest='acked("j", 0)\ncancelled("j", 1, "requested")\nrun("j", 2.5)',
        means="Whoever ends a job that does harm sees it end, and it begins again behind their back.",
    ),
}
HELD_TO: Final = {"cancelled": "cancel", "requested": "cancel_requested"}
"""What a queue may answer to a cancellation → the clause by which the job is not started from then on."""


def control(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: jobs that could have started in a pause, and those cancelled before. Explained: granted before that.

    A pause holds from its acknowledgement until its end is asked for, a cancellation from its acknowledgement on. A run
    counts only where its grant, however early it may have come, lies behind the acknowledgement. The target must have
    promised to heed the cancellation; where the job ran and is only asked to end, that it does not start again.
    """
    causes = history.causes(promise, scenario.policy)
    tally = Gathered()
    for queue, paused, resumed in _pauses(history):
        _judge_pause(queue, paused, resumed, causes, tally)
    called_off = {step["job"]: step for step in reversed(history.op_rows) if _was_heeded(step, promise)}
    if not called_off:
        return tally.judged()
    named = pl.col("job").is_in(list(called_off))
    tally.examined += history.count_jobs(named)
    for job in history.stories(history.jobs_that(named & (pl.col("n_runs") > 0))):
        _judge_cancelled(job, called_off[job.job], causes, tally)
    return tally.judged()


def _judge_pause(queue: str, paused: int, resumed: int, causes: "Causes", tally: Gathered) -> None:
    history = causes.history
    mine = history.jobs.filter(pl.col("queue") == queue)
    open_then = (pl.col("answered") <= resumed) & (pl.col("last_start").fill_null(FOREVER) > paused)
    tally.examined += mine.filter(open_then).height
    started = history.runs.filter((pl.col("start") > paused) & (pl.col("start") < resumed))
    for job in history.stories(mine.join(started, on="job", how="semi")["job"]):
        for run in (each for each in job.runs if paused < each.start < resumed):
            if causes.grant_lo(run) <= paused or history.canary.losses:
                tally.explained += 1
                continue
            says = (
                f"Queue {queue} was paused at {s(paused - history.begin):.3f} s; {s(run.start - paused):.3f} s later it"
                f" started job {job.job}: {told(run, history.begin)}."
            )
            tally.findings.append(_finding("started while paused", run, says, (_granted_before(causes),), "pause"))


def _judge_cancelled(job: Job, step: Row, causes: "Causes", tally: Gathered) -> None:
    history, heeded, asked = causes.history, step["t"], step["outcome"] == "requested"
    for run in (each for each in job.runs if each.start > heeded):
        if causes.grant_lo(run) <= heeded or _may_be_another(job, run, causes):
            tally.explained += 1
            continue
        anomaly = "started again after a request to cancel" if asked else "started after its cancellation"
        says = (
            f"Job {job.job} was {'asked to end while it ran' if asked else 'cancelled before it started'}, at"
            f" {s(heeded - history.begin):.3f} s; {s(run.start - heeded):.3f} s later it was started:"
            f" {told(run, history.begin)}."
        )
        rejected = (
            _granted_before(causes),
            "Not asked for again: no operator requeued it, and its enqueue was answered.",
        )
        tally.findings.append(_finding(anomaly, run, says, rejected, HELD_TO[step["outcome"]]))


def _may_be_another(job: Job, run: Run, causes: "Causes") -> bool:
    """Whether the job may have been put into the queue again since, or the cancellation forgotten."""
    history = causes.history
    again = any(
        each["op"] == "requeue" and each["job"] == job.job and each["t"] <= run.start for each in history.op_rows
    )
    sent_twice = causes.promise.lost_reply_repeats and any(
        span.effect in STOLEN and span.hits(PRODUCER) and span.inject <= job.answered for span in history.faults
    )
    return again or sent_twice or job.outcome != "acked" or bool(history.canary.losses)


def _granted_before(causes: "Causes") -> str:
    return f"Not granted before: a grant comes at most {causes.promise.start_gap_s:g} s before the start."


def _finding(anomaly: str, run: Run, says: str, rejected: tuple[str, ...], clause: str) -> Finding:
    return Finding(anomaly, run.job, run.start, says, (run.run,), rejected, clause)


def _was_heeded(step: Row, promise: Promise) -> bool:
    """Whether the job must not start from then on, by what is promised."""
    answer = step["outcome"] if step["op"] == "cancel" and step["phase"] == "acked" else ""
    return HELD_TO.get(answer) in promise.sources


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
