"""An enqueue without an answer counts as stored, since the command was sent.

`lost` must find it, in `redis_disconnects`: commands that went into a dead connection are acknowledged.
"""

from typing import Any

from system.reference.one_try import DoubtError, Storing
from tests.planted.variant import Variant, replaces, task

__all__ = ["DoubtAcknowledged", "task"]

sound_store = Storing.store


@replaces(Storing)
def store(self: Storing, *job: Any) -> bool:  # noqa: ANN401  # as the sound one takes it
    """No answer is as good as `known`."""
    try:
        return sound_store(self, *job)
    except DoubtError:
        return False


class DoubtAcknowledged(Variant):
    """Sent is not stored."""

    name = "doubt-acknowledged"


if __name__ == "__main__":
    DoubtAcknowledged.main()
