"""Two bodies of a job at once under leases that can't have ended; fences that went back; a body past its lease."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from chaos.causes import Cause
from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered, told
from scenarios.checkers.rejected import causes_rejected, no_store_loss
from scenarios.history_fences import fences_disagree, stories, went_back
from scenarios.history_types import FOREVER, Run, ns, s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.history_causes import Causes
    from scenarios.scenario import Scenario

ANOMALIES: Final = {
    "double lease": Anomaly(
        definition=(
            "Two bodies of one job ran at once, and the lease of neither can have ended by then: the queue "
            "had leased the job twice."
        ),
        smallest=('acked("j", 0)\nrun("j", 0, 3, fence=1)\nrun("j", 1, 2, on="w2", fence=2)'),
        means=(
            "Two workers do the same work at the same time and overwrite what the other writes; no retry "
            "policy guards against it."
        ),
    ),
    "unfenced zombie": Anomaly(
        definition=(
            "A body went on for longer than a lease after its worker was surely cut off from the store, "
            "though nothing kept the worker from ending it."
        ),
        smallest=('acked("j", 0)\nrun("j", 0, 9)\ncut("w1", 1, 6)'),
        means=(
            "A worker that lost its lease goes on beside its successor, where the promise says that it ends "
            "its jobs first."
        ),
        under="promise(self_fencing=True)",
    ),
    "fence went back": Anomaly(
        definition=(
            "Of two runs of a job the one that was granted later has no higher fence than the other: it was granted"
            " after the other had started, or only that order of the two has a cause. The store lost nothing."
        ),
        smallest='acked("j", 0)\nrun("j", 1, 1.1, "error", fence=2)\nrun("j", 3, 3.1, on="w2", fence=1)',
        means=(
            "Whatever a job writes to is guarded by the highest fence that it has seen: it lets a zombie write, and"
            " refuses who has the lease."
        ),
    ),
}
LAWFUL: Final = frozenset({Cause.LEASE_ENDED, Cause.STORE_LOSS, Cause.LOST_REPLY})
BLOCKING: Final = frozenset({"cut", "store_down"})


def overlap(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: jobs that ran. Explained: overlaps after a lease may have ended, or writes or a reply were lost.

    Where the queue promises self-fencing, also runs that went on for longer than a lease after their
    worker was cut off. Where it promises that fences grow, jobs whose fences went back; these tell nothing more then.
    """
    tally = Gathered(examined=history.count_jobs(pl.col("n_runs") > 0))
    causes = history.causes(promise, scenario.policy)
    for job in stories(causes, history.jobs_that((pl.col("n_runs") > 1) & ~pl.col("plain"))):
        for a, b in job.pairs:
            if max(a.start, b.start) >= min(a.end_lo, b.end_lo):
                continue
            found = causes.of(a, b, job)
            if not (a.fence and b.fence):
                found |= causes.of(b, a, job)
            if found & LAWFUL:
                tally.explained += 1
                continue
            both_s = s(min(a.end_lo, b.end_lo) - max(a.start, b.start))
            tally.findings.append(
                Finding(
                    anomaly="double lease",
                    job=job.job,
                    at_ns=max(a.start, b.start),
                    says=(
                        f"Job {job.job} ran twice at once for {both_s:.3f} s: {told(a, history.begin)} and"
                        f" {told(b, history.begin)}."
                    ),
                    runs=(a.run, b.run),
                    causes_rejected=causes_rejected(causes, a, b, job),
                    clause="overlap",
                )
            )
    if "fences" in promise.sources and not history.canary.losses:
        tally.findings += _gone_back(history, causes)
    if promise.self_fencing:
        tally.findings += _unfenced(history, causes)
    return tally.judged()


def _gone_back(history: "History", causes: "Causes") -> Iterator[Finding]:
    for job in history.stories(fences_disagree(history)):
        pair = went_back(job, causes)
        if pair is None:
            continue
        earlier, later = pair
        yield Finding(
            anomaly="fence went back",
            job=job.job,
            at_ns=later.start,
            says=(
                f"Job {job.job} was granted with fence {later.fence} after it had been with {earlier.fence}:"
                f" {told(later, history.begin)} after {told(earlier, history.begin)}."
            ),
            runs=(earlier.run, later.run),
            causes_rejected=(f"Not the other way round: {_not_before(earlier, later, causes)}.", no_store_loss(causes)),
            clause="fences",
        )


def _not_before(earlier: Run, later: Run, causes: "Causes") -> str:
    granted = causes.grant_lo(later)
    if granted > earlier.start:
        return f"{later.run} was granted at {s(granted - causes.history.begin):.3f} s at the earliest"
    return f"nothing can have made {earlier.run} follow {later.run}"


def _unfenced(history: "History", causes: "Causes") -> Iterator[Finding]:
    """Only a cut that surely blocked counts here: from its injection to its heal, no longer than a fault that fired."""
    lease = ns(causes.promise.lease_s)
    for span in history.faults:
        until = min(span.healed, history.end)
        if span.effect not in BLOCKING or not span.fired or until - span.inject < lease:
            continue
        limit = span.inject + lease
        outlived = history.jobs_with_runs_that((pl.col("start") <= span.inject) & (pl.col("end_lo") > limit))
        for job in history.stories(outlived):
            for run in job.runs:
                if run.start <= span.inject and run.end_lo > limit and _surely_hit(span.workers, span.effect, run):
                    if _could_not_act(causes, run, span.inject, limit):
                        continue
                    yield Finding(
                        anomaly="unfenced zombie",
                        job=job.job,
                        at_ns=limit,
                        says=(
                            f"{told(run, history.begin).capitalize()} went on for"
                            f" {s(run.end_lo - span.inject):.3f} s after {span.kind} had cut its worker"
                            f" off; its lease of {causes.promise.lease_s:g} s had ended by then."
                        ),
                        runs=(run.run,),
                        causes_rejected=(
                            f"No freeze: {run.worker} was neither stopped nor starved, so it could act.",
                            "No dead supervisor: its worker lived until the lease had ended.",
                            f"No short cut: it fired, and lasted {s(until - span.inject):.3f} s.",
                        ),
                        clause="self_fencing",
                    )


def _surely_hit(workers: frozenset[str], effect: str, run: Run) -> bool:
    return effect == "store_down" or run.worker in workers


def _could_not_act(causes: "Causes", run: Run, lo: int, hi: int) -> bool:
    """A frozen or stalled worker fences itself when it wakes; a dead supervisor does not (its slots end with it)."""
    history = causes.history
    if any(stall.lo < hi and stall.hi > lo and stall.worker in {run.worker, "host"} for stall in history.stalls):
        return True
    if any(sent.worker == run.worker and sent.name == "STOP" and sent.t < hi for sent in history.signals):
        return True
    life = causes.life(run.worker, run.life)
    return bool(life and min(life.killed, life.exit_hi) < min(hi, FOREVER))
