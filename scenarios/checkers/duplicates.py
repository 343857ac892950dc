"""A job that ran again although nothing that may make it run again had happened."""

from typing import TYPE_CHECKING

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Finding, Judged
from scenarios.checkers.gather import Gathered, told
from scenarios.checkers.rejected import causes_rejected
from scenarios.history_types import s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario


def duplicates(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: jobs that ran. Explained: repeats with a cause. Finding: two runs in a row that no cause connects."""
    jobs, most = history.jobs, scenario.policy.max_attempts
    ran, again = pl.col("n_runs") > 0, pl.col("n_runs") > 1
    retried = again & pl.col("plain") & (pl.col("n_runs") <= most)  # failure after failure, in order: cause 1
    tally = Gathered(
        examined=jobs.select(ran.sum()).item(),
        explained=jobs.filter(retried).select((pl.col("n_runs") - 1).sum()).item(),
    )
    causes = history.causes(promise, scenario.policy)
    for job in history.stories(jobs.filter(again & ~retried)["job"]):
        for a, b in job.pairs:
            if causes.repeat(a, b, job, most):
                tally.explained += 1
                continue
            later_s = s(b.start - a.end_lo)
            when = f"{later_s:.3f} s after" if later_s >= 0 else f"{-later_s:.3f} s before the end of"
            tally.findings.append(
                Finding(
                    anomaly="ran twice",
                    job=job.job,
                    at_ns=b.start,
                    says=(
                        f"Job {job.job} ran again without a cause: {told(b, history.begin)} started {when}"
                        f" {told(a, history.begin)}."
                    ),
                    runs=(a.run, b.run),
                    causes_rejected=causes_rejected(causes, a, b, job),
                    clause="repeats",
                )
            )
    return tally.judged()
