"""Says of each of the seven causes why it can't have made run b follow run a: a finding's evidence."""

from typing import TYPE_CHECKING, Any

from scenarios.checkers.gather import OUTCOMES
from scenarios.history_types import FOREVER, Job, Run, s

if TYPE_CHECKING:
    from scenarios.history_causes import Causes


def causes_rejected(causes: "Causes", a: Run, b: Run, job: Job) -> tuple[str, ...]:
    """One sentence a cause, with its numbers; seconds since the history's begin."""
    zero, promise, history = causes.history.begin, causes.promise, causes.history
    window = causes.grant_lo(a), min(causes.report_hi(a), b.start)
    between = f"{_at(window[0], zero)} to {_at(window[1], zero)}"
    sentences = [f"No failure: {a.run} {OUTCOMES[a.outcome]}."]
    if a.failed:
        sentences = [
            f"No attempt left: {len(job.runs)} runs are known, {causes.policy.max_attempts} attempts are allowed."
            if a.end_lo <= b.start
            else f"Not failed before: {a.run} failed at {_at(a.end_lo, zero)}, {b.run} started at {_at(b.start, zero)}."
        ]
    sentences.append(_not_killed(causes, a, between, zero))
    sentences.append(_not_ended(causes, a, b, zero))
    canary = history.canary
    sentences.append(
        f"No store loss: all {canary.acked} canary writes survived."
        if not canary.losses
        else f"No store loss in reach: {len(canary.losses)} roll-backs, none from the enqueue to {_at(b.start, zero)}."
    )
    sentences.append(
        f"No lost reply: no fault cut {a.worker} or the enqueue off from {between}."
        if promise.lost_reply_repeats
        else "A lost reply is no cause: the queue does not promise to repeat for it."
    )
    sentences.append("No operator: nobody asked for the job to be requeued.")
    sentences.append(
        f"No stop: {a.worker} was not told to stop before the end of {a.run} was reported, or had the grace for it."
        if promise.stop_is_a_cause
        else "A stop is no cause: the queue promises that a stopped worker repeats nothing."
    )
    return tuple(sentences)


def state_rejected(causes: "Causes", job: Job, quiet_ns: int) -> tuple[str, ...]:
    """Why a job's state in the end is no accident; ``quiet_ns`` is how long the system had rested when it was read."""
    hidden = causes.hidden(job)
    asked = sorted({f"{step['op']} {step['outcome'] or ''}".strip() for step in _requests(causes, job)})
    unheard = [run.run for run in job.runs if not causes.reported_surely(run, job)]
    return (
        f"Not on its way: keys were read {s(quiet_ns):.1f} s after the last thing that happened.",
        no_store_loss(causes),
        f"Nothing hidden: {hidden} grants may have ended by a kill or a cut before their first line."
        if hidden
        else "Nothing hidden: no kill and no cut can have ended a grant before its first line.",
        f"Heard or not: the end of {', '.join(unheard)} may not have been heard, which is reckoned with."
        if unheard
        else "No lost report: nothing kept the queue from hearing of each end.",
        f"Operators: they asked for {', '.join(asked)}; that explains no such state."
        if asked
        else "No operator: nobody asked for the job to be cancelled or requeued.",
    )


def no_store_loss(causes: "Causes") -> str:
    """What the canary says of the store."""
    canary = causes.history.canary
    return (
        f"No store loss in reach: {len(canary.losses)} roll-backs, of which none explains it."
        if canary.losses
        else f"No store loss: all {canary.acked} canary writes survived."
    )


def _requests(causes: "Causes", job: Job) -> list[dict[str, Any]]:
    return [step for step in causes.history.op_rows if step["job"] == job.job]


def _not_killed(causes: "Causes", a: Run, between: str, zero: int) -> str:
    deaths = causes.deaths(a)
    if deaths:
        first = min(deaths, key=lambda death: death.lo)
        return f"No kill in time: {first.of} of {a.worker} died at {_at(first.lo, zero)}, not in {between}."
    life = causes.life(a.worker, a.life)
    until = life.exit_lo if life and life.exit_hi < FOREVER else FOREVER
    lived = f"lived until {_at(until, zero)}" if until < FOREVER else "outlived the run"
    return f"No kill: neither {a.worker} pid {a.pid} nor its supervisor was killed in {between}; the worker {lived}."


def _not_ended(causes: "Causes", a: Run, b: Run, zero: int) -> str:
    longest = causes.unrenewed(a, b)
    begin, end = (_at(t, zero) for t in longest.window)
    held = [_at(t, zero) for t in longest.held or ()]
    said = (
        f"Lease not ended: {a.worker} could renew it from {begin} to {end}."
        if longest.cut is None
        else f"Lease not ended: {a.worker} was cut off for at most {s(longest.lasted):.3f} s between {begin} and {end};"
        f" {s(causes.lease_ends_after):.3f} s are needed (lease - heartbeat - margin)."
    )
    return said + (f" No lease ends from {held[0]} to {held[1]}: promised after an outage." if held else "")


def _at(t: int, zero: int) -> str:
    return "the end" if t >= FOREVER else f"{s(t - zero):.3f} s"
