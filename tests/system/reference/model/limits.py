"""What keeps a queue from granting: pause, concurrency, rate, breaker."""

import math

from tests.system.reference.model.state import Breaker, Queue, State

GRANTS_MAX = 1000


def wait_us(state: State, name: str) -> float:
    """0: it may grant now. Else after how long to ask again; infinite where something else will wake."""
    queue = state.queue(name)
    limits = queue.limits
    if queue.paused or ("concurrency" in limits and len(queue.leases) >= int(limits["concurrency"])):
        return math.inf
    return max(_rate_wait_us(state, queue), _breaker_wait_us(state, name))


def _rate_wait_us(state: State, queue: Queue) -> float:
    """At most n grants in any window: the n-th before this one lies more than a window back."""
    limits = queue.limits
    if "rate_name" not in limits:
        return 0
    grants, number = state.rates.get(str(limits["rate_name"]), []), int(limits["rate_n"])
    if len(grants) < number:
        return 0
    return max(0, grants[number - 1] + int(limits["rate_window_us"]) + 1 - state.now_us)


def _breaker_wait_us(state: State, name: str) -> float:
    """Open: until a probe may go. A probe under way: its end wakes."""
    queue = state.queue(name)
    breaker = queue.breaker
    if "breaker_rate" not in queue.limits or breaker is None or not breaker.open:
        return 0
    if state.holds(name, breaker.probe_job, breaker.probe):
        return math.inf
    left_us = breaker.open_until_us - state.now_us
    return 0 if left_us > int(queue.limits["breaker_open_us"]) else max(0, left_us)


def count_grant(state: State, queue: Queue, job: str, exec_: str) -> None:
    """A grant counts against the rate; while the breaker is open it is the probe."""
    if "rate_name" in queue.limits:
        grants = state.rates.setdefault(str(queue.limits["rate_name"]), [])
        grants.insert(0, state.now_us)
        del grants[GRANTS_MAX:]
    if "breaker_rate" in queue.limits and queue.breaker and queue.breaker.open:
        queue.breaker.probe, queue.breaker.probe_job = exec_, job


def observe(state: State, name: str, exec_: str, error_type: str) -> None:
    """A run ended, well ('') or with an error of this type.

    Closed, the breaker opens once one type's share of at least min_runs of a window reaches the rate. Open, only the
    probe's end matters: it closes, or stays open for another while.
    """
    queue = state.queue(name)
    limits, breaker = queue.limits, queue.breaker
    if "breaker_rate" not in limits:
        return
    open_until_us = state.now_us + int(limits["breaker_open_us"])
    if breaker and breaker.open:
        if breaker.probe != exec_:
            return
        if error_type:
            queue.breaker = Breaker(open=error_type, open_until_us=open_until_us)
        else:
            queue.breaker = None
            state.audit.append(("breaker_close", name, "", breaker.open, "applied"))
            queue.wakes()
        return
    if breaker is None or state.now_us - breaker.window_from_us > int(limits["breaker_window_us"]):
        breaker = queue.breaker = Breaker(window_from_us=state.now_us)
    breaker.runs += 1
    if not error_type:
        return
    failed = breaker.failed[error_type] = breaker.failed.get(error_type, 0) + 1
    if breaker.runs >= int(limits["breaker_min_runs"]) and failed / breaker.runs >= float(limits["breaker_rate"]):
        queue.breaker = Breaker(open=error_type, open_until_us=open_until_us)
        state.audit.append(("breaker_open", name, "", "closed", "applied"))
