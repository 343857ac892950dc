"""Moments in which queues go wrong, counted in a history: what a suite of scenarios must meet to prove anything.

Each is a pure function. It counts what the history shows, so an end that is not known exactly counts where it may have
been: a moment that may have been met says less than one that was, and never more than that the suite came near it.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise
from stormproof_target.spec import FATAL

from chaos.causes import Cause
from scenarios.history_faults import PRODUCER, FaultSpan, Life
from scenarios.history_types import FOREVER, Job, Run, ns
from scenarios.moments_asked import (
    Moment,
    cancelled_before_it_started,
    cancelled_while_it_ran,
    dead_by,
    due_in_an_outage,
    due_without_its_worker,
)

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario

OUTAGES: Final = frozenset({"cut", "store_down"})


def _again(history: "History") -> list[Job]:
    """Jobs that ran more than once other than by failure after failure."""
    return history.stories(history.jobs_that((pl.col("n_runs") > 1) & ~pl.col("plain")))


def _outages(history: "History", worker: str) -> Iterator[FaultSpan]:
    return (span for span in history.faults if span.effect in OUTAGES and span.fired and span.hits(worker))


def zombies(history: "History", promise: Promise, scenario: "Scenario") -> int:
    """Runs that ended after another run of their job had started."""
    del promise, scenario
    return sum(
        any(other is not run and run.start < other.start < run.end_lo for other in job.runs)
        for job in _again(history)
        for run in job.runs
        if run.closed
    )


def raced_sweeps(history: "History", promise: Promise, scenario: "Scenario") -> int:
    """Runs that ended by their own word while a sweep may have been taking their lease away."""
    causes = history.causes(promise, scenario.policy)
    earliest, latest = (
        ns(promise.lease_s - promise.heartbeat_s - promise.margin_s),
        ns(promise.lease_s + promise.sweep_s),
    )
    cut = {worker for worker, lives in history.lives.items() for n in range(len(lives) + 1) if causes.cuts(worker, n)}
    long = (pl.col("end_hi") - pl.col("start") >= earliest) & pl.col("worker").is_in(list(cut))
    found = 0
    for job in history.stories(history.runs.filter(long)["job"]):
        for run in (each for each in job.runs if each.closed):
            since = [max(lo, run.start) for lo, hi in causes.cuts(run.worker, run.life) if hi > run.start]
            found += any(t + earliest <= run.end_hi <= t + latest for t in since)
    return found


def lost_claims(history: "History", promise: Promise, scenario: "Scenario") -> int:
    """Jobs whose first run was not their first attempt: a claim had been given, and nobody heard of it."""
    del promise, scenario
    first = history.runs.sort("start").unique("job", keep="first")
    return first.filter(pl.col("attempt") > 1).height


def cut_off_claims(history: "History", promise: Promise, scenario: "Scenario") -> int:
    """Runs that started in an outage of their worker's link: their claim came through, though not every reply did."""
    del promise, scenario
    return sum(
        history.runs.filter(
            (pl.col("worker") == worker) & (pl.col("start") > span.inject) & (pl.col("start") <= span.healed)
        ).height
        for worker in history.lives
        for span in _outages(history, worker)
    )


def cut_off_completions(history: "History", promise: Promise, scenario: "Scenario") -> int:
    """Runs that ended well while their worker was cut off from the store: the report, or its reply, was lost."""
    del promise, scenario
    return _cut_off(history, pl.col("outcome") == "ok")


def cut_off_retries(history: "History", promise: Promise, scenario: "Scenario") -> int:
    """Runs that failed while their worker was cut off from the store: the retry had to wait for its report."""
    del promise, scenario
    return _cut_off(history, pl.col("outcome").is_in(["error", "timeout"]))


def _cut_off(history: "History", ended: pl.Expr) -> int:
    found: set[str] = set()
    for worker in history.lives:
        mine = history.runs.filter(ended & (pl.col("worker") == worker))
        for span in _outages(history, worker):
            within = (pl.col("end_hi") >= span.inject) & (pl.col("end_hi") <= span.healed)
            found.update(mine.filter(within)["run"])
    return len(found)


def cut_off_enqueues(history: "History", promise: Promise, scenario: "Scenario") -> int:
    """Enqueues under way, or begun, in an outage of the producer's link, that were acknowledged after all."""
    del promise, scenario
    found: set[str] = set()
    acked = history.jobs.filter(pl.col("outcome") == "acked")
    for span in _outages(history, PRODUCER):
        within = (pl.col("invoked") <= span.healed) & (pl.col("answered") >= span.inject)
        found.update(acked.filter(within)["job"])
    return len(found)


def unknown_enqueues_that_ran(history: "History", promise: Promise, scenario: "Scenario") -> int:
    """Jobs that ran though nobody knows the outcome of their enqueue: its reply was lost."""
    del promise, scenario
    return history.count_jobs((pl.col("outcome") == "unknown") & (pl.col("n_runs") > 0))


def orphaned_slots(history: "History", promise: Promise, scenario: "Scenario") -> int:
    """Supervisors that died while a body ran in one of their slots."""
    del promise, scenario
    return sum(
        history.runs.filter(
            (pl.col("worker") == life.worker)
            & (pl.col("life") == life.life)
            & (pl.col("start") <= _died(life))
            & (pl.col("end_hi") >= _died(life))
        ).height
        > 0
        for lives in history.lives.values()
        for life in lives
        if _died(life) < FOREVER
    )


def _died(life: Life) -> int:
    """When its first process was killed, or was found to have ended though nobody had told it to stop."""
    return min(life.killed, FOREVER if life.told_to_stop < FOREVER else life.exit_hi)


def died_in_two_ways(history: "History", promise: Promise, scenario: "Scenario") -> int:
    """Jobs of which two runs were cut short in two ways: killed, orphaned, by itself, timed out, fenced, superseded."""
    causes = history.causes(promise, scenario.policy)
    return sum(len({_way(run, job, causes.may_be_timed_out(run), history) for run in job.runs} - {""}) > 1
               for job in _again(history))  # fmt: skip


def _way(run: Run, job: Job, timed_out: bool, history: "History") -> str:  # noqa: FBT001  # what the caller asked for
    if run.outcome == "exit":
        if job.spec.kind in FATAL:
            return "itself"
        killed = {signal.pid for signal in history.signals if signal.name == "KILL" and signal.t <= run.end_hi}
        lives = history.lives.get(run.worker, ())
        life = lives[run.life - 1] if 0 < run.life <= len(lives) else None
        if life and life.killed <= run.end_hi:
            return "orphaned"
        return "killed" if run.pid in killed else "timed out" if timed_out else "fenced"
    superseded = any(other is not run and run.start < other.start < run.end_lo for other in job.runs)
    return "superseded" if superseded else ""


def finished_and_repeated(history: "History", promise: Promise, scenario: "Scenario") -> int:
    """Runs that ended well and were repeated, since a kill or a cut kept the queue from hearing of it."""
    causes = history.causes(promise, scenario.policy)
    kept = {Cause.KILLED, Cause.LEASE_ENDED, Cause.LOST_REPLY}
    return sum(
        a.outcome == "ok" and bool(causes.repeat(a, b, job) & kept) for job in _again(history) for a, b in job.pairs
    )


def overtaken_timeouts(history: "History", promise: Promise, scenario: "Scenario") -> int:
    """Bodies whose process was killed, not by us, since their timeout had passed and an exception did not end them."""
    causes = history.causes(promise, scenario.policy)
    ours = {signal.pid for signal in history.signals if signal.name == "KILL"}
    long = (pl.col("outcome") == "exit") & (pl.col("end_hi") - pl.col("start") >= ns(scenario.policy.timeout_s))
    names = history.runs.filter(long)["job"]
    return sum(
        run.outcome == "exit" and causes.may_be_timed_out(run) and run.pid not in ours
        for job in history.stories(names)
        for run in job.runs
    )


def torn_lines(history: "History", promise: Promise, scenario: "Scenario") -> int:
    """Ledger lines that a kill tore: the process died in the middle of a write."""
    del promise, scenario
    return history.torn


MOMENTS: Final[Mapping[str, Moment]] = {
    "zombies reported late": zombies,
    "completions that raced a sweep": raced_sweeps,
    "claims that nobody heard of": lost_claims,
    "claims in an outage": cut_off_claims,
    "completions in an outage": cut_off_completions,
    "enqueues carried through an outage": cut_off_enqueues,
    "enqueues of unknown outcome that ran": unknown_enqueues_that_ran,
    "retries cut off": cut_off_retries,
    "supervisors that died with slots at work": orphaned_slots,
    "jobs that died in two ways": died_in_two_ways,
    "good runs that were repeated": finished_and_repeated,
    "jobs that came due in an outage": due_in_an_outage,
    "jobs that came due without their worker": due_without_its_worker,
    "jobs cancelled before they started": cancelled_before_it_started,
    "jobs cancelled while they ran": cancelled_while_it_ran,
    "dead letters: exhausted": dead_by("exhausted"),
    "dead letters: timeout": dead_by("timeout"),
    "dead letters: crashed": dead_by("crashed"),
    "dead letters: stalled": dead_by("stalled"),
    "hard kills by timeout": overtaken_timeouts,
    "ledger lines torn by a kill": torn_lines,
}
"""Every moment by its name; ``situations`` takes them too."""
