"""A job that ran again although nothing that may make it run again had happened."""

from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered, told
from scenarios.checkers.rejected import causes_rejected
from scenarios.history_fences import stories
from scenarios.history_types import Job, Run, s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.history_causes import Causes
    from scenarios.scenario import Scenario

ANOMALIES: Final = {
    "unexplained repeat": Anomaly(
        definition=(
            "A job ran again, and none of the reasons for which it may can have made it: no failure with an "
            "attempt left, kill, ended lease, loss of the store, lost reply, stop or request."
        ),
        smallest=('acked("j", 0)\nrun("j", 0.1, 0.5)\nrun("j", 0.3, 0.4, on="w2")'),
        means="Its effects happen twice: a second mail, a second charge.",
    ),
    "resurrected job": Anomaly(
        definition=(
            "A job was granted again after the queue had surely heard that a run of it ended well, and nobody"
            " had asked for it."
        ),
        smallest=('acked("j", 0)\nrun("j", 0.1, 0.2)\nrun("j", 5, 5.1)'),
        means="A job that is over comes back: its effects happen again, long after anybody expects them.",
    ),
}


def duplicates(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: jobs that ran. Explained: repeats with a cause. Finding: two runs in a row that no cause connects."""
    most = scenario.policy.max_attempts
    ran, again = pl.col("n_runs") > 0, pl.col("n_runs") > 1
    retried = again & pl.col("plain") & (pl.col("n_runs") <= most)  # failure after failure, in order: cause 1
    tally = Gathered(
        examined=history.count_jobs(ran),
        explained=history.jobs.select((pl.col("n_runs") - 1).filter(retried).sum()).item(),
    )
    causes = history.causes(promise, scenario.policy)
    for job in stories(causes, history.jobs_that(again & ~retried)):
        for a, b in job.pairs:
            if causes.repeat(a, b, job, most):
                tally.explained += 1
                continue
            later_s = s(b.start - a.end_lo)
            when = f"{later_s:.3f} s after" if later_s >= 0 else f"{-later_s:.3f} s before the end of"
            tally.findings.append(
                Finding(
                    anomaly="resurrected job" if _was_over(a, b, job, causes) else "unexplained repeat",
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


def _was_over(a: Run, b: Run, job: Job, causes: "Causes") -> bool:
    """Whether the queue had surely heard that a ended well before it can have granted b."""
    return a.outcome == "ok" and causes.reported_surely(a, job) and causes.grant_lo(b) > causes.report_hi(a)
