"""A body is told its attempt by what its slot has seen of the job: a retry in another slot is a first attempt again.

`attempts` must find it, in `retries`: runs are told a number that earlier failures make impossible.
"""

from collections import Counter
from dataclasses import replace

from system.reference import current, execution
from system.reference.current import CurrentJob
from tests.planted.variant import Variant, replaces, task

__all__ = ["AttemptCountedInTheSlot", "task"]

BEGUN: Counter[str] = Counter()
sound_set_current_job = current.set_current_job


@replaces(execution)
def set_current_job(job: CurrentJob | None) -> None:
    """Counts where the body begins."""
    if job is not None:
        BEGUN[job.id] += 1
        job = replace(job, attempt=BEGUN[job.id])
    sound_set_current_job(job)


class AttemptCountedInTheSlot(Variant):
    """Each slot counts for itself."""

    name = "attempt-counted-in-the-slot"


if __name__ == "__main__":
    AttemptCountedInTheSlot.main()
