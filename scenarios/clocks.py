"""The server's clock beside the monotonic one, as the harness's anchors tell it; all in ns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

DRIFT_SHARE_MAX: Final = 0.001
"""What a clock that is slewed may gain or lose: adjtime(3) and NTP keep to 0.0005."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """``server_us`` was read at some moment of [lo, hi]."""

    lo: int
    hi: int
    server_us: int
    server: str

    @property
    def offset(self) -> tuple[int, int]:
        """Server's time minus ours lies between these."""
        return self.server_us * 1000 - self.hi, self.server_us * 1000 + 999 - self.lo


@dataclass(frozen=True, slots=True)
class Step:
    """Within [lo, hi] the clock was set, by at least ``by`` ns (negative: back)."""

    lo: int
    hi: int
    by: int


def anchors(events: Iterable[Mapping[str, Any]]) -> tuple[Anchor, ...]:
    """From the ``anchor`` events, in order of time."""
    found = (Anchor(each["lo_ns"], each["t"], each["server_us"], each.get("server") or "") for each in events)
    return tuple(sorted(found, key=lambda anchor: anchor.hi))


def steps(found: Iterable[Anchor]) -> tuple[Step, ...]:
    """Between which anchors the server's clock was certainly set: no drift explains the distance of their offsets."""
    told = []
    for a, b in pairwise(found):
        drift = int((b.hi - a.lo) * DRIFT_SHARE_MAX)
        (a_lo, a_hi), (b_lo, b_hi) = a.offset, b.offset
        if b_lo - a_hi > drift:
            told.append(Step(a.lo, b.hi, b_lo - a_hi))
        elif a_lo - b_hi > drift:
            told.append(Step(a.lo, b.hi, b_hi - a_lo))
    return tuple(told)
