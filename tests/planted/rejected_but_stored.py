"""Every fiftieth enqueue is called rejected after it was stored: the caller sends the job elsewhere, and it runs twice.

`phantom` must find it: a run of a job that was rejected.
"""

from itertools import count
from typing import Any

from system.reference.errors import Rejected
from system.reference.outage import Buffered, Enqueued
from system.reference.producer import Queue
from tests.planted.variant import Variant, replaces, task

__all__ = ["RejectedButStored", "task"]

NUMBERS = count(1)
sound_enqueue = Queue.enqueue


@replaces(Queue)
def enqueue(self: Queue, *call: Any, **options: Any) -> Enqueued | Buffered:  # noqa: ANN401  # the call of a job
    """Takes a slow answer for a refusal."""
    done = sound_enqueue(self, *call, **options)
    if next(NUMBERS) % 50 == 0:
        raise Rejected(f"{done.job_id}: took too long")
    return done


class RejectedButStored(Variant):
    """Says no when it is done."""

    name = "rejected-but-stored"


if __name__ == "__main__":
    RejectedButStored.main()
