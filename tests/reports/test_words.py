import math

import pytest

from reports.run_record import Comparison, Unit
from reports.words import bound, count_word, limit, measured, plural


@pytest.mark.parametrize(
    ("value", "unit", "lower_bound", "text"),
    [
        (None, "s", False, "–"),
        (0.0, "s", False, "0.00 s"),
        (0.048, "s", False, "48 ms"),
        (0.857, "s", False, "0.86 s"),
        (15.12, "s", True, "> 15.1 s"),
        (738.0, "s", False, "12.3 min"),
        (math.inf, "s", False, "never"),
        (math.inf, "s", True, "never"),
        (3, "jobs", False, "3"),
        (12_004, "jobs", False, "12,004"),
        (1.0, "ratio", False, "100 %"),
        (0.0, "ratio", False, "0 %"),
        (0.99906, "ratio", False, "99.906 %"),
    ],
)
def test_measured_values(value: float | None, unit: Unit, *, lower_bound: bool, text: str) -> None:
    assert measured(value, unit, lower_bound=lower_bound) == text


def test_a_ratio_is_cut_off_so_that_100_percent_means_all() -> None:
    assert measured(0.999999, "ratio") == "99.999 %"
    assert measured(0.000004, "ratio") == "0.0004 %"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (6, "s", "6 s"),
        (0.8, "s", "0.8 s"),
        (90, "s", "90 s"),
        (120, "s", "2 min"),
        (86_400, "s", "24 h"),
        (0.9995, "ratio", "99.95 %"),
        (0, "jobs", "0"),
    ],
)
def test_limits_are_exact(value: float, unit: Unit, text: str) -> None:
    assert limit(value, unit) == text


@pytest.mark.parametrize(("comparison", "text"), [("==", "= 0"), (">=", "≥ 0"), ("<=", "≤ 0"), ("<", "< 0")])
def test_bounds_use_one_sign(comparison: Comparison, text: str) -> None:
    assert bound(comparison, 0, "jobs") == text


def test_counting() -> None:
    assert [count_word(n) for n in (0, 6, 12, 13, 1300)] == ["no", "six", "twelve", "13", "1,300"]
    assert [plural(1, "job"), plural(1204, "job"), plural(2, "entry", "entries")] == [
        "1 job",
        "1,204 jobs",
        "2 entries",
    ]
