"""The lag histogram: right to an eighth, in constant memory."""

from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.lag import Lag

unhurried = settings(deadline=None)  # the machine may be busy
LAGS_NS = st.lists(st.integers(-10, 10**12), min_size=1)


@unhurried
@given(LAGS_NS, st.floats(0.01, 1))
def test_a_quantile_is_never_too_low_and_at_most_an_eighth_too_high(lags_ns: list[int], q: float) -> None:
    lag = Lag()
    for each in lags_ns:
        lag.add(each)
    ordered = sorted(max(each, 0) for each in lags_ns)
    exact_ms = next(each for rank, each in enumerate(ordered, start=1) if rank >= q * len(ordered)) / 1e6
    assert exact_ms <= lag.quantile_ms(q) <= exact_ms * 1.125
    assert lag.max_ns == ordered[-1]


def test_nothing_counted_is_no_lag() -> None:
    assert Lag().quantile_ms(0.99) == 0


def test_memory_does_not_grow_with_the_number_of_delays() -> None:
    lag = Lag()
    for each in range(200_000):
        lag.add(each * 5_000)
    assert lag.n == 200_000
    assert len(lag._buckets) < 8 * 64
