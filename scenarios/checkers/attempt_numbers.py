"""Which attempt a run was told to be, against the failures that its job can have had by then."""

from typing import TYPE_CHECKING

import polars as pl

from scenarios.history_types import Job, Run

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.history_causes import Causes


def numbered_oddly(history: "History") -> pl.Series:
    """Names of the jobs whose runs were not told 1, 2, 3, ...: those that nothing befell were."""
    again = pl.col("job") == pl.col("job").shift()
    due = pl.when(again).then(pl.col("attempt").shift() + 1).otherwise(1)
    return history.jobs_with_runs_that((pl.col("attempt") > 0) & (pl.col("attempt") != due)).unique(maintain_order=True)


def wrong_number(job: Job, causes: "Causes") -> tuple[Run, int, int] | None:
    """The first run that was told an attempt that it can't be, with the least and the most that it can."""
    if causes.begun_anew(job) or causes.history.canary.losses:
        return None
    for index, run in enumerate(job.runs):
        if run.attempt:
            least, most = 1 + _failed_before(index, job, causes), 1 + _counted_at_most(index, job, causes)
            if not least <= run.attempt <= most:
                return run, least, most
    return None


def _failed_before(index: int, job: Job, causes: "Causes") -> int:
    """Failures of earlier runs that the queue had surely counted when it granted this one.

    Where nothing but failures can have made any of its runs follow another, each was counted before the next grant.
    Else a failure counts only if the queue had heard of it before this grant, however early that came.
    """
    earlier, granted = job.runs[:index], causes.grant_lo(job.runs[index])
    retries = all(
        a.end_hi <= b.start and not causes.other_than_failure(a, b, job)
        for a, b in zip(earlier, job.runs[1 : index + 1], strict=True)
    )
    return sum(causes.failed_surely(run, job) and (retries or causes.report_hi(run) <= granted) for run in earlier)


def _counted_at_most(index: int, job: Job, causes: "Causes") -> int:
    """As many attempts as any queue may have counted by then, whatever it counts: every run, and each hidden grant."""
    run, lives = job.runs[index], causes.history.lives.values()
    if causes.promise.prefetch > 1:  # what was in hand may have come back from any process that ended
        return run.attempt
    seen = sum(1 for other in job.runs if other is not run and causes.grant_lo(other) <= run.start)
    given_back = sum(1 for mine in lives for life in mine if job.invoked <= life.told_to_stop <= run.start)
    return seen + given_back + causes.hidden(job, until=run.start)
