"""When a scenario has come to rest: pure decisions, so that they can be tested without waiting."""

from dataclasses import dataclass
from typing import Final

NS_A_SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the running system; monotonic ns. ``outstanding``: jobs that raw keys still hold as undone."""

    now_ns: int
    last_event_ns: int
    outstanding: int


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the runner waits after the load's end and the last heal, ``from_ns``.

    Quiet for ``rest_s`` with nothing outstanding is rest. With jobs outstanding it waits on: until the target's own
    promise of recovery is over in quiet (then what is left is stranded), and never longer than ``settle_s``.
    """

    from_ns: int
    rest_s: float
    settle_s: float
    recovery_s: float

    def is_over(self, look: Look) -> bool:
        """Whether to stop waiting."""
        quiet_s = (look.now_ns - max(look.last_event_ns, self.from_ns)) / NS_A_SECOND
        if look.outstanding == 0 and quiet_s >= self.rest_s:
            return True
        if quiet_s > max(self.rest_s, self.recovery_s):
            return True
        return self.left_s(look.now_ns) <= 0

    def left_s(self, now_ns: int) -> float:
        """Seconds until it stops whatever happens."""
        return self.settle_s - (now_ns - self.from_ns) / NS_A_SECOND
