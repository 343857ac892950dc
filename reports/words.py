"""Numbers and words as reports print them. A rounded number never crosses a limit for the better."""

import math
from typing import Final

from reports.run_record import Comparison, Unit

_SMALL: Final = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)


def count_word(n: int) -> str:
    """``six``; digits from thirteen."""
    return _SMALL[n] if n < len(_SMALL) else f"{n:,}"


def plural(n: int, one: str, many: str = "") -> str:
    """``1 job``, ``1,204 jobs``."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def metric_words(name: str) -> str:
    """``p95 job time`` for ``p(95) job_time``."""
    return name.replace("_", " ").replace("p(", "p").replace(")", "")


def seconds(value_s: float) -> str:
    """A measured duration: ``48 ms``, ``0.86 s``, ``15.1 s``, ``12.3 min``; ``never`` for infinity."""
    if math.isinf(value_s):
        return "never"
    if value_s >= 600:  # noqa: PLR2004  # ten minutes
        return f"{value_s / 60:,.1f} min"
    if 0 < value_s < 0.1:  # noqa: PLR2004  # two figures
        return f"{value_s * 1000:.0f} ms"
    return f"{value_s:.2f} s" if value_s < 10 else f"{value_s:.1f} s"  # noqa: PLR2004  # two figures


def percent(ratio: float) -> str:
    """``99.906 %``, cut off and not rounded, so that 100 % means all; tiny shares keep two figures."""
    value = math.floor(ratio * 100_000 + 1e-6) / 1000
    return f"{value:.10g} %" if value or not ratio else f"{ratio * 100:.2g} %"


def measured(value: float | None, unit: Unit, *, lower_bound: bool = False) -> str:
    """A measured value with its unit; ``–`` where there is none, ``> 15.1 s`` where only a lower bound is known."""
    if value is None:
        return "–"
    text = f"{value:,.0f}" if unit == "jobs" else seconds(value) if unit == "s" else percent(value)
    return f"> {text}" if lower_bound and not math.isinf(value) else text


def limit(value: float, unit: Unit) -> str:
    """A threshold, exactly: ``6 s``, ``2 min``, ``24 h``, ``99.95 %``, ``0``."""
    if unit == "ratio":
        return f"{value * 100:.10g} %"
    if unit == "jobs":
        return f"{value:,.10g}"
    for size, name in ((3600.0, "h"), (60.0, "min")):
        if value >= size and value % size == 0:
            return f"{value / size:g} {name}"
    return f"{value:g} s"


def bound(comparison: Comparison, value: float, unit: Unit) -> str:
    """``< 6 s``; equality as one sign."""
    return f"{'=' if comparison == '==' else comparison.replace('>=', '≥').replace('<=', '≤')} {limit(value, unit)}"
