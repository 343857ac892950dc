"""Time as the generator sees it: passed in, so that tests need no waiting."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock."""

    def now_ns(self) -> int:
        """Now, in ns."""
        ...

    def wait_until(self, t_ns: int, stop: threading.Event) -> None:
        """Return at ``t_ns``, or earlier if ``stop`` is set; at once if that is past."""
        ...


class SystemClock:
    """``CLOCK_MONOTONIC``, which the ledger uses too."""

    def now_ns(self) -> int:
        """Now, in ns."""
        return time.monotonic_ns()

    def wait_until(self, t_ns: int, stop: threading.Event) -> None:
        """Sleep."""
        left_ns = t_ns - time.monotonic_ns()
        if left_ns > 0:
            stop.wait(left_ns / 1e9)
