"""Whether delays are spread over their range as jitter spreads them: all together, and those of each process.

A delay is known within an interval only: a queue may hear of a failure late, notice late that the job is due, and start
it late, and the machine may stall. One that came to no end, or that had another cause too, may have been any: it is
left in, as the whole range, since what keeps the long delays from being seen would else make the short ones look dense.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

CHANCE_MAX: Final = 1e-9
"""Of a false alarm, for each test: all against the even distribution, all by their width, each process by its own."""
DISTANCE_MIN: Final = 0.25
DELAYS_MIN: Final = 100
DELAYS_MAX: Final = 3000  # more tell no more


@dataclass(frozen=True, slots=True)
class Share:
    """Which part of its range a delay was: from ``least`` to ``most``, where the queue heard of the failure at once.

    Where it heard of it later, it was less by up to ``late``. ``process``: where the failed run was.
    """

    process: str
    least: float = -math.inf
    most: float = math.inf
    late: float = 0.0


def distance_from_even(shares: Sequence[Share]) -> tuple[float, float]:
    """Least distance of the shares' distribution from the even one, and its chance under true jitter, at most.

    By Dvoretzky, Kiefer and Wolfowitz with Massart's constant: 2 exp(-2 n d²).
    """
    n = len(shares)
    seen = sorted(_clipped(each.most) for each in shares)
    earliest = sorted(_clipped(each.least - each.late) for each in shares)
    distance = max(
        max(rank / n - at_most, at_least - (rank - 1) / n)
        for rank, (at_least, at_most) in enumerate(zip(earliest, seen, strict=True), start=1)
    )
    return distance, min(1.0, 2 * math.exp(-2 * n * distance * distance)) if distance > 0 else 1.0


def chance_of_clusters(shares: Sequence[Share], *, together: bool = False) -> float:
    """The chance, at most, that draws lie so close to each other in each process, all processes reckoned together.

    ``together``: that all of them do, as those of one process.

    n independent draws from a range of length 1 lie within some interval of length w with a chance of at most
    n w^(n-1): one of them is the lowest, and each other falls within w above it. That holds also where each was moved
    by something that does not depend on it, as by a late report. The logarithms of such chances of independent
    processes, summed, are at most what Fisher's method takes for them: chi square with two degrees of freedom each.
    """
    by_process: dict[str, list[Share]] = defaultdict(list)
    for each in shares:
        by_process["" if together else each.process].append(each)
    several = [mine for mine in by_process.values() if len(mine) > 1]
    total = -sum(min(0.0, math.log(n) + (n - 1) * math.log(width)) for n, width in map(_width, several))
    if total <= 0:
        return 1.0
    logs = (k * math.log(total) - math.lgamma(k + 1) - total for k in range(len(several)))
    return min(1.0, sum(map(math.exp, logs)))


def _width(mine: Sequence[Share]) -> tuple[int, float]:
    """How many there are, and the most that the highest may lie above the lowest."""
    return len(mine), max(max(each.most for each in mine) - min(each.least for each in mine), 1e-9)


def _clipped(share: float) -> float:
    """The even distribution at a share: one delay that is far too long moves it no further than to the end."""
    return min(max(share, 0.0), 1.0)
