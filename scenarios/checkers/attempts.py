"""A job that was run more often than it may be, or given up before it had its attempts."""

from typing import TYPE_CHECKING

import polars as pl
from stormproof_target import Promise

from chaos.causes import Cause
from scenarios.checkers import Finding, Judged
from scenarios.checkers.gather import Gathered, told
from scenarios.history_types import Job

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.history_causes import Causes
    from scenarios.scenario import Scenario


def attempts(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: jobs that failed or ran again, and dead letters. Explained: runs past the limit that have a cause.

    Too many: failures that the queue must have counted exceed the limit, or runs exceed it by more than
    the repeats that
    something other than a failure explains, or the queue itself counts past it. Too few: a dead letter says that its
    attempts are used up, though no count of them, with all that may have been hidden, comes to the limit.
    """
    most = scenario.policy.max_attempts
    jobs = history.jobs
    exhausted = (pl.col("state") == "dead") & pl.col("reason").is_in(["exhausted", "timeout"])
    looked_at = (pl.col("n_failed") > 0) | (pl.col("n_runs") > 1) | exhausted.fill_null(value=False)
    bound = min(most, *(each for each in (promise.max_crashes, promise.max_stalls, most) if each is not None))
    suspicious = (pl.col("n_runs") > bound) | exhausted.fill_null(value=False)
    tally = Gathered(examined=jobs.filter(looked_at).height)
    causes = history.causes(promise, scenario.policy)
    counted = history.runs.filter(pl.col("attempt") > most)["job"]
    names = pl.concat([jobs.filter(suspicious)["job"], counted]).unique()
    for job in history.stories(names):
        problem = _too_many(job, causes, most) or _too_few(job, causes, most)
        if problem:
            last = job.runs[-1] if job.runs else None
            tally.findings.append(
                Finding(
                    anomaly=problem[0],
                    job=job.job,
                    at_ns=last.start if last else job.state_at,
                    says=f"Job {job.job} {problem[1]}" + (f"; last {told(last, history.begin)}." if last else "."),
                    runs=tuple(run.run for run in job.runs),
                    causes_rejected=problem[2],
                    clause="max_attempts",
                )
            )
        elif len(job.runs) > most:
            tally.explained += 1
    return tally.judged()


def _too_many(job: Job, causes: "Causes", most: int) -> tuple[str, str, tuple[str, ...]] | None:
    if not job.runs:
        return None
    crashes, stalls = causes.promise.max_crashes, causes.promise.max_stalls
    failures = sum(causes.failed_surely(run, job) for run in job.runs)
    other = sum(bool(causes.repeat(a, b, job) - {Cause.FAILED}) for a, b in job.pairs)
    again = causes.requeued(job)  # an operator's requeue begins every count anew
    if failures > most and not again:
        return "too many attempts", f"failed {failures} times, where {most} attempts are allowed", ()
    if len(job.runs) > most + other and not again:
        repeats = len(job.runs) - 1
        why = f"No other cause: {other} of its {repeats} repeats follow a kill, cut, stop, store loss or request."
        return "too many attempts", f"ran {len(job.runs)} times, where {most} attempts are allowed", (why,)
    for anomaly, did, times, bound in (
        ("too many crashes", "ended its process", sum(causes.crashed_surely(run, job) for run in job.runs), crashes),
        (
            "too many stalls",
            "took its whole worker with it",
            sum(causes.stalled_surely(run, job) for run in job.runs),
            stalls,
        ),
    ):
        if bound is not None and times > bound + 1 and not again:  # whether the last one counts is read differently
            return anomaly, f"{did} {times} times, where {bound} are allowed", ()
    counted = max(run.attempt for run in job.runs)
    if counted > most:
        return (
            "too many attempts",
            f"was run as attempt {counted} by the queue's own count, where {most} are allowed",
            (),
        )
    return None


def _too_few(job: Job, causes: "Causes", most: int) -> tuple[str, str, tuple[str, ...]] | None:
    if job.state != "dead" or job.reason not in {"exhausted", "timeout"} or causes.history.canary.losses:
        return None
    seen = causes.failures_most(job)
    if seen >= most:
        return None
    why = f"Nothing hidden: {causes.hidden(job)} grants may have ended by a kill or a cut before their first line."
    return "given up early", f"is a dead letter ({job.reason}) after {seen} of {most} attempts", (why,)
