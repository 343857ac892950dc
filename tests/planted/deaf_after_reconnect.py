"""A slot whose connection was away for a moment goes on as if nothing had been, but for the queues that it serves.

As workers that reconnect and consume nothing, celery/celery#8091. `lost` must find it, as stranded.
"""

from system.reference.slot import Slot
from tests.planted.variant import Variant, replaces, task

__all__ = ["DeafAfterReconnect", "task"]

sound_went_well = Slot._went_well


@replaces(Slot)
def _went_well(self: Slot) -> None:
    """Its subscription is another one."""
    if self.retrier.failures:
        self.queues = ("nobody-s",)
    sound_went_well(self)


class DeafAfterReconnect(Variant):
    """Forgets what it had subscribed to."""

    name = "deaf-after-reconnect"


if __name__ == "__main__":
    DeafAfterReconnect.main()
