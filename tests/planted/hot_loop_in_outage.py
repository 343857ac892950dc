"""While Redis is away, it is tried again without a pause: every process of the worker takes a processor for itself.

As a loop over a connection that is closed, celery/kombu#2214. `leaks` must find it.
"""

from system.reference.link import Retrier
from tests.planted.variant import Variant, replaces, task

__all__ = ["HotLoopInOutage", "task"]


@replaces(Retrier)
def pause_s(self: Retrier) -> float:
    """None."""
    self.failures += 1
    return 0.0


class HotLoopInOutage(Variant):
    """Never waits between two tries."""

    name = "hot-loop-in-outage"


if __name__ == "__main__":
    HotLoopInOutage.main()
