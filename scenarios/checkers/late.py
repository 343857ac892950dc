"""A job that waits although a slot that serves its queue is idle: nobody looks, or everybody waits for another."""

from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import FINDINGS_SHOWN_MAX, Anomaly, Finding, Judged
from scenarios.clocks import DRIFT_SHARE_MAX
from scenarios.history_types import FOREVER, ns, s
from scenarios.idle_slots import IdleSlots, judges, promoted_within

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario

CLAUSE: Final = "claim_s"
BESIDE: Final = "idle slot beside a due job"
ANOMALIES: Final = {
    BESIDE: Anomaly(
        definition=(
            "An acknowledged job that was due started only after a slot that serves its queue had been idle, between"
            " two of its bodies, for longer than the promised time to take a job and the way to its body, in calm time,"
            " its queue neither paused nor possibly at its limit."
        ),
        smallest=('run("a", 0.1, 0.2)\nacked("j", 1)\nrun("j", 6.1, 6.2)'),
        means="Jobs wait for nothing: capacity is paid for and stands idle while their queue grows.",
        under="promise(claim_s=0.5)",
    ),
}


def late(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: acknowledged jobs that waited for longer than an idle slot lets them. Explained: as they may.

    Only first starts: ``backoff`` looks at retries. A delay that the server's clock was set in says nothing, nor does
    a job of which an operator had asked something.
    """
    del scenario
    if not judges(promise):
        return Judged(0)
    long = waits(promise)
    waited = history.jobs.select(
        pl.col("job", "queue", "invoked", "first_start").filter(long), due=_due(promise).filter(long)
    )
    if waited.is_empty():
        return Judged(0)
    slots = IdleSlots(history, promise)
    asked = _asked(history)
    found: list[tuple[int, str, str, int, int]] = []
    for job, queue, invoked, start, since in waited.iter_rows():
        moment = slots.first(queue, since)
        if (
            moment > slots.before(start, slots.way)
            or asked.get(job, FOREVER) <= start
            or slots.clock_set(invoked, start)
        ):
            continue
        found.append((start, job, queue, since, moment))
    shown = tuple(_finding(*each, slots) for each in sorted(found)[:FINDINGS_SHOWN_MAX])
    return Judged(waited.height, shown, len(found), waited.height - len(found))


def waits(promise: Promise) -> pl.Expr:
    """Over jobs: whether one waited long."""
    started = (pl.col("outcome") == "acked") & (pl.col("n_runs") > 0)
    return started & (pl.col("first_start") - _due(promise) > ns(promise.claim_s) + ns(promise.start_gap_s))


def _due(promise: Promise) -> pl.Expr:
    """When it waited at the latest, its delay reckoned by the server's clock, which may be slewed."""
    delay = pl.col("delay") + (pl.col("delay") * DRIFT_SHARE_MAX).cast(pl.Int64) + promoted_within(promise)
    return pl.col("answered") + pl.when(pl.col("delay") > 0).then(delay).otherwise(0)


def _asked(history: "History") -> dict[str, int]:
    """Job → when an operator first asked for anything: it may have been over, and begun anew."""
    first: dict[str, int] = {}
    for step in history.op_rows:
        if step["job"]:
            first.setdefault(step["job"], step["t"])
    return first


def _finding(start: int, job: str, queue: str, since: int, moment: int, slots: IdleSlots) -> Finding:
    zero, way = slots.history.begin, slots.way
    gap = next(gap for gap in slots.gaps(queue) if gap.since <= moment <= slots.before(gap.until, way))
    return Finding(
        anomaly=BESIDE,
        job=job,
        at_ns=start,
        says=(
            f"Job {job} was due at {s(since - zero):.3f} s and started at {s(start - zero):.3f} s, although the slot"
            f" {gap.process}, which serves {queue}, was idle from {s(gap.since - zero):.3f} s to"
            f" {s(gap.until - zero):.3f} s; {s(way):g} s are allowed to take a job and to begin it."
        ),
        causes_rejected=(
            "No gap of the slot's own: it had ended a body before, its report included, and began another one after.",
            f"Not kept back: {queue} was not paused then, and fewer jobs of it may have been leased than it allows.",
            "Not in another hand: no slot fetches ahead, and what is granted starts within its promised time.",
            "No disturbance: no fault, signal, end of a process or silence of the store is near; stalls are taken off.",
        ),
        clause=CLAUSE,
    )
