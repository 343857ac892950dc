"""Bodies that outlive their timeout, or are ended before it; processes that end for no reason at all."""

from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise
from stormproof_target.spec import FATAL

from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered, told
from scenarios.history_cuts import overlap_ns
from scenarios.history_faults import HOST, freezes
from scenarios.history_types import FOREVER, Job, Run, ns, s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.history_causes import Causes
    from scenarios.scenario import Scenario

TIMER_SLACK_NS: Final = ns(0.25)
"""What a timer, a signal and a last line may take on a busy machine before anything is called a stall."""
DEAF: Final = frozenset({"hang_c", "ignore_sigterm"})

ANOMALIES: Final = {
    "overdue run": Anomaly(
        definition=(
            "A body ran for longer than its timeout and the grace after it, without the time in which it was "
            "stopped or starved, though its worker lived to end it."
        ),
        smallest=('acked("j", 0, spec=hangs())\nrun("j", 1, 4)'),
        means="A job that hangs holds its slot: enough of them, and nothing runs any more.",
    ),
    "early timeout": Anomaly(
        definition="A body was timed out before its timeout can have passed since its job was granted.",
        smallest=('acked("j", 0)\nrun("j", 1, 1.5, "timeout")'),
        means="Jobs that would have ended in time fail.",
    ),
    "unexplained exit": Anomaly(
        definition=(
            "A process died in the middle of a body: nobody killed it or its supervisor, its worker was not "
            "cut off, its timeout was not due, and the job does not end its process."
        ),
        smallest=('acked("j", 0)\nrun("j", 1)\nexited("w1", 1.3)'),
        means="The queue's own process crashes or kills work that does nothing wrong.",
    ),
}


def timeouts(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: runs. Explained: those that were too long while frozen, starved, or without a supervisor."""
    policy = scenario.policy
    runs = history.runs
    limit = ns(policy.timeout_s) + ns(policy.grace_s) + TIMER_SLACK_NS
    long = (pl.col("end_lo") - pl.col("start")) > limit
    tally = Gathered(examined=runs.height)
    ended = pl.col("outcome").is_in(["timeout", "exit"])
    causes = history.causes(promise, policy)
    for job in history.stories(history.jobs_with_runs_that(long | ended)):
        for run in job.runs:
            verdict = _too_long(run, job, causes, limit) or _too_short(run, job, causes)
            if isinstance(verdict, Finding):
                tally.findings.append(verdict)
            elif verdict:
                tally.explained += 1
    return tally.judged()


def _too_long(run: Run, job: Job, causes: "Causes", limit: int) -> Finding | str:
    lasted = run.end_lo - run.start
    if lasted <= limit:
        return ""
    history = causes.history
    if job.spec.kind in DEAF and not history.can("hard_timeout"):
        return "the target does not promise to end such a body"
    life = causes.life(run.worker, run.life)
    if life and min(life.killed, life.exit_hi) < run.start + limit:
        return "nobody was left to end it"
    if lasted - _stopped(run, history) <= limit:
        return "stopped or starved"
    policy = causes.policy
    return Finding(
        anomaly="overdue run",
        job=job.job,
        at_ns=run.start + limit,
        says=(
            f"{told(run, history.begin).capitalize()} of job {job.job} ran for {s(lasted):.3f} s; its timeout is"
            f" {policy.timeout_s:g} s with {policy.grace_s:g} s of grace."
        ),
        runs=(run.run,),
        causes_rejected=(f"No stall: it was stopped or starved for {s(_stopped(run, history)):.3f} s of that.",),
        clause="timeout",
    )


def _stopped(run: Run, history: "History") -> int:
    window = run.start, run.end_lo
    found = list(freezes(history.signals).get(run.worker, []))
    found += [(stall.lo, stall.hi) for stall in history.stalls if stall.worker in {run.worker, HOST}]
    return sum(overlap_ns(window, each) for each in found)


def _too_short(run: Run, job: Job, causes: "Causes") -> Finding | str:
    if run.end_hi - causes.grant_lo(run) >= ns(causes.policy.timeout_s):
        return ""
    zero = causes.history.begin
    if run.outcome == "timeout":
        return Finding(
            anomaly="early timeout",
            job=job.job,
            at_ns=run.end_lo,
            says=(
                f"{told(run, zero).capitalize()} of job {job.job} was timed out after"
                f" {s(run.end_hi - run.start):.3f} s; its timeout is {causes.policy.timeout_s:g} s."
            ),
            runs=(run.run,),
            causes_rejected=(
                f"Not granted earlier: at most {causes.promise.start_gap_s:g} s, and cuts, before the first line.",
            ),
            clause="timeout",
        )
    if run.outcome != "exit":
        return ""
    excuse = _asked_to_end(run, causes) or _excuse(run, job, causes) or _superseded(run, job, causes)
    if excuse:
        return excuse
    return Finding(
        anomaly="unexplained exit",
        job=job.job,
        at_ns=run.end_hi,
        says=(
            f"{told(run, zero).capitalize()} of job {job.job}: nothing had ended that process, and its timeout was"
            " not due."
        ),
        runs=(run.run,),
        causes_rejected=(
            f"No kill: no process of {run.worker} was, its supervisor had not ended, and pid {run.pid} got no signal.",
            f"No cut: {run.worker} could reach the store, so it had no reason to fence itself.",
            f"Not the spec: {job.spec.to_json()} does not end its process.",
        ),
        clause="timeout",
    )


def _asked_to_end(run: Run, causes: "Causes") -> str:
    steps = causes.history.op_rows
    asked = any(each["op"] == "cancel" and each["job"] == run.job and each["t"] <= run.end_hi for each in steps)
    return "an operator had asked for its end" if asked else ""


def _superseded(run: Run, job: Job, causes: "Causes") -> str:
    """A worker may end a run once it hears that its job is another's: of a later run, or of a second enqueue's."""
    later = (other for other in job.runs if other is not run and other.start >= run.start)
    given = causes.begun_anew(job) or any(causes.taken_over(run, other, job) for other in later)
    return "its job may have been given to another run" if given else ""


def _excuse(run: Run, job: Job, causes: "Causes") -> str:
    """Why its process may have ended; every doubt is one."""
    life = causes.life(run.worker, run.life)
    beside = causes.history.died_in_bodies.get(run.writer)
    if job.spec.kind in FATAL or (beside and beside.bodies > 1):
        return "its spec, or another body of its process"
    kills = [sent.t for sent in causes.history.signals if sent.worker == run.worker and sent.name == "KILL"]
    if any(run.start <= t <= run.end_hi for t in kills) or sum(d.lo <= run.end_hi for d in causes.deaths(run)) > 1:
        return "killed, or of a pool of processes that ended with another"
    # A stop that makes no run again leaves each to its end.
    grace_ends = causes.grace_ends(life) if life and causes.promise.stop_is_a_cause else FOREVER
    if life and min(life.killed, life.exit_lo, grace_ends) <= run.end_hi:  # who of the two was first, who knows
        return "its supervisor was killed, ended, or told to stop, and its grace was over"
    if causes.breaks_in(run, causes.grant_lo(run), run.end_hi):
        return "it may have fenced itself"
    if run.end_lo <= run.start and run.end_hi - run.start > TIMER_SLACK_NS:
        return "it was gone before anybody could look"
    return "" if run.end_hi < FOREVER else "nobody saw its end"
