"""Times of the server are held against runs by anchors, which leave an interval and no more.

an offset lies between two bounds       test_an_offset_is_an_interval
a clock was set where two exclude
each other, and no drift explains it    test_a_clock_that_was_set_is_told, test_drift_is_no_step
set back, it accuses nobody             test_grants_by_a_clock_that_was_set_back_accuse_nobody
"""

from dataclasses import replace

import pytest

from scenarios.checkers.rate import rate
from scenarios.clocks import Anchor, anchors, steps
from tests.scenarios.histories import PROMISE, SCENARIO, Lines, acked, at_ns, granted, history, run, state

pytestmark = pytest.mark.unit

S = 1_000_000_000
LIMITED = replace(PROMISE, rate_n=1, rate_window_s=1.0)
TWO = (*(acked(name, 0) for name in "jk"), run("j", 1, 1.1), run("k", 5, 5.1), state("j", "finished"))


def anchor(at_s: float, server_s: float, took_s: float = 0.001) -> Anchor:
    return Anchor(round(at_s * S), round((at_s + took_s) * S), round(server_s * 1e6), "a")


def told(at_s: float, server_s: float) -> Lines:
    fields = {"lo_ns": at_ns(at_s), "server_us": round(server_s * 1e6), "server": "a"}
    return [{"w": "harness-1-a", "t": at_ns(at_s + 0.001), "e": "anchor", **fields}]


def test_an_offset_is_an_interval() -> None:
    lo, hi = anchor(10, 110.4, took_s=0.5).offset
    assert lo == pytest.approx(99.9 * S)
    assert hi == pytest.approx(100.4 * S, abs=1000)


@pytest.mark.parametrize("by_s", [-5.0, -0.01, 0.01, 3600.0])
def test_a_clock_that_was_set_is_told(by_s: float) -> None:
    (step,) = steps([anchor(0, 100), anchor(0.5, 100.5), anchor(1, 101 + by_s), anchor(1.5, 101.5 + by_s)])
    assert (step.lo, step.hi) == (round(0.5 * S), round(1.001 * S))
    assert step.by / S == pytest.approx(by_s, abs=0.002)


@pytest.mark.parametrize("share", [-0.0005, 0.0005])
def test_drift_is_no_step(share: float) -> None:
    assert not steps([anchor(at / 2, 100 + at / 2 * (1 + share)) for at in range(200)])


def test_a_slow_answer_tells_little_and_accuses_no_clock() -> None:
    assert not steps([anchor(0, 100), anchor(0.5, 102.5, took_s=2.1), anchor(3, 103)])


def test_anchors_come_in_order_from_their_events() -> None:
    events = [line for at in (2, 1) for line in told(at, 100 + at)]
    assert [each.server_us for each in anchors(events)] == [101_000_000, 102_000_000]


def test_grants_by_a_clock_that_was_set_back_accuse_nobody() -> None:
    """Two grants four seconds apart, which the server's clock tells to be one millisecond apart."""
    close = granted(1, 1.001)
    steady = [line for at in range(6) for line in told(at, 100 + at)]
    set_back = [line for at in range(6) for line in told(at, 100 + at - (4 if at > 2 else 0))]
    assert rate(history(*TWO, close), LIMITED, SCENARIO).total == 1
    assert rate(history(*TWO, close, steady), LIMITED, SCENARIO).total == 1
    assert rate(history(*TWO, close, set_back), LIMITED, SCENARIO).total == 0
