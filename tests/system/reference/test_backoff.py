"""Properties of the backoff: bounds, cap, growth, no overflow, and a seed that repeats it."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from system.reference import Backoff, SettingsError
from system.reference.backoff import Jitter, Kind

pytestmark = pytest.mark.property

KINDS: st.SearchStrategy[Kind] = st.sampled_from(["fixed", "linear", "exponential"])
JITTERS: st.SearchStrategy[Jitter] = st.sampled_from(["none", "full", "equal"])
SECONDS = st.floats(0, 1e6, allow_nan=False)
FAILURES = st.integers(1, 10_000)
BACKOFFS = st.builds(Backoff, kind=KINDS, base_s=SECONDS, cap_s=SECONDS, jitter=JITTERS)


@given(BACKOFFS, FAILURES, st.integers())
def test_delay_lies_within_its_bounds_and_the_cap(backoff: Backoff, failures: int, seed: int) -> None:
    least_s, most_s = backoff.bounds_s(failures)
    delay_s = backoff.delay_s(failures, Random(seed))
    assert 0 <= least_s <= delay_s <= most_s <= backoff.cap_s


@given(BACKOFFS, st.integers(1, 9_999))
def test_bounds_never_shrink_with_more_failures(backoff: Backoff, failures: int) -> None:
    now, then = backoff.bounds_s(failures), backoff.bounds_s(failures + 1)
    assert now[0] <= then[0]
    assert now[1] <= then[1]


@given(BACKOFFS, FAILURES, st.integers())
def test_same_seed_same_delay(backoff: Backoff, failures: int, seed: int) -> None:
    assert backoff.delay_s(failures, Random(seed)) == backoff.delay_s(failures, Random(seed))


@given(st.builds(Backoff, kind=KINDS, base_s=SECONDS, cap_s=SECONDS, jitter=st.just("none")), FAILURES)
def test_without_jitter_no_randomness_is_drawn(backoff: Backoff, failures: int) -> None:
    rng = Random(0)
    state = rng.getstate()
    assert backoff.delay_s(failures, rng) == backoff.bounds_s(failures)[1]
    assert rng.getstate() == state


@given(KINDS, JITTERS, st.floats(1e-300, 1e300))
def test_no_overflow_at_the_ten_thousandth_failure(kind: Kind, jitter: Jitter, base_s: float) -> None:
    delay_s = Backoff(kind, base_s, 3600.0, jitter).delay_s(10_000, Random(1))
    assert 0 <= delay_s <= 3600


@pytest.mark.parametrize(
    ("kind", "expected_s"),
    [("fixed", [2, 2, 2, 2, 2]), ("linear", [2, 4, 6, 8, 10]), ("exponential", [2, 4, 8, 10, 10])],
)
def test_growth(kind: Kind, expected_s: list[float]) -> None:
    backoff = Backoff(kind, 2.0, 10.0, "none")
    assert [backoff.bounds_s(k)[1] for k in range(1, 6)] == expected_s


@pytest.mark.parametrize(("jitter", "least"), [("full", 0.0), ("equal", 0.5)])
def test_jitter_spreads_over_its_whole_range(jitter: Jitter, least: float) -> None:
    rng = Random(7)
    delays = [Backoff("fixed", 1.0, 1.0, jitter).delay_s(1, rng) for _ in range(2000)]
    width = 1.0 - least
    tenths = [sum(1 for d in delays if least + width * k / 10 <= d < least + width * (k + 1) / 10) for k in range(10)]
    assert min(tenths) > 140


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Backoff("quadratic", -1.0, float("inf"), "some")  # type: ignore[arg-type]
    assert len(caught.value.problems) == 4


def test_failures_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="from 1"):
        Backoff().bounds_s(0)
