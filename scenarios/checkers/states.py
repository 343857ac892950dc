"""What the queue's keys say of a job in the end, against what its runs came to."""

from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Finding, Judged
from scenarios.checkers.gather import Gathered, told
from scenarios.history_rest import Rest
from scenarios.history_types import Job

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario

OVER: Final = frozenset({"finished", "dead", "cancelled"})


def states(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: jobs whose state was read. Undecided: jobs that may have been on their way from key to key meanwhile.

    A job stands in exactly one place (in none it is lost, or its result has expired); one that is not over may stand
    in two where a kill or a cut may have broken a move off. ``finished`` needs a run that ended well, and a run
    that ended well, of which the queue surely heard, is not ``failed``.
    """
    jobs = history.jobs.filter(pl.col("state").is_not_null())
    tally = Gathered(examined=jobs.height)
    places = pl.col("found_in").list.len()
    plain = pl.col("plain") & (pl.col("n_ok") > 0) & (places <= 1) & pl.col("state").is_in(["finished", "absent"])
    odd = jobs.filter(~plain & ((places > 1) | (pl.col("n_ok") > 0) | (pl.col("state") == "finished")))
    if odd.is_empty():
        return tally.judged()
    causes = history.causes(promise, scenario.policy)
    rest = Rest(causes, scenario)
    for job in history.stories(odd["job"]):
        problem = _problem(job, rest)
        if problem and not rest.settled(job):
            tally.undecided += 1
        elif problem:
            last = job.runs[-1] if job.runs else None
            tally.findings.append(
                Finding(
                    anomaly=problem[0],
                    job=job.job,
                    at_ns=last.end_lo if last else job.state_at,
                    says=f"Job {job.job} {problem[1]}"
                    + (f". Its last was {told(last, history.begin)}." if last else "."),
                    runs=tuple(run.run for run in job.runs),
                    clause="states",
                )
            )
        else:
            tally.explained += 1
    return tally.judged()


def _told_elsewhere(job: Job) -> bool:
    """One dead letter twice is for ``dead_letters`` to say."""
    return job.state == "dead" and len(set(job.found_in)) == 1


def _broken_off(job: Job, rest: Rest) -> bool:
    """Whether a grant, or a report, may have been interrupted half way; what is over is over in one place."""
    if job.state in OVER:
        return False
    return rest.causes.hidden(job) > 0 or not all(rest.causes.reported_surely(run, job) for run in job.runs)


def _problem(job: Job, rest: Rest) -> tuple[str, str] | None:
    if len(job.found_in) > 1 and not (_told_elsewhere(job) or _broken_off(job, rest)):
        return "in two places", f"stands in {' and in '.join(job.found_in)}"
    if job.state == "finished" and not job.ok_runs:
        return "finished, never done", "is finished by the queue's word, but none of its runs ended well"
    if job.state == "failed":
        good = [run for run in job.ok_runs if rest.causes.reported_surely(run, job)]
        if good and not rest.history.canary.losses and not rest.causes.requeued(job):
            return (
                "failed although done",
                f"is failed by the queue's word, although {told(good[-1], rest.history.begin)}",
            )
    return None
