"""Delays between attempts.

The delay is computed in the worker and passed to ``fail.lua``, not drawn in Lua: the script stays a function of its
arguments (a resent command has the same effect), and randomness is passed in, so a test or a replay can seed it.

Jitter as in M. Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015): *full* and *equal*.
"""

from dataclasses import dataclass
from random import Random
from typing import Final, Literal, get_args

from .errors import SettingsError

Kind = Literal["fixed", "linear", "exponential"]
Jitter = Literal["none", "full", "equal"]

DOUBLINGS_MAX: Final = 64  # 2^64 times any base is past any cap, and no float overflows before


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delay after the k-th failure (k from 1): ``base_s`` times 1 (fixed), k (linear) or 2^(k-1) (exponential).

    Never more than ``cap_s``, jitter included. Jitter ``none`` keeps the delay d, ``full`` draws from [0, d], ``equal``
    from [d/2, d].
    """

    kind: Kind = "exponential"
    base_s: float = 1.0
    cap_s: float = 300.0
    jitter: Jitter = "full"

    def __post_init__(self) -> None:
        """Raise ``SettingsError`` with everything that is wrong."""
        problems = []
        if self.kind not in get_args(Kind):
            problems.append(f"backoff.kind is {self.kind!r}; allowed: {', '.join(get_args(Kind))}")
        if self.jitter not in get_args(Jitter):
            problems.append(f"backoff.jitter is {self.jitter!r}; allowed: {', '.join(get_args(Jitter))}")
        if not 0 <= self.base_s < float("inf"):
            problems.append(f"backoff.base_s is {self.base_s}; allowed: 0 s or more")
        if not 0 <= self.cap_s < float("inf"):
            problems.append(f"backoff.cap_s is {self.cap_s}; allowed: 0 s or more")
        if problems:
            raise SettingsError(problems)

    def bounds_s(self, failures: int) -> tuple[float, float]:
        """Smallest and largest delay in seconds after ``failures`` failures (from 1)."""
        if failures < 1:
            raise ValueError(f"failures is {failures}; they are counted from 1")
        factor = 1.0
        if self.kind == "linear":
            factor = float(failures)
        elif self.kind == "exponential":
            factor = 2.0 ** min(failures - 1, DOUBLINGS_MAX)
        most_s = min(self.cap_s, self.base_s * factor)
        return {"none": most_s, "full": 0.0, "equal": most_s / 2}[self.jitter], most_s

    def delay_s(self, failures: int, rng: Random) -> float:
        """A delay in seconds within ``bounds_s``, drawn from ``rng``."""
        least_s, most_s = self.bounds_s(failures)
        return least_s if least_s == most_s else least_s + (most_s - least_s) * rng.random()
