"""Several loads as one: all of their jobs, in order of time, each in its own queue."""

from collections import Counter
from random import Random

import pytest
from stormproof_target.spec import fails, hangs, succeeds

from loadtests.arrivals import constant
from scenarios.together import together

pytestmark = pytest.mark.unit

MAIL = constant(rate_s=10, for_s=4, queue="mail", jobs={succeeds(): 3, fails(): 1})
BAD = constant(rate_s=2, for_s=8, queue="bad", jobs={hangs(): 1})
BOTH = together(MAIL, BAD)


def test_all_arrive_in_order_each_in_its_queue() -> None:
    arrivals = list(BOTH.plan(Random(1)))
    assert [each.at_s for each in arrivals] == sorted(each.at_s for each in arrivals)
    assert Counter((each.queue, each.job.kind) for each in arrivals) == {
        ("mail", "succeed"): 30, ("mail", "fail"): 10, ("bad", "hang"): 16,
    }  # fmt: skip
    assert (BOTH.count, BOTH.for_s, BOTH.rate_s) == (56, 8, 7)
    assert BOTH.jobs == {succeeds(): 30, fails(): 10, hangs(): 16}
    assert arrivals == list(BOTH.plan(Random(1)))


def test_a_kind_that_is_left_out_takes_its_load_along() -> None:
    left = BOTH.with_jobs({succeeds(): 1})
    assert {each.queue for each in left.plan(Random(1))} == {"mail"}
    assert (left.count, left.jobs) == (40, {succeeds(): 40})


def test_slowed_together_they_keep_their_shares() -> None:
    slow = BOTH.slowed(3.5, 16)
    assert slow.rate_s == pytest.approx(3.5)
    assert Counter(each.queue for each in slow.plan(Random(1))) == {"mail": 40, "bad": 16}
    assert BOTH.slowed(None, 16) is BOTH
    assert BOTH.stretched(2).for_s == 16
