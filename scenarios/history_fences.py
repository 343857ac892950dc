"""Whether a job's fences tell the order of its grants. Where they surely don't, nothing may be concluded from them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from scenarios.history_causes import Causes
from scenarios.history_types import Job, Run

if TYPE_CHECKING:
    from scenarios.history import History


def stories(causes: Causes, names: Iterable[str] | pl.Series) -> list[Job]:
    """These jobs as ``History.stories`` tells them; fences that went back order nothing any more."""
    return [trusted(job, causes) for job in causes.history.stories(names)]


def trusted(job: Job, causes: Causes) -> Job:
    """The job, or what is left of it without its fences: runs in order of their starts."""
    if went_back(job, causes) is None:
        return job
    bare = (replace(run, fence=0) for run in job.runs)
    return replace(job, runs=tuple(sorted(bare, key=lambda run: run.start)))


def went_back(job: Job, causes: Causes) -> tuple[Run, Run] | None:
    """Two runs of which the later grant surely has no higher fence than the earlier one; the earlier first.

    A run that started before the other can have been granted was granted before it. And where fences say that a run
    follows one that started later, though nothing can have made it, while the other way round something can, it is the
    fences that are wrong, and no run too many.
    """
    if not any(_disagree(x, y) for x, y in job.pairs):
        return None
    promise, most = causes.promise, causes.policy.max_attempts
    begun = sorted((run for run in job.runs if run.fence), key=lambda run: run.start)
    for later in begun:
        granted = causes.grant_lo(later)
        for earlier in begun:
            if earlier.start >= granted:
                break
            if earlier.fence >= later.fence:
                return earlier, later
    for later, earlier in job.pairs if "repeats" in promise.sources else ():
        turned = earlier.start < later.start and later.fence < earlier.fence
        if turned and not causes.of(later, earlier, job, most) and causes.of(earlier, later, job):
            return earlier, later
    return None


def fences_disagree(history: "History") -> pl.Series:
    """Names of the jobs whose fences tell another order than their starts do: few, and most of them rightly."""
    again = (pl.col("job") == pl.col("job").shift()) & (pl.col("fence") > 0) & (pl.col("fence").shift() > 0)
    other = (pl.col("fence") <= pl.col("fence").shift()) | (pl.col("start") < pl.col("start").shift())
    return history.jobs_with_runs_that(again & other).unique(maintain_order=True)


def _disagree(x: Run, y: Run) -> bool:
    return bool(x.fence and y.fence) and (x.fence >= y.fence or x.start > y.start)
