"""What is stored as a job's result, against what its runs returned."""

from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered, told
from scenarios.history_fences import stories
from scenarios.history_rest import Rest
from scenarios.history_types import Job, Run, ns, s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.history_causes import Causes
    from scenarios.scenario import Scenario

TTL_SLACK_NS: Final = ns(1.0)  # a time to live counts in whole seconds for many a queue

NAMED: Final = "named"
UNDECIDED: Final = "it may have been on its way"
ANOMALIES: Final = {
    "lost result": Anomaly(
        definition=(
            "A job ended well, and before the time for which results are kept is over, its result is not stored,"
            " or neither is its record, although the queue surely heard of its end."
        ),
        smallest='acked("j", 0)\nrun("j", 1, 2)\nstate("j", "finished", stored="", at=10)',
        means="The work was done, and who waits for what it came to gets nothing, or waits for good.",
    ),
    "zombie result": Anomaly(
        definition=(
            "Under fenced leases a job's stored result is that of a run that ended after a later run had been granted."
        ),
        smallest=(
            'acked("j", 0)\nrun("j", 1, 9, fence=1)\nrun("j", 4, 5, fence=2, on="w2")\nstate("j", "finished",'
            ' stored="j@1")'
        ),
        means="A worker that was given up came back and overwrote what its successor had done: stale data wins.",
    ),
    "foreign result": Anomaly(
        definition="What is stored as a job's result is what none of its runs returned.",
        smallest='acked("j", 0)\nrun("j", 1, 2)\nstate("j", "finished", stored="another")',
        means="A caller gets another job's answer, or half of its own: it can't tell, and goes on with it.",
    ),
}


def results(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: jobs that ended well and whose record was looked for. A result names its run.

    It must be what one of the job's runs returned, and where leases are fenced, of a run that was not superseded:
    no later run had been granted before it ended. Before its time to live is over, it must be there. Explained: it may
    have expired, an operator or a roll-back of the store interfered, or a superseded run ended well and is not stored.
    Undecided: the job may have been on its way between two keys.
    """
    looked = (pl.col("n_ok") > 0) & pl.col("state").is_in(["finished", "absent"])
    finished = history.jobs.select(
        pl.col("job", "result_sum", "plain").filter(looked), _named("job", "result_sum").filter(looked)
    )
    tally = Gathered(examined=finished.height)
    if finished.is_empty():
        return tally.judged()
    ended_well = pl.col("outcome") == "ok"
    named = history.runs.select(_named("job", "sum").filter(ended_well)).to_series()
    odd = finished.filter(~(pl.col("plain") & pl.col(NAMED).is_in(named.implode())))
    if odd.is_empty():
        return tally.judged()
    returned = history.runs.select(pl.col("job", "run", "sum").filter(ended_well))
    stored = dict(odd.select("job", "result_sum").iter_rows())
    sums = dict(returned.join(odd, on="job", how="semi").select("run", "sum").iter_rows())
    look = _Look(Rest(history.causes(promise, scenario.policy), scenario), sums)
    for job in stories(look.causes, list(stored)):
        verdict = look.verdict(job, stored[job.job] or "")
        if isinstance(verdict, Finding):
            tally.findings.append(verdict)
        elif verdict == UNDECIDED:
            tally.undecided += 1
        elif verdict:
            tally.explained += 1
    return tally.judged()


def _named(job: str, checksum: str) -> pl.Expr:
    """Job and result as one number: a join of two columns of text takes ten times as long as looking it up."""
    return (pl.col(job).hash(1) ^ pl.col(checksum).fill_null("").hash(2)).alias(NAMED)


class _Look:
    """A close look at one job. ``sums``: checksum of what each run returned."""

    def __init__(self, rest: Rest, sums: dict[str, str]) -> None:
        self.rest, self.causes, self.history, self.sums = rest, rest.causes, rest.history, sums
        self.operated = {event["job"] for event in self.history.op_rows}

    def verdict(self, job: Job, stored: str) -> Finding | str:
        """A finding, or why there is none ('' : all is as it should be)."""
        zombies = [run for run in job.ok_runs if _superseded(run, job, self.causes)]
        good = [run for run in job.ok_runs if run not in zombies]
        if not stored:
            return self._absent(job, good)
        if stored in {self.sums[run.run] for run in good}:
            return "a superseded run's result is not stored" if zombies else ""
        for run in zombies:
            if stored == self.sums[run.run]:
                return self._interfered(job) or self._zombie(job, run)
        return self._finding(
            "foreign result",
            job,
            job.ok_runs[-1],
            f"has a stored result (checksum {stored}) that none of its runs returned; its last that ended well is",
        )

    def _interfered(self, job: Job) -> str:
        if self.history.canary.losses:
            return "the store rolled back"
        return "an operator interfered" if job.job in self.operated else ""

    def _zombie(self, job: Job, run: Run) -> Finding:
        later = next(other for other in job.runs if _takes_over(other, run, self.causes))
        zero = self.history.begin
        return self._finding(
            "zombie result",
            job,
            run,
            f"keeps the result of a run that had lost its lease to {told(later, zero)}:",
            (f"No report in time: {later.run} started {s(run.end_lo - later.start):.3f} s before {run.run} ended.",),
        )

    def _absent(self, job: Job, good: list[Run]) -> Finding | str:
        ttl = ns(self.rest.scenario.policy.result_ttl_s)
        if not good or ttl <= 0:
            return "nothing need be kept"
        first = min(good, key=lambda run: run.end_lo)
        if job.state_at + TTL_SLACK_NS >= first.end_lo + ttl:
            return "its time to live may be over"
        if why := self._interfered(job):
            return why
        what = "is finished, and its result is not stored"
        if job.state == "absent":
            if not any(self.causes.reported_surely(run, job) for run in good):
                return "the queue may not have heard of its end"
            what = "has ended well, and neither its record nor its result is there"
        on_its_way = self.causes.report_hi(first) >= self.rest.read_at
        if on_its_way or (job.state == "absent" and not self.rest.settled(job)):
            return UNDECIDED
        since_s = s(self.rest.read_at - first.end_lo)
        return self._finding(
            "lost result",
            job,
            first,
            f"{what} {since_s:.3f} s later, though it is kept for {s(ttl):g} s:",
        )

    def _finding(self, anomaly: str, job: Job, run: Run, says: str, rejected: tuple[str, ...] = ()) -> Finding:
        return Finding(
            anomaly=anomaly,
            job=job.job,
            at_ns=run.end_lo,
            says=f"Job {job.job} {says} {told(run, self.history.begin)}.",
            runs=(run.run,),
            causes_rejected=(
                *rejected,
                f"No store loss: all {self.history.canary.acked} canary writes survived.",
                "No operator: nobody asked for anything to be done to this job.",
            ),
            clause="results",
        )


def _superseded(run: Run, job: Job, causes: "Causes") -> bool:
    """Whether a later run had surely been granted when this one ended. Without fences nothing can be said."""
    return causes.promise.fenced and any(_takes_over(other, run, causes) for other in job.runs)


def _takes_over(other: Run, run: Run, causes: "Causes") -> bool:
    if other is run or other.start >= run.end_lo:
        return False
    if other.fence and run.fence:
        return other.fence > run.fence
    return causes.grant_lo(other) > run.start
