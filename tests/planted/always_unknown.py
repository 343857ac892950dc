"""Every enqueue ends in "nobody knows", although it was stored: what is never acknowledged can't be lost.

`unknown` must find it: nothing was broken at the time.
"""

from typing import Any

from system.reference.errors import Unknown
from system.reference.producer import Queue
from tests.planted.variant import Variant, replaces, task

__all__ = ["AlwaysUnknown", "task"]

sound_enqueue = Queue.enqueue


@replaces(Queue)
def enqueue(self: Queue, *call: Any, **options: Any) -> None:  # noqa: ANN401  # the call of a job
    """Stores it and does not say so."""
    done = sound_enqueue(self, *call, **options)
    raise Unknown(f"{done.job_id}: no answer")


class AlwaysUnknown(Variant):
    """Promises nothing."""

    name = "always-unknown"


if __name__ == "__main__":
    AlwaysUnknown.main()
