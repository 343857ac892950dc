"""How a job begins to wait, and how what is kept no longer goes."""

from tests.system.reference.model.state import Job, State


def enqueue(state: State, *, queue: str, job: str, not_after_us: int, delay_us: int) -> list[object]:
    """A job comes into being, unless the call is late or the job is known: then its window is extended at most."""
    if state.now_us > not_after_us:
        return ["expired", state.now_us]
    known = state.jobs.get(job)
    if known:
        if known.not_after_us < not_after_us:
            known.not_after_us = not_after_us
            known.expires_ms = known.expires_ms and max(known.expires_ms, -(-not_after_us // 1000))
        return ["known", state.now_us]
    state.jobs[job] = Job(queue, "scheduled" if delay_us else "queued", not_after_us)
    if delay_us:
        state.queue(queue).delayed[job] = state.now_us + delay_us
    else:
        state.queue(queue).waiting.append(job)
        state.queue(queue).wakes()
    return ["applied", state.now_us]


def promote(state: State, *, queue: str, jobs_max: int) -> list[object]:
    """Delayed jobs that are due begin to wait, in the order of their due times."""
    its = state.queue(queue)
    due = sorted((due_us, job) for job, due_us in its.delayed.items() if due_us <= state.now_us)[:jobs_max]
    for _, job in due:
        del its.delayed[job]
        its.waiting.append(job)
        state.jobs[job].status = "queued"
    if due:
        its.wakes()
    return ["applied", len(due), max(0, min(its.delayed.values()) - state.now_us) if its.delayed else ""]


def clean(state: State, *, queue: str, jobs_max: int, keep_finished: str) -> list[object]:
    """Entries whose time is over go; so do the oldest finished jobs beyond the number that is kept, but for a stub."""
    its, removed, more = state.queue(queue), 0, False
    for registry in (its.finished, its.cancelled):
        over = sorted((until, job) for job, until in registry.items() if until <= state.now_us)[:jobs_max]
        for _, job in over:
            del registry[job]
        removed += len(over)
        more = more or len(over) == jobs_max
    if keep_finished:
        excess = min(jobs_max, len(its.finished) - int(keep_finished))
        more = more or excess == jobs_max
        for _, job in sorted((until, job) for job, until in its.finished.items())[: max(0, excess)]:
            del its.finished[job]
            if job in state.jobs:
                state.jobs[job].history = 0
                state.keep(state.jobs[job], 0)
            removed += 1
    return ["applied", removed, "1" if more else ""]
