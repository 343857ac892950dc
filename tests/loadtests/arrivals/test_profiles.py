"""Arrival profiles: how many jobs of which kind arrive when, and what becomes of that on a slower target."""

import math
import tracemalloc
from collections import Counter
from itertools import islice, pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.arrivals import (
    PROFILES,
    Arrivals,
    ArrivalsError,
    Burst,
    Constant,
    Delayed,
    Soak,
    burst,
    constant,
    profile,
    soak,
)

unhurried = settings(deadline=None)  # the machine may be busy
MIXES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 60), min_size=1).filter(
    lambda jobs: any(jobs.values())
)
KINDS: st.SearchStrategy[type[Constant[str] | Burst[str] | Soak[str]]] = st.sampled_from([Constant, Burst, Soak])
COUNTS, SECONDS = st.integers(1, 1500), st.floats(0.001, 10_000)
SEEDS = st.integers(0, 2**64)


@st.composite
def profiles(draw: st.DrawFn) -> Arrivals[str]:
    kind = draw(KINDS)
    return kind(count=draw(COUNTS), for_s=draw(SECONDS), jobs=draw(MIXES))


@unhurried
@given(profiles(), SEEDS)
def test_exactly_the_promised_number_arrives_in_order_within_the_time(load: Arrivals[str], seed: int) -> None:
    times_s = [arrival.at_s for arrival in load.plan(Random(seed))]
    assert len(times_s) == load.count
    assert all(before <= after for before, after in pairwise(times_s))
    assert times_s[0] >= 0
    assert times_s[-1] <= load.for_s


@unhurried
@given(profiles(), SEEDS)
def test_the_same_seed_gives_the_same_plan(load: Arrivals[str], seed: int) -> None:
    assert list(load.plan(Random(seed))) == list(load.plan(Random(seed)))


@unhurried
@given(profiles(), SEEDS)
def test_every_kind_comes_in_proportion_to_its_weight(load: Arrivals[str], seed: int) -> None:
    found = Counter(arrival.job for arrival in load.plan(Random(seed)))
    positive = {job: weight for job, weight in load.jobs.items() if weight > 0}
    assert found.keys() <= positive.keys()
    if load.count >= len(positive):
        assert found.keys() == positive.keys()
    total = sum(positive.values())
    for job, weight in positive.items():
        exact = load.count * weight / total
        slack = 1 if load.count >= total else len(positive)  # a short run gives rare kinds one job all the same
        assert abs(found[job] - exact) <= slack


@unhurried
@given(SEEDS)
def test_proportions_hold_at_every_moment_of_a_long_run(seed: int) -> None:
    jobs = {"common": 9_997, "rare": 3}  # more than one block holds
    found: Counter[str] = Counter()
    for number, arrival in enumerate(constant(rate_s=100, for_s=400, jobs=jobs).plan(Random(seed)), start=1):
        found[arrival.job] += 1
        if number % 1000 == 0:
            assert abs(found["rare"] - number * 3 / 10_000) <= 1


def test_kinds_are_shuffled() -> None:
    jobs = [arrival.job for arrival in constant(jobs={"a": 1, "b": 1, "c": 2}).plan(Random(1))]
    assert len({tuple(jobs[at : at + 4]) for at in range(0, len(jobs), 4)}) > 6


@unhurried
@given(st.floats(0, 1), COUNTS, SEEDS)
def test_the_asked_share_of_jobs_is_delayed(share: float, count: int, seed: int) -> None:
    load = Constant(count=count, for_s=1, jobs={"a": 1}, delayed=Delayed(share, 2.5))
    delays = Counter(arrival.delay_s for arrival in load.plan(Random(seed)))
    assert delays.keys() <= {0.0, 2.5}
    assert abs(delays[2.5] - share * count) <= 1 + 1e-6


def test_delays_do_not_move_the_arrivals() -> None:
    plain = [arrival.at_s for arrival in soak(for_s=5, jobs={"a": 1}).plan(Random(7))]
    delayed = soak(for_s=5, jobs={"a": 1}, delayed=Delayed(0.3, 1)).plan(Random(7))
    assert [arrival.at_s for arrival in delayed] == plain


@unhurried
@given(profiles(), st.floats(0.01, 100), SEEDS)
def test_stretching_keeps_the_jobs_and_scales_the_times(load: Arrivals[str], factor: float, seed: int) -> None:
    longer = load.stretched(factor)
    assert longer.count == load.count
    for before, after in zip(load.plan(Random(seed)), longer.plan(Random(seed)), strict=True):
        assert after.job == before.job
        assert math.isclose(after.at_s, before.at_s * factor, rel_tol=1e-9, abs_tol=1e-12)


@unhurried
@given(profiles(), st.floats(0.5, 1000), st.floats(0.1, 1000))
def test_a_slowed_load_keeps_to_rate_and_length_and_leaves_out_no_more_than_it_must(
    load: Arrivals[str], rate_s: float, for_s_max: float
) -> None:
    slowed = load.slowed(rate_s, for_s_max)
    assert slowed.for_s <= max(for_s_max, load.for_s) * (1 + 1e-9)
    assert slowed.count <= load.count
    assert slowed.count == 1 or slowed.rate_s <= max(rate_s, 0) * (1 + 1e-6) or slowed == load
    if slowed.count < load.count:  # only where the time is used up, and to the last job
        assert math.isclose(slowed.for_s, max(for_s_max, load.for_s), rel_tol=1e-9)
        assert slowed.count + 1 > rate_s * slowed.for_s * (1 - 1e-6)


@pytest.mark.parametrize(
    ("load", "rate_s", "count", "for_s"),
    [
        (constant(rate_s=100, for_s=8, jobs={"a": 1}), None, 800, 8),
        (constant(rate_s=100, for_s=8, jobs={"a": 1}), 200, 800, 8),
        (constant(rate_s=100, for_s=8, jobs={"a": 1}), 50, 800, 16),
        (constant(rate_s=100, for_s=8, jobs={"a": 1}), 25, 400, 16),
        (constant(rate_s=20, for_s=8, jobs={"a": 1}), 25, 160, 8),
        (burst(count=1000, at_s=1, for_s=8, jobs={"a": 1}), 25, 400, 16),
        (soak(rate_s=100, for_s=3600, jobs={"a": 1}), 25, 90_000, 3600),
    ],
)
def test_what_a_slower_target_gets(load: Arrivals[str], rate_s: float | None, count: int, for_s: float) -> None:
    slowed = load.slowed(rate_s, 16)
    assert (slowed.count, slowed.for_s) == (count, for_s)


def test_sustained_load_is_a_hundred_evenly_spaced_jobs_a_second() -> None:
    times_s = [arrival.at_s for arrival in profile("sustained", for_s=3, jobs={"a": 1}).plan(Random(1))]
    assert times_s == [number / 100 for number in range(300)]


def test_a_burst_is_a_thousand_jobs_at_one_moment_wherever_it_is_stretched_to() -> None:
    load = burst(at_s=2, jobs={"a": 1}).stretched(1.5)
    assert Counter(arrival.at_s for arrival in load.plan(Random(1))) == {3.0: 1000}


def test_a_soak_s_gaps_are_those_of_a_poisson_process() -> None:
    times_s = [arrival.at_s for arrival in soak(rate_s=50, for_s=400, jobs={"a": 1}).plan(Random(11))]
    gaps_s = [after - before for before, after in pairwise(times_s)]
    longer = sum(gap_s > 1 / 50 for gap_s in gaps_s) / len(gaps_s)
    assert abs(longer - math.exp(-1)) < 0.02
    halves = sum(at_s < 200 for at_s in times_s) / len(times_s)
    assert abs(halves - 0.5) < 0.02


def test_a_plan_of_a_month_costs_no_memory_until_it_is_walked_and_none_then() -> None:
    tracemalloc.start()
    try:
        plan = soak(rate_s=300, for_s=30 * 24 * 3600, jobs={"a": 19, "b": 1}).plan(Random(1))
        first = list(islice(plan, 1000))
        after_first, _ = tracemalloc.get_traced_memory()
        for _arrival in islice(plan, 50_000):
            pass
        after_many, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(first) == 1000
    assert after_many - after_first < 10_000


def test_other_kinds_of_job_in_the_same_number() -> None:
    load = constant(jobs={"a": 1, "b": 1}).with_jobs({"b": 1})
    assert Counter(arrival.job for arrival in load.plan(Random(1))) == {"b": 800}


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ArrivalsError) as wrong:
        burst(count=0, at_s=9, for_s=-1, jobs={"a": -2}, delayed=Delayed(1.5, -1))
    for key in ("count", "for_s", "at_s", "positive weight", "-2", "share", "delay_s"):
        assert key in str(wrong.value)


@pytest.mark.parametrize("rate_s", [0, -1, math.nan, math.inf, 1e-9])
def test_a_rate_that_gives_no_jobs_is_refused(rate_s: float) -> None:
    with pytest.raises(ArrivalsError, match="rate_s"):
        constant(rate_s=rate_s, for_s=8, jobs={"a": 1})


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("for_s", [0, -1, math.nan, math.inf])
def test_a_length_that_makes_no_sense_is_refused(name: str, for_s: float) -> None:
    with pytest.raises(ArrivalsError, match="for_s"):
        profile(name, for_s=for_s, jobs={"a": 1})


def test_an_unknown_profile_s_error_names_those_that_there_are() -> None:
    with pytest.raises(ArrivalsError, match="sustained, burst, soak"):
        profile("trickle", for_s=1, jobs={"a": 1})


def test_a_slowing_to_nothing_is_refused() -> None:
    with pytest.raises(ArrivalsError, match="rate_s"):
        constant(jobs={"a": 1}).slowed(0, 16)
