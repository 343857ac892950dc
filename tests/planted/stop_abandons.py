"""A worker that is told to stop ends at once what it runs, and gives nothing back.

As a fetch that loses what runs at a normal shutdown, sidekiq/sidekiq#1109. `lost` must find it.
"""

from system.reference.slot_process import ABORTED, SlotProcess
from tests.planted.variant import Place, Variant, replaces, task

__all__ = ["StopAbandons", "task"]


@replaces(SlotProcess)
def ask_to_stop(self: SlotProcess) -> None:
    """Does not ask."""
    self.kill(ABORTED)


class StopAbandons(Variant):
    """The lease is dropped, and the job put nowhere."""

    name = "stop-abandons"
    places = (Place("abort", "local fate = push_front(queue, id, exec .. ' abort')", "local fate = 'requeued'"),)


if __name__ == "__main__":
    StopAbandons.main()
