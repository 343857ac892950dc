"""A job that was run more often than it may be, given up before it had its attempts, or told a false count of them."""

from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.attempt_numbers import numbered_oddly, wrong_number
from scenarios.checkers.gather import Gathered, told
from scenarios.checkers.rejected import no_store_loss
from scenarios.history_fences import stories
from scenarios.history_types import Job, Run

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.history_causes import Causes
    from scenarios.scenario import Scenario

ANOMALIES: Final = {
    "uncounted attempt": Anomaly(
        definition=(
            "A job failed, or ran, more often than its attempts allow, though the queue must have heard of "
            "the failures and nothing else explains a repeat."
        ),
        smallest=('acked("j", 0, spec=fails())\nrun("j", 1, 1.1, "error")\nrun("j", 3, 3.1, "error")'),
        means=(
            "A job that fails is tried for ever: it takes workers from all others, and nobody is told that it"
            " is broken."
        ),
        under="policy(max_attempts=1)",
    ),
    "uncounted crash": Anomaly(
        definition=(
            "A job ended its process at least two times more than crashes are allowed, each surely seen by its worker."
        ),
        smallest=(
            'acked("j", 0, spec=exits())\n'
            'run("j", 1, slot=1)\n'
            'exited("w1", 1.1, slot=1)\n'
            'run("j", 2, slot=2)\n'
            'exited("w1", 2.1, slot=2)\n'
            'run("j", 3, slot=3)\n'
            'exited("w1", 3.1, slot=3)'
        ),
        means="A poison job ends one process after another, and is never put aside.",
        under="promise(max_crashes=1)",
    ),
    "uncounted stall": Anomaly(
        definition=("A job took its whole worker with it at least two times more than leases may end in its hands."),
        smallest=(
            'acked("j", 0, spec=kills_worker())\n'
            'run("j", 1)\n'
            'exited("w1", 1.1, slot=0)\n'
            'exited("w1", 1.1, slot=1)\n'
            'run("j", 5, on="w2")\n'
            'exited("w2", 5.1, slot=0)\n'
            'exited("w2", 5.1, slot=1)\n'
            'spawned("w1", 8, life=2)\n'
            'run("j", 9, life=2)\n'
            'exited("w1", 9.1, life=2, slot=0)\n'
            'exited("w1", 9.1, life=2, slot=1)'
        ),
        means="A job that takes whole workers with it takes one after another, until none is left.",
        under="promise(max_stalls=1)",
    ),
    "early give-up": Anomaly(
        definition=(
            "A dead letter says that its attempts are used up, though all that may have been counted, hidden "
            "grants included, does not come to the limit."
        ),
        smallest=('acked("j", 0, spec=fails())\nstate("j", "dead", reason="exhausted")'),
        means="A passing fault, which the next attempt would have survived, costs the job.",
    ),
    "false attempt number": Anomaly(
        definition=(
            "A run was told an attempt that is not one more than the failures which its job can have had: fewer than"
            " were surely counted before its grant, or more than all runs and hidden grants until then."
        ),
        smallest='acked("j", 0)\nrun("j", 1, 1.1, "error", attempt=1)\nrun("j", 3, 3.1, on="w2", attempt=1)',
        means="A job that behaves otherwise in its last attempt, or gives up by itself, does so at the wrong time.",
    ),
}


def attempts(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: jobs that failed or ran again, and dead letters. Explained: runs past the limit that have a cause.

    Too many: failures that the queue must have counted exceed the limit, or runs exceed it by more than the repeats
    that something other than a failure explains, or the queue itself counts past it. Too few: a dead letter says that
    its attempts are used up, though no count of them, with all that may have been hidden, comes to the limit. Where
    the target promises which attempt a run is told to be, also a number that can't be right.
    """
    most = scenario.policy.max_attempts
    exhausted = (pl.col("state") == "dead") & pl.col("reason").is_in(["exhausted", "timeout"])
    looked_at = (pl.col("n_failed") > 0) | (pl.col("n_runs") > 1) | exhausted.fill_null(value=False)
    bound = min(most, *(each for each in (promise.max_crashes, promise.max_stalls, most) if each is not None))
    suspicious = (pl.col("n_runs") > bound) | exhausted.fill_null(value=False)
    tally = Gathered(examined=history.count_jobs(looked_at))
    causes = history.causes(promise, scenario.policy)
    counted = history.jobs_with_runs_that(pl.col("attempt") > most)
    numbered = "attempt_numbers" in promise.sources and history.can("attempt_numbers")
    odd = numbered_oddly(history) if numbered else counted.clear()
    for job in stories(causes, pl.concat([history.jobs_that(suspicious), counted, odd])):
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
                    causes_rejected=(*problem[2], *_in_general(job, causes)),
                    clause="max_attempts",
                )
            )
        elif numbered and (wrong := wrong_number(job, causes)):
            tally.findings.append(_wrong_number(job, *wrong, causes))
        elif len(job.runs) > most:
            tally.explained += 1
    return tally.judged()


def _wrong_number(job: Job, run: Run, least: int, most: int, causes: "Causes") -> Finding:
    allowed = f"attempt {least}" if least == most else f"one of {least} to {most}"
    return Finding(
        anomaly="false attempt number",
        job=job.job,
        at_ns=run.start,
        says=f"Job {job.job} was told attempt {run.attempt}, where it can only be {allowed}:"
        f" {told(run, causes.history.begin)}.",
        runs=tuple(each.run for each in job.runs),
        causes_rejected=_in_general(job, causes),
        clause="attempt_numbers",
    )


def _too_many(job: Job, causes: "Causes", most: int) -> tuple[str, str, tuple[str, ...]] | None:
    if not job.runs:
        return None
    crashes, stalls = causes.promise.max_crashes, causes.promise.max_stalls
    failures = sum(causes.failed_surely(run, job) for run in job.runs)
    other = sum(causes.other_than_failure(a, b, job) for a, b in job.pairs)
    again = causes.begun_anew(job)
    if failures > most and not again:
        return "uncounted attempt", f"failed {failures} times, where {most} attempts are allowed", ()
    if len(job.runs) > most + other and not again:
        repeats = len(job.runs) - 1
        why = f"No other cause: {other} of its {repeats} repeats follow a kill, cut, stop, store loss or request."
        return "uncounted attempt", f"ran {len(job.runs)} times, where {most} attempts are allowed", (why,)
    for anomaly, did, times, bound in (
        ("uncounted crash", "ended its process", sum(causes.crashed_surely(run, job) for run in job.runs), crashes),
        (
            "uncounted stall",
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
            "uncounted attempt",
            f"was run as attempt {counted} by the queue's own count, where {most} are allowed",
            (),
        )
    return None


def _in_general(job: Job, causes: "Causes") -> tuple[str, ...]:
    heard = sum(causes.reported_surely(run, job) for run in job.runs)
    return (
        f"Not unheard: of its {len(job.runs)} runs the queue surely heard of the end of {heard}.",
        "No operator: nobody asked for the job to be requeued."
        if not causes.requeued(job)
        else "Operators: they asked for it again, which begins a count anew and does not explain this.",
        no_store_loss(causes),
    )


def _too_few(job: Job, causes: "Causes", most: int) -> tuple[str, str, tuple[str, ...]] | None:
    if job.state != "dead" or job.reason not in {"exhausted", "timeout"} or causes.history.canary.losses:
        return None
    seen = causes.failures_most(job)
    if seen >= most:
        return None
    why = f"Nothing hidden: {causes.hidden(job)} grants may have ended by a kill or a cut before their first line."
    return "early give-up", f"is a dead letter ({job.reason}) after {seen} of {most} attempts", (why,)
