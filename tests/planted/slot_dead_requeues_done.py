"""A slot that ends gives back its last job, also where that job is over: whether it still holds it is not asked.

`duplicates` must find it, in `rolling_deploy`: a slot that is told to stop reports its last job as done and leaves, and
the job runs again.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["SlotDeadRequeuesDone", "task"]


class SlotDeadRequeuesDone(Variant):
    """Takes what was claimed for what is held."""

    name = "slot-dead-requeues-done"
    places = (
        Place(
            "slot_dead",
            "local held = queue and queue ~= '' and holds(queue, id, exec)",
            "local held = queue and queue ~= ''",
        ),
    )


if __name__ == "__main__":
    SlotDeadRequeuesDone.main()
