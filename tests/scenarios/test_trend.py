"""Sen's lower bound: certain growth is told, and noise, a saw-tooth or a step is not."""

import math
from itertools import pairwise
from random import Random

import pytest

from scenarios.trend import POINTS_MAX, POINTS_MIN, slope_lower, thinned

pytestmark = pytest.mark.unit


def test_a_straight_line_has_its_own_slope() -> None:
    assert slope_lower([(x, 3 * x + 1) for x in range(50)]) == pytest.approx(3)
    assert slope_lower([(x, 3 * x + 1) for x in range(POINTS_MIN)]) == pytest.approx(3)


def test_too_few_points_bound_nothing() -> None:
    assert slope_lower([]) == slope_lower([(x, x) for x in range(POINTS_MIN - 1)]) == -math.inf
    assert slope_lower([(0, y) for y in range(100)]) == -math.inf  # of one x the last point is kept


def test_the_bound_is_the_rank_that_sen_s_formula_names() -> None:
    """N = 10: 45 slopes, C = 3.29 sqrt(10 * 9 * 25 / 18) = 36.8, so the fourth smallest."""
    points = [(float(x), float(y)) for x, y in enumerate([1, 5, 2, 8, 7, 9, 12, 11, 15, 14])]
    slopes = sorted((d - b) / (c - a) for i, (a, b) in enumerate(points) for c, d in points[i + 1 :])
    assert slope_lower(points) == slopes[3]


def test_outliers_do_not_tilt_it() -> None:
    level = [(float(x), 10.0) for x in range(40)]
    assert slope_lower([*level[:30], (30, 1e6), (31, 1e6), *level[32:]]) <= 0


@pytest.mark.parametrize("seed", range(20))
def test_of_noise_and_a_saw_tooth_it_is_not_positive(seed: int) -> None:
    """Chance of a false one is 1 in 2,000 each; these seeds were not chosen."""
    rng = Random(seed)
    assert slope_lower([(x, rng.gauss(0, 1)) for x in range(60)]) <= 0
    assert slope_lower([(x, x % 12) for x in range(60)]) <= 0.1


def test_points_are_thinned_evenly_with_both_ends() -> None:
    points = [(float(x), float(x)) for x in range(12_345)]
    kept = thinned(points)
    assert len(kept) == POINTS_MAX
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    assert max(b[0] - a[0] for a, b in pairwise(kept)) <= 12_345 / (POINTS_MAX - 1) + 1
