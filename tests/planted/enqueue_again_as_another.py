"""An enqueue whose reply was lost is sent again under a new id: both are stored, and the job runs twice.

`duplicates` must find it: the harness's id travels in the payload, and a lost reply is no cause.
"""

from system.reference.one_try import DoubtError
from system.reference.outage import Attempts, Enqueued
from tests.planted.variant import Variant, replaces, task

__all__ = ["EnqueueAgainAsAnother", "task"]

sound_once = Attempts.once


@replaces(Attempts)
def once(self: Attempts) -> Enqueued:
    """The next try has an id of its own."""
    try:
        return sound_once(self)
    except DoubtError:
        self.job_id += "-again"
        raise


class EnqueueAgainAsAnother(Variant):
    """Makes its retry no repeat."""

    name = "enqueue-again-as-another"


if __name__ == "__main__":
    EnqueueAgainAsAnother.main()
