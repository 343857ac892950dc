"""What operators do: each step names what they saw, so that a late copy finds something else and is refused."""

from tests.system.reference.model.leases import file_cancelled
from tests.system.reference.model.state import Job, State

STUB_US = 60_000_000


def cancel(  # noqa: C901, PLR0911  # a return for each reply
    state: State, *, queue: str, job: str, life: str, not_after_us: int, keep_s: int
) -> list[object]:
    """A job that has no outcome yet ends: at once, or, if it runs, by a request that its worker hears of."""
    record, its = state.jobs.get(job), state.queue(queue)

    def refused(why: str) -> list[object]:
        state.audit.append(("cancel", queue, job, record.status if record else "", f"refused: {why}"))
        return ["refused", why]

    if record is None or record.queue != queue or not record.status:
        return refused("no such job")
    if state.now_us > not_after_us:
        return refused("expired")
    if str(record.requeues) != life:
        return refused("requeued since")
    if job in its.cancelled:
        return ["replayed", "cancelled"]
    if job in its.leases:
        if record.cancel_request:
            return ["replayed", "requested"]
        record.cancel_request = str(keep_s)
        state.audit.append(("cancel", queue, job, record.status, "requested"))
        return ["applied", "requested"]
    if job in its.dead:
        return refused("dead")
    if job not in its.delayed and job not in its.waiting:
        return refused(record.status)
    if its.delayed.pop(job, None) is None:
        its.waiting.remove(job)
    state.audit.append(("cancel", queue, job, record.status, "cancelled"))
    record.cancel_request = str(keep_s)
    file_cancelled(state, queue, job, record.settled)
    return ["applied", "cancelled"]


def pause(state: State, *, queue: str, epoch: str, request: str) -> list[object]:
    """The queue grants nothing more; what runs may end."""
    its = state.queue(queue)
    before = "paused" if its.paused else "open"
    return _control(state, queue, "pause", epoch, request, before, "already paused" if its.paused else "")


def resume(state: State, *, queue: str, epoch: str, request: str) -> list[object]:
    """The queue grants again; an open breaker closes too."""
    its = state.queue(queue)
    broken = its.breaker is not None and bool(its.breaker.open)
    before = "paused" if its.paused else "breaker open" if broken else "open"
    return _control(state, queue, "resume", epoch, request, before, "not paused" if before == "open" else "")


def _control(  # noqa: PLR0917
    state: State, queue: str, action: str, epoch: str, request: str, before: str, hindrance: str
) -> list[object]:
    """Compare and set: it is refused if anybody has changed the control since ``epoch``."""
    its = state.queue(queue)
    if its.request == request:
        return ["replayed", its.epoch]
    why = "changed since" if str(its.epoch) != epoch else hindrance
    state.audit.append((action, queue, "", before, f"refused: {why}" if why else "applied"))
    if why:
        return ["refused", why, its.epoch]
    its.paused, its.epoch, its.request = action == "pause", its.epoch + 1, request
    if action == "resume":
        its.breaker = None
        its.wakes()
    return ["applied", its.epoch]


def requeue(state: State, *, queue: str, job: str, death: str, times_max: str, delay_us: int) -> list[object]:
    """A dead letter gets another life: at the tail, or delayed."""
    record, its = state.jobs.get(job), state.queue(queue)
    if record and record.requeued_from == death:
        return ["replayed"]
    refused = _not_that_death(state, queue, job, death)
    if not refused and record and times_max and record.requeues >= int(times_max):
        refused = "requeued often enough"
    if refused or record is None:
        state.audit.append(("requeue", queue, job, record.status if record else "", f"refused: {refused}"))
        return ["refused", refused]
    state.audit.append(("requeue", queue, job, f"dead: {record.dead_reason}", "applied"))
    del its.dead[job]
    record.forget_failures()
    record.requeues += 1
    record.requeued_from, record.status = death, "scheduled" if delay_us else "queued"
    if delay_us:
        its.delayed[job] = state.now_us + delay_us
    else:
        its.waiting.append(job)
        its.wakes()
    return ["applied"]


def discard(state: State, *, queue: str, job: str, death: str, action: str) -> list[object]:
    """A dead letter is removed; a stub stays, by which late copies are known."""
    record = state.jobs.get(job)
    if record and record.discarded == death:
        return ["replayed"]
    refused = _not_that_death(state, queue, job, death)
    if refused or record is None:
        state.audit.append((action, queue, job, record.status if record else "", f"refused: {refused}"))
        return ["refused", refused]
    state.audit.append((action, queue, job, f"dead: {record.dead_reason}", "applied"))
    del state.queue(queue).dead[job]
    stub = state.jobs[job] = Job(queue, "", record.not_after_us, discarded=death)
    state.keep(stub, STUB_US)
    return ["applied"]


def _not_that_death(state: State, queue: str, job: str, death: str) -> str:
    if job not in state.queue(queue).dead:
        return "not dead"
    return "" if state.jobs[job].settled == death else "another death"


def register(
    state: State,
    *,
    queue: str,
    version: int,
    digest: str,
    place: str,
    replaces: int,
    limits: dict[str, str | int],
) -> list[object]:
    """A worker's configuration holds from now on, if it is newer, or names the one that it replaces."""
    its = state.queue(queue)
    if version == its.version:
        return ["known" if digest == its.digest else "conflict", its.version, its.place]
    highest = max(its.highest, its.version)
    if version <= highest and replaces != its.version:
        return ["superseded", its.version, its.place]
    action = "activate" if version <= highest else "register"
    state.audit.append((action, queue, "", f"version {its.version}", f"applied: version {version}"))
    its.version, its.digest, its.place, its.limits = version, digest, place, dict(limits)
    its.highest = max(highest, version)
    if "breaker_rate" not in limits:
        its.breaker = None
    if its.waiting:
        its.wakes()
    return ["applied", version, place]
