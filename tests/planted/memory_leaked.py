"""A slot keeps a buffer of 256 KiB of each run.

`leaks` must find it, in `steady`: its processes need more memory the more jobs they have run.
"""

from system.reference.claimed import Claimed
from system.reference.execution import Outcome
from system.reference.performer import Performer
from system.reference.resp import Command
from tests.planted.variant import Variant, replaces, task

__all__ = ["MemoryLeaked", "task"]

BUFFERS: list[bytes] = []
sound_perform = Performer.perform


@replaces(Performer)
def perform(self: Performer, job: Claimed, seq: int, sent_ns: int) -> tuple[Outcome, Command]:
    """Takes a buffer for what the body prints."""
    BUFFERS.append(bytes(range(256)) * 1024)
    return sound_perform(self, job, seq, sent_ns)


class MemoryLeaked(Variant):
    """Buffers that nobody gives back."""

    name = "memory-leaked"


if __name__ == "__main__":
    MemoryLeaked.main()
