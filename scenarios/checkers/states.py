"""What the queue's keys say of a job in the end, against what its runs came to."""

from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered, told
from scenarios.checkers.rejected import state_rejected
from scenarios.history_faults import PRODUCER
from scenarios.history_fences import stories
from scenarios.history_rest import Rest
from scenarios.history_types import Job, Run, s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario

ANOMALIES: Final = {
    "job in two places": Anomaly(
        definition=(
            "A job that is over stands in two places, or one that is not over does although no grant and no "
            "report can have been broken off."
        ),
        smallest=('acked("j", 0)\nstate("j", "finished", found_in=["finished", "canceled"])'),
        means=("Two parts of the queue believe different things of it: it may run again, or be counted twice."),
    ),
    "false completion": Anomaly(
        definition="The queue calls a job finished though none of its runs ended well.",
        smallest=('acked("j", 0)\nstate("j", "finished")'),
        means="The caller believes that the work is done, and it is not.",
    ),
    "zombie completion": Anomaly(
        definition=(
            "The queue calls a job finished by the word of a run that was superseded before it ended: a run "
            "with a higher fence had started, and none that was not superseded ended well."
        ),
        smallest=(
            'acked("j", 0)\nrun("j", 1, 6, fence=1)\nrun("j", 4, 7, "error", on="w2", fence=2)\nstate("j", "finished")'
        ),
        means="A worker that had lost the job decides its outcome over the head of the one that has it.",
    ),
    "flipped outcome": Anomaly(
        definition=(
            "The queue calls a job failed though a run of it ended well, and nothing kept the queue from hearing of it."
        ),
        smallest=('acked("j", 0)\nrun("j", 1, 1.1)\nstate("j", "failed")'),
        means="Done work is reported as failed, and will be done again.",
    ),
    "undone cancellation": Anomaly(
        definition=(
            "A job that waited or was delayed when its cancellation was acknowledged, with no run of it under"
            " way, is not cancelled in the end, and nobody had asked for it again."
        ),
        smallest=('acked("j", 0, delay=50)\ncancelled("j", 1)\nrun("j", 50, 50.1)\nstate("j", "finished")'),
        means="What was called off is done nevertheless.",
    ),
}
IN_TWO_PLACES: Final = "job in two places"
OVER: Final = frozenset({"finished", "dead", "cancelled"})


def states(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: jobs whose state was read. Undecided: jobs that may have been on their way from key to key meanwhile.

    A job stands in exactly one place (in none it is lost, or its result has expired); one that is not over may stand
    in two where a kill or a cut may have broken a move off. ``finished`` needs a run that ended well, and a run
    that ended well, of which the queue surely heard, is not ``failed``. Where the queue fences, a run that had been
    superseded finishes nothing. What was cancelled while it waited stays cancelled.
    """
    read = pl.col("state").is_not_null()
    tally = Gathered(examined=history.count_jobs(read))
    places = pl.col("found_in").list.len()
    plain = pl.col("plain") & (pl.col("n_ok") > 0) & (places <= 1) & pl.col("state").is_in(["finished", "absent"])
    contrary = (places > 1) | (pl.col("n_ok") > 0) | (pl.col("state") == "finished")
    cancelled = pl.col("job").is_in(_cancelled(history)) & (pl.col("state") != "cancelled")
    odd = history.jobs_that(read & (cancelled | (~plain & contrary)))
    if odd.is_empty():
        return tally.judged()
    causes = history.causes(promise, scenario.policy)
    rest = Rest(causes, scenario)
    for job in stories(causes, odd):
        problem = _problem(job, rest)
        if problem and not _read_at_rest(job, problem[0], rest):
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
                    causes_rejected=state_rejected(causes, job, rest.quiet_ns),
                    clause=problem[2],
                )
            )
        else:
            tally.explained += 1
    return tally.judged()


def _read_at_rest(job: Job, anomaly: str, rest: Rest) -> bool:
    """What is over moves no more, whoever may still have a report to make of it: so it stood in both places."""
    if anomaly == IN_TWO_PLACES and job.state in OVER:
        return rest.nothing_moves and job.job not in rest.open_jobs
    return rest.settled(job)


def _told_elsewhere(job: Job) -> bool:
    """One dead letter twice is for ``dead_letters`` to say."""
    return job.state == "dead" and len(set(job.found_in)) == 1


def _broken_off(job: Job, rest: Rest) -> bool:
    """Whether a grant, or a report, may have been interrupted half way; what is over is over in one place."""
    if job.state in OVER:
        return False
    return rest.causes.hidden(job) > 0 or not all(rest.causes.reported_surely(run, job) for run in job.runs)


def _problem(job: Job, rest: Rest) -> tuple[str, str, str] | None:
    """Anomaly, what the job is or does, and the clause that it breaks."""
    if len(job.found_in) > 1 and not (_told_elsewhere(job) or _broken_off(job, rest)):
        return IN_TWO_PLACES, f"stands in {' and in '.join(job.found_in)}", "states"
    if job.state == "finished" and not job.ok_runs:
        return "false completion", "is finished by the queue's word, but none of its runs ended well", "states"
    superseded = _by_a_zombie(job, rest)
    if superseded:
        by = f"is finished by the word of a run that had been superseded: {told(superseded, rest.history.begin)}"
        return "zombie completion", by, "fenced"
    undone = _cancelled_at(job, rest)
    if undone and job.state not in {"cancelled", "absent"}:
        at_s = s(undone - rest.history.begin)
        return "undone cancellation", f"was cancelled before it started, at {at_s:.3f} s, and is {job.state}", "cancel"
    if job.state == "failed":
        good = [run for run in job.ok_runs if rest.causes.reported_surely(run, job)]
        if good and not rest.history.canary.losses and not rest.causes.requeued(job):
            return (
                "flipped outcome",
                f"is failed by the queue's word, although {told(good[-1], rest.history.begin)}",
                "states",
            )
    return None


def _by_a_zombie(job: Job, rest: Rest) -> Run | None:
    """The last run that ended well, if every such run had been superseded: a higher fence had started before its end.

    Fences only grow while the store keeps its writes, so what is not the latest grant has no word any more.
    """
    fenced = rest.causes.promise.fenced and all(run.fence for run in job.runs)
    if not fenced or job.state != "finished" or rest.history.canary.losses:
        return None
    good = job.ok_runs
    late = all(any(b.fence > a.fence and b.start < a.end_lo for b in job.runs) for a in good)
    return good[-1] if good and late else None


def _cancelled(history: "History") -> list[str]:
    """Jobs of which the queue said that it had cancelled them before they started."""
    answered = (pl.col("op") == "cancel") & (pl.col("phase") == "acked") & (pl.col("outcome") == "cancelled")
    return [str(job) for job in history.ops.filter(answered)["job"].drop_nulls()]


def _cancelled_at(job: Job, rest: Rest) -> int:
    """When that was acknowledged, where nothing may have undone it (0: not, or something may have).

    A run that was, or may have been, under way may still decide the outcome; an enqueue whose reply was lost may have
    been sent again after the cancellation.
    """
    history, causes = rest.history, rest.causes
    if "cancel" not in causes.promise.sources or history.canary.losses or causes.requeued(job):
        return 0
    steps = history.ops.filter((pl.col("op") == "cancel") & (pl.col("job") == job.job))
    done = steps.filter((pl.col("phase") == "acked") & (pl.col("outcome") == "cancelled"))["t"].to_list()
    asked = steps.filter(pl.col("phase") == "invoked")["t"].to_list()
    if not done or not asked or job.answered > asked[0]:
        return 0
    resent = any(
        span.hits(PRODUCER) and span.inject <= job.answered and span.healed >= job.invoked
        for span in history.faults
        if span.effect in {"cut", "store_down"}
    )
    under_way = any(causes.grant_lo(run) <= done[0] and causes.report_hi(run) >= asked[0] for run in job.runs)
    return 0 if resent or under_way else int(done[0])
