"""What a job's history lets one conclude: why each run followed, when it was due, when a lease may have ended."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from chaos.causes import Cause
from scenarios.history_types import FOREVER, Job, Run, s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.history_causes import Causes

QUEUE: Final = "queue"


def inferred(history: "History", story: Job, causes: "Causes") -> Iterator[tuple[int, int, str, str, bool]]:
    """Rows of the timeline: when, weight 1, who, what, and never what is wrong."""
    zero = history.begin
    cuts: set[tuple[str, int, int]] = set()
    for number, run in enumerate(story.runs, start=1):
        until = min(run.end_hi, history.end)
        for lo, hi in causes.cuts(run.worker, run.life):
            if lo <= until and hi >= run.start:
                cuts.add((run.worker, lo, hi))
        leased = causes.surely_leased_until(run)
        if run.start <= leased < until:
            yield leased, 1, QUEUE, f"the lease of run {number} may have ended from here on", False
        if run.failed and number < causes.policy.max_attempts:
            yield from _due(run, number, causes)
    for worker, lo, hi in sorted(cuts, key=lambda cut: cut[1]):
        yield max(lo, zero), 1, worker, f"can't renew its leases{_until(hi, zero)}", False
    for number, (a, b) in enumerate(story.pairs, start=1):
        found = causes.of(a, b, story)
        turned = () if found else sorted(causes.repeat(a, b, story))
        why = [_because(cause, a, b, number, causes) for cause in sorted(found)]
        why += [_because(cause, b, a, number + 1, causes) for cause in turned]
        order = f"run {number} follows run {number + 1}, as may be without fences," if turned else ""
        order = order or f"run {number + 1} follows run {number}"
        yield b.start, 1, QUEUE, f"{order} because: {'; or '.join(why) or 'none of the seven causes holds'}", False


def _due(run: Run, number: int, causes: "Causes") -> Iterator[tuple[int, int, str, str, bool]]:
    low_s, high_s = causes.policy.backoff.bounds_s(number)
    says = f"a retry is due {low_s:g} s to {high_s:g} s after run {number}"
    yield run.end_lo + round(low_s * 1e9), 1, QUEUE, says, False


def _because(cause: Cause, a: Run, b: Run, number: int, causes: "Causes") -> str:
    zero = causes.history.begin
    if cause is Cause.FAILED:
        return f"run {number} {'timed out' if a.outcome != 'error' else 'failed'} at {_at(a.end_hi, zero)}"
    if cause is Cause.KILLED:
        until = min(causes.report_hi(a), b.start)
        deaths = (death for death in causes.deaths(a) if death.lo <= until)
        known = max(deaths, key=lambda death: death.lo)  # the one that is known most closely
        return f"{known.of} of {a.worker} died at {_at(known.lo, zero)} or later"
    if cause is Cause.LEASE_ENDED and (step := causes.clock_set(a, b)):
        return f"the server's clock was set forward between {_at(step[0], zero)} and {_at(step[1], zero)}"
    if cause is Cause.LEASE_ENDED and (cut := causes.unrenewed(a, b).cut):
        return f"{a.worker} could not renew its lease from {_at(cut[0], zero)}{_until(cut[1], zero)}"
    return {
        Cause.STORE_LOSS: "the store lost writes, as the canary shows",
        Cause.LOST_REPLY: "a reply may have been lost, and the queue says that it repeats then",
        Cause.REQUEUED: "an operator asked for it",
        Cause.STOPPED: f"{a.worker} had been told to stop, and run {number} may have outlived it",
    }[cause]


def _until(t: int, zero: int) -> str:
    return " on, for good" if t >= FOREVER else f" to {_at(t, zero)}"


def _at(t: int, zero: int) -> str:
    return f"{s(t - zero):.3f} s"
