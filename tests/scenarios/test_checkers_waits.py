"""Checkers ``late``, ``backoff``, ``duplicates`` and ``timeouts``: what keeps a job waiting, or ends with another's."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from stormproof_target import BackoffPolicy
from stormproof_target.spec import exits, fails

from tests.scenarios.histories import (
    PROMISE,
    SOURCE,
    Lines,
    acked,
    anchors,
    cancelled,
    exited,
    op,
    paused,
    run,
    signal,
    stall,
    with_policy,
)
from tests.scenarios.test_checkers import Case, illegal, judged, legal, promised

pytestmark = pytest.mark.unit

TAKEN: dict[str, Any] = {"promise": promised(claim_s=0.5)}
FIXED = with_policy(backoff=BackoffPolicy("fixed", 1.0, 1.0, "none"), timeout_s=30.0)
RETRIED: dict[str, Any] = {"promise": promised(claim_s=0.5, promote_s=0.5), "scenario": FIXED}
IN_ORDER = promised(claim_s=0.5, promote_s=0.1, sources={**PROMISE.sources, "order": SOURCE})
ONCE = fails(times=1)
ENDS = exits(status=1)
BACK = anchors((0, 0), (1.2, 1.2), (1.4, -8.6), (10, 0), (14, 4))
FORWARD = anchors((0, 0), (1.2, 1.2), (1.4, 11.4), (10, 20))


def of_queue(queue: str, lines: Lines) -> Lines:
    """The same enqueue in another queue."""
    return [{**line, "queue": queue} if line["e"] == "invoked" else line for line in lines]


def idle(*more: Lines) -> tuple[Lines, ...]:
    """A slot of w1 that had a body until 0.2, and what else there is."""
    return (acked("a", 0), run("a", 0.1, 0.2), *more)


def failed_at(end: float, *more: Lines) -> tuple[Lines, ...]:
    """A job that fails once, and what else there is."""
    return (acked("j", 0, spec=ONCE), run("j", end - 0.1, end, "error"), *more)


def neighbour(spec_of_x: Any = ENDS) -> tuple[Lines, ...]:  # noqa: ANN401  # a JobSpec
    """Two threads of a process: one ends well, then the other's job ends the process."""
    return (
        acked("a", 0), run("a", 0.1, 1.0), acked("x", 0.4, spec=spec_of_x), run("x", 0.5), exited("w1", 1.05),
        run("x", 3.4, 3.5, on="w2"), run("a", 3.5, 3.6, on="w2"),
    )  # fmt: skip


def newest_first() -> Iterator[Lines]:
    """One slot under load, which takes the newest job: each retry comes last, however short its delay was."""
    for n in range(25):
        at, delay = 10.0 * n, 4 * ((n * 0.618) % 1)
        yield acked(f"j{n}", at, spec=ONCE)
        yield run(f"j{n}", at + 0.05, at + 0.1, "error")
        for k in range(39):
            yield acked(f"f{n}.{k}", at + 0.06 + k * 0.1)
            yield run(f"f{n}.{k}", at + 0.11 + k * 0.1, at + 0.2 + k * 0.1)
        last = at + 4.02 + max(0.0, delay - 3.9)
        yield run(f"j{n}", last, last + 0.1)


LATE = [
    legal("late", "in the hand of a worker that starved for a lease", *idle(
          acked("j", 1), stall("w2", 1, 4), run("j", 7.5, 7.6)), **TAKEN, explained=1),
    illegal("late", "idle slot beside a due job", "starved for less than a lease", *idle(
            acked("j", 1), stall("w2", 1, 2), run("j", 7.5, 7.6)), **TAKEN),
    legal("late", "its delay was over later by a clock that was set back", *idle(
          acked("j", 1, delay=1), BACK, run("j", 12.1, 12.2)), **TAKEN, explained=1),
    legal("late", "dead before any body, and requeued", *idle(
          acked("j", 1), op("requeue", "j", 5), run("j", 5.1, 5.2)), **TAKEN, explained=1),
    legal("late", "cancelled, and asked for again", *idle(
          acked("j", 1), cancelled("j", 1.01), op("requeue", "j", 5), run("j", 5.1, 5.2)), **TAKEN, explained=1),
    illegal("late", "idle slot beside a due job", "another was requeued", *idle(
            acked("j", 1), op("requeue", "k", 5), run("j", 5.1, 5.2)), **TAKEN),
    legal("late", "claimed by a thread of a process that another thread's job ended", *idle(
          acked("x", 0.5, spec=ENDS), run("x", 0.6, on="w2"), acked("j", 0.95), exited("w2", 1),
          run("x", 4, 4.1, on="w2", slot=2), run("j", 4.2, 4.3)), **TAKEN, explained=1),
    illegal("late", "idle slot beside a due job", "a process had ended long before", *idle(
            acked("x", 0.05, spec=ENDS), run("x", 0.1, on="w2"), exited("w2", 0.3), acked("j", 5),
            run("x", 1, 1.1, on="w2", slot=2), run("j", 9, 9.1)), **TAKEN),
]  # fmt: skip

BACKOFF = [
    legal("backoff", "a retry in the hand of a worker that starved for a lease", *failed_at(
          0.6, stall("w2", 1.7, 4.9), run("j", 8.9, 9)), **RETRIED),
    legal("backoff", "swept, claimed and started as late as is promised", *failed_at(1.1, run("j", 4.15, 4.2)),
          promise=promised(claim_s=1.5, promote_s=0.5), scenario=FIXED),
    illegal("backoff", "late retry", "just later than that", *failed_at(1.1, run("j", 4.55, 4.6)),
            promise=promised(claim_s=1.5, promote_s=0.5), scenario=FIXED),
    legal("backoff", "the only other slot is being replaced", *failed_at(
          0.6, acked("x", 0, spec=ENDS), run("x", 0.7), exited("w1", 1.75), acked("y", 0), run("y", 0.7, 6, slot=2),
          run("j", 3, 3.1, slot=3), run("x", 6.1, 6.2, slot=2)), **RETRIED),
    legal("backoff", "idle slots are of workers that never serve its queue",
          of_queue("q1", acked("j", 0, spec=ONCE)), run("j", 0.5, 0.6, "error"),
          of_queue("q1", acked("x", 0)), run("x", 0.7, 6), of_queue("q1", acked("y", 0)), run("y", 0.7, 6, slot=2),
          of_queue("q2", acked("z", 0)), run("z", 0.1, 0.2, on="w2"), of_queue("q2", acked("z2", 7)),
          run("z2", 7.1, 7.2, on="w2"), run("j", 6.1, 6.2), **RETRIED),
    legal("backoff", "its delay was over later by a clock that was set back",
          *failed_at(1.1, BACK, run("j", 12.1, 12.2)), **RETRIED),
    legal("backoff", "its delay was over at once by a clock that was set forward",
          *failed_at(1.1, FORWARD, run("j", 1.45, 1.5)), **RETRIED, explained=1),
    legal("backoff", "paused", *failed_at(0.6, paused(0.9, 8), run("j", 8.05, 8.1)), **RETRIED),
    legal("backoff", "the idle slots are of a worker that was told to stop", *failed_at(
          0.6, acked("x", 0), acked("y", 0), acked("z", 0), run("x", 0.2, 9.9, on="w2"),
          signal("w2", 0.9, "TERM", slot=0), run("y", 0.7, 6), run("z", 0.7, 6, slot=2), run("j", 6.1, 6.2),
          exited("w2", 9.95, slot=0, status=0)),
          promise=promised(claim_s=0.5, promote_s=0.5, stop_grace_s=10.0), scenario=FIXED),
    legal("backoff", "a queue that takes the newest first", *newest_first(),
          promise=replace(IN_ORDER, sources=PROMISE.sources),
          scenario=with_policy(backoff=BackoffPolicy("fixed", 4.0, 4.0, "full"))),
    illegal("backoff", "no jitter", "the same, of one that promises the order", *newest_first(), promise=IN_ORDER,
            scenario=with_policy(backoff=BackoffPolicy("fixed", 4.0, 4.0, "full"))),
]  # fmt: skip

TOGETHER = [
    legal("duplicates", "another thread's job ended the process before its report", *neighbour(), scenario=FIXED),
    illegal("duplicates", "resurrected job", "the process ended long after its report",
            acked("a", 0), run("a", 0.1, 0.2), acked("x", 0.4, spec=ENDS), run("x", 0.5), exited("w1", 1.05),
            run("x", 3.4, 3.5, on="w2"), run("a", 3.5, 3.6, on="w2"), scenario=FIXED),
    legal("timeouts", "another thread's job ended the process", acked("a", 0), run("a", 0.1),
          acked("x", 0.4, spec=ENDS), run("x", 0.5), exited("w1", 1.05), scenario=FIXED),
]  # fmt: skip


@pytest.mark.parametrize(
    "case", [*LATE, *BACKOFF, *TOGETHER], ids=lambda case: f"{case.checker}-{case.anomaly or 'legal'}-{case.name}"
)
def test_who_may_rightly_wait_is_not_accused_and_who_may_not_is(case: Case) -> None:
    result = judged(case)
    found = {finding.anomaly for finding in result.findings}
    assert found == ({case.anomaly} if case.anomaly else set()), result.findings
    assert case.explained is None or result.explained == case.explained
