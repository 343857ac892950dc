"""What happens to jobs whose slot or worker is gone."""

from tests.system.reference.model import limits
from tests.system.reference.model.leases import audit_run, bury, drop, push_front, remember_failure
from tests.system.reference.model.state import Slot, State

DROPS_MAX = 20
GAP_INTERVALS = 3
HOLDS_MAX = 3


def slot_dead(state: State, *, slot: str, counter: str, bound: int, reason: str) -> list[object]:
    """A slot's process is gone: what it holds is counted and waits again, or is a dead letter at the bound."""
    known = state.slots.setdefault(slot, Slot())
    if known.closed:
        return ["replayed"]
    known.closed = True
    exec_, queue, job = f"{slot}.{known.seq}", known.queue, known.job
    if not state.holds(queue, job, exec_):
        return ["applied", "none"]
    record = state.jobs[job]
    if counter == "drops":
        # Its own supervisor ended it since the lease could not be renewed: not the job's fault if Redis was away.
        counter = "stalls"
        if record.drops < DROPS_MAX and _gap_covers(state, queue, state.queue(queue).leases[job]):
            record.drops += 1
            counter = ""
    remember_failure(record, reason)
    fate = _interrupted(state, queue, job, counter, bound, reason, f"{exec_} slot_dead")
    drop(state, queue, job, exec_)
    if counter:
        limits.observe(state, queue, exec_, reason)
    audit_run(state, queue, job, fate)
    return ["applied", fate]


def _gap_covers(state: State, queue: str, deadline_us: int) -> bool:
    """Whether nobody swept for a while in the life of a lease that ends at ``deadline_us``."""
    sweep = state.queue(queue).sweep
    if not sweep.last_us or state.now_us - sweep.last_us > GAP_INTERVALS * sweep.interval_us:
        return True
    return sweep.gap_to_us > deadline_us - sweep.lease_us and sweep.gap_from_us < deadline_us


def sweep(state: State, *, queue: str, jobs_max: int, stalls_max: int, lease_us: int, interval_us: int) -> list[object]:
    """Leases that ended are taken back, unless a gap lies behind: then holders may renew first, for one lease."""
    its, last = state.queue(queue), state.queue(queue).sweep
    holds_before, last.hold_until_us = last.holds, min(last.hold_until_us, state.now_us + lease_us)
    if state.now_us - last.last_us > GAP_INTERVALS * interval_us or not last.same_redis:
        if holds_before < HOLDS_MAX:
            last.hold_until_us, last.holds = state.now_us + lease_us, last.holds + 1
        last.gap_from_us, last.gap_to_us = last.last_us, state.now_us
        last.same_redis = True
    last.last_us, last.interval_us, last.lease_us = state.now_us, interval_us, lease_us
    if state.now_us >= last.hold_until_us and holds_before > 0:
        last.holds = 0
    fates = []
    ended = sorted((deadline, job) for job, deadline in its.leases.items() if deadline < state.now_us)
    for _, job in ended[:jobs_max] if state.now_us >= last.hold_until_us else []:
        record, exec_ = state.jobs[job], state.jobs[job].exec
        remember_failure(record, "stalled")
        fates.append(_interrupted(state, queue, job, "stalls", stalls_max, "stalled", f"{exec_} sweep"))
        drop(state, queue, job, exec_)
        limits.observe(state, queue, exec_, "stalled")
        audit_run(state, queue, job, fates[-1])
    its.running = {entry for entry in its.running if state.holds(queue, *entry.rsplit(":", 1))}
    counts = [fates.count(fate) for fate in ("requeued", "dead", "cancelled")]
    return ["applied", *counts, max(0, last.hold_until_us - state.now_us)]


def _interrupted(  # noqa: PLR0917
    state: State, queue: str, job: str, counter: str, bound: int, reason: str, settled: str
) -> str:
    """Its run ended without an outcome."""
    if counter and state.jobs[job].count(counter) >= bound:
        return bury(state, queue, job, reason, settled)
    return push_front(state, queue, job, settled)
