"""How late the generator itself was, kept in constant memory."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

SUBDIVISIONS: Final = 8  # buckets for each doubling: a quantile is at most 12.5 % too high


@dataclass(slots=True)
class Lag:
    """A histogram of delays in ns with logarithmic buckets. Not thread-safe."""

    n: int = 0
    max_ns: int = 0
    _buckets: Counter[int] = field(default_factory=Counter)

    def add(self, lag_ns: int) -> None:
        """Count one delay; a negative one counts as 0."""
        lag_ns = max(lag_ns, 0)
        self.n += 1
        self.max_ns = max(self.max_ns, lag_ns)
        self._buckets[_bucket(lag_ns)] += 1

    def quantile_ms(self, q: float) -> float:
        """Upper bound in ms of the bucket that holds quantile ``q`` (0 to 1); 0 if nothing was counted."""
        rank, seen = q * self.n, 0
        for bucket in sorted(self._buckets):
            seen += self._buckets[bucket]
            if seen >= rank:
                return min(_upper_ns(bucket), self.max_ns) / 1e6
        return 0.0


def _bucket(lag_ns: int) -> int:
    shift = max(lag_ns.bit_length() - SUBDIVISIONS.bit_length(), 0)
    return shift * SUBDIVISIONS + (lag_ns >> shift)


def _upper_ns(bucket: int) -> int:
    shift = max(bucket // SUBDIVISIONS - 1, 0)
    return (bucket - shift * SUBDIVISIONS + 1 << shift) - 1
