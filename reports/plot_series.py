"""What a plot shows of a series: at most so many bins, and round ticks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from reports.run_record import Series


@dataclass(frozen=True, slots=True)
class Binned:
    """Rates in jobs/s, and the highest backlog, in each bin [edges_s[i], edges_s[i + 1])."""

    edges_s: tuple[float, ...]
    arrivals_s: tuple[float, ...]
    completions_s: tuple[float, ...]
    backlog: tuple[int, ...]


def binned(series: Series, bins_max: int) -> Binned:
    """Neighbouring bins merged until there are at most ``bins_max``."""
    every = math.ceil(len(series.backlog) / bins_max)
    starts = range(0, len(series.backlog), every)
    edges = (*(series.edges_s[start] for start in starts), series.edges_s[-1])
    widths = [high - low for low, high in pairwise(edges)]

    def rate(counts: Sequence[int]) -> tuple[float, ...]:
        return tuple(sum(counts[start : start + every]) / width for start, width in zip(starts, widths, strict=True))

    return Binned(
        edges_s=edges,
        arrivals_s=rate(series.arrivals),
        completions_s=rate(series.completions),
        backlog=tuple(max(series.backlog[start : start + every]) for start in starts),
    )


def ticks(value_max: float, count_max: int) -> tuple[float, ...]:
    """0 and at most ``count_max`` multiples, up to ``value_max``, of the smallest round step: 1, 2, 5 times 10^k."""
    power = 10.0 ** math.floor(math.log10(value_max / count_max))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if value_max // (power * factor) <= count_max)
    return tuple(round(step * index, 9) for index in range(int(value_max // step) + 1))
