"""A slot and its job: claim, heartbeat, and the ends of a run that the slot or its supervisor tells."""

from tests.system.reference.model import limits
from tests.system.reference.model.state import Job, Slot, State

REASONS = {
    "error": "exhausted",
    "timeout": "timeout",
    "unsupported": "unsupported",
    "unserialisable": "unserialisable",
    "rejected": "rejected",
}

KEPT_US = 3_600_000_000


def claim(  # a return for each reply
    state: State, *, slot: str, seq: int, lease_us: int, version: str, queues: list[str]
) -> list[object]:
    """The first job that waits in the first queue that may grant; the same claim again is answered the same again."""
    known, exec_ = state.slots.get(slot), f"{slot}.{seq}"
    if (known and known.closed) or (not known and seq != 1):
        return ["closed"]
    if known and seq < known.seq:
        return ["stale"]
    if known and seq == known.seq:
        if not state.holds(known.queue, known.job, exec_):
            return ["none", ""]
        return grant(state, "replayed", known.queue, known.job, exec_, lease_us)
    for name in queues:
        if version and state.queue(name).version not in (0, int(version)):
            return ["superseded", name]
    kept_us = known.kept_us if known else 0
    state.slots[slot] = Slot(seq, kept_us=kept_us if 0 <= state.now_us - kept_us < KEPT_US else state.now_us)
    return _next(state, state.slots[slot], exec_, lease_us, queues)


def _next(state: State, slot: Slot, exec_: str, lease_us: int, queues: list[str]) -> list[object]:
    waits = []
    for name in queues:
        queue = state.queue(name)
        wait_us = limits.wait_us(state, name)
        if wait_us > 0:
            waits += [wait_us] if queue.waiting else []
            continue
        while queue.waiting:
            job = queue.waiting.pop(0)
            if job not in state.jobs or job in queue.leases or state.jobs[job].status == "canceled":
                continue  # no job, or pushed twice by a foreign tool
            slot.queue, slot.job = name, job
            limits.count_grant(state, queue, job, exec_)
            if queue.waiting:
                queue.wakes()
            return grant(state, "claimed", name, job, exec_, lease_us)
    soonest_us = min(waits, default=float("inf"))
    return ["none", "" if soonest_us == float("inf") else int(soonest_us)]


def grant(state: State, word: str, queue: str, job: str, exec_: str, lease_us: int) -> list[object]:
    """A lease that never ends earlier than before, and a fence higher than any."""
    record, leases = state.jobs[job], state.queue(queue).leases
    before = [record.status, record.attempts, record.timeouts, record.crashes, record.stalls]
    leases[job] = max(leases.get(job, 0), state.now_us + lease_us)
    state.fence = record.fence = max(state.fence + 1, state.now_us)
    record.exec, record.status = exec_, "started"
    return [word, queue, job, exec_, state.fence, *before]


def heartbeat(state: State, *, lease_us: int, held: list[tuple[str, str, str]]) -> list[object]:
    """The leases that are named by queue, job and exec last a lease from now; who names another has lost it."""
    lost, cancelled = [], []
    for index, (queue, job, exec_) in enumerate(held, 1):
        if not state.holds(queue, job, exec_):
            lost.append(index)
            continue
        leases = state.queue(queue).leases
        leases[job] = max(leases[job], state.now_us + lease_us)
        state.queue(queue).running.add(f"{job}:{exec_}")
        if state.jobs[job].cancel_request:
            cancelled.append(index)
    return ["applied", lost, cancelled]


def complete(state: State, *, queue: str, job: str, exec_: str, ttl_s: int) -> list[object]:
    """It ended well: finished, whatever was asked of it meanwhile."""
    if not state.holds(queue, job, exec_):
        return list(state.otherwise(job, exec_, "complete"))
    record = state.jobs[job]
    record.cancel_request, record.status, record.settled = "", "finished", f"{exec_} complete"
    if ttl_s > 0:
        state.queue(queue).finished[job] = state.now_us + ttl_s * 1_000_000
    else:
        record.history = 0
    drop(state, queue, job, exec_)
    state.keep(record, ttl_s * 1_000_000)
    limits.observe(state, queue, exec_, "")
    audit_run(state, queue, job, "finished")
    return ["applied"]


def fail(  # noqa: PLR0913
    state: State,
    *,
    queue: str,
    job: str,
    exec_: str,
    kind: str,
    attempts_max: int,
    delay_us: int,
    error_type: str,
) -> list[object]:
    """It failed: another attempt later, or a dead letter, at its bound or if no attempt can end differently."""
    if not state.holds(queue, job, exec_):
        return list(state.otherwise(job, exec_, "fail"))
    record, its, settled = state.jobs[job], state.queue(queue), f"{exec_} fail"
    remember_failure(record, error_type)
    counted = kind in ("error", "timeout")
    record.attempts += counted
    record.timeouts += kind == "timeout"
    if not counted or record.attempts >= attempts_max:
        fate = bury(state, queue, job, REASONS[kind], settled)
    elif record.cancel_request:
        fate = file_cancelled(state, queue, job, settled)
    else:
        fate, record.settled = "retry", settled
        record.status = "scheduled" if delay_us else "queued"
        if delay_us:
            its.delayed[job] = state.now_us + delay_us
        else:
            its.waiting.append(job)
            its.wakes()
    drop(state, queue, job, exec_)
    if counted:
        limits.observe(state, queue, exec_, error_type)
    audit_run(state, queue, job, fate)
    return ["applied", fate]


def release(state: State, *, queue: str, job: str, exec_: str) -> list[object]:
    """A slot that stops gives back what it has not started; nothing is counted."""
    return _give_back(state, queue, job, exec_, "release")


def abort(state: State, *, queue: str, job: str, exec_: str) -> list[object]:
    """A supervisor gives back what it killed because an operator wished so; nothing is counted."""
    return _give_back(state, queue, job, exec_, "abort")


def _give_back(state: State, queue: str, job: str, exec_: str, step: str) -> list[object]:
    if not state.holds(queue, job, exec_):
        return list(state.otherwise(job, exec_, step))
    fate = push_front(state, queue, job, f"{exec_} {step}")
    drop(state, queue, job, exec_)
    return ["applied", fate]


def drop(state: State, queue: str, job: str, exec_: str) -> None:
    """Give up the lease, once the job has its next place; where leases are limited, somebody else may start now."""
    its, record = state.queue(queue), state.jobs[job]
    its.leases.pop(job)
    its.running.discard(f"{job}:{exec_}")
    record.exec = ""
    if "concurrency" in its.limits and its.waiting:
        its.wakes()


def push_front(state: State, queue: str, job: str, settled: str) -> str:
    """Back to the head, for it has waited its turn; cancelled instead if that was asked for."""
    record = state.jobs[job]
    if record.cancel_request:
        return file_cancelled(state, queue, job, settled)
    state.queue(queue).waiting.insert(0, job)
    record.status, record.settled = "queued", settled
    state.queue(queue).wakes()
    return "requeued"


def bury(state: State, queue: str, job: str, reason: str, settled: str) -> str:
    """A dead letter; ``settled`` names this death. A cancellation that was asked for has come too late."""
    record = state.jobs[job]
    state.queue(queue).dead[job] = state.now_us
    record.cancel_request, record.status, record.settled, record.dead_reason = "", "failed", settled, reason
    return "dead"


def file_cancelled(state: State, queue: str, job: str, settled: str) -> str:
    """Cancelled, and kept as long as the request said."""
    record = state.jobs[job]
    keep_us = int(record.cancel_request) * 1_000_000
    state.queue(queue).cancelled[job] = state.now_us + keep_us
    record.cancel_request, record.status, record.settled, record.exec = "", "canceled", settled, ""
    record.history = record.history if keep_us else 0
    state.keep(record, keep_us)
    return "cancelled"


def remember_failure(record: Job, error_type: str) -> None:
    """One more line of the job's history."""
    record.history += 1
    record.error_type = error_type


def audit_run(state: State, queue: str, job: str, outcome: str) -> None:
    """A line for each run, where the configuration asks for it."""
    if state.queue(queue).limits.get("audit_executions") == "1":
        state.audit.append(("run", queue, job, "started", outcome))
