"""Each run leaves 64 KiB behind.

`leaks` must find it: a process' memory grows with what it has run.
"""

from system.reference.claimed import Claimed
from system.reference.execution import Outcome
from system.reference.performer import Performer
from system.reference.resp import Command
from tests.planted.variant import Variant, replaces, task

__all__ = ["MemoryLeaked", "task"]

KEPT: list[bytearray] = []
SIZE = 64 * 1024
sound_perform = Performer.perform


@replaces(Performer)
def perform(self: Performer, job: Claimed, seq: int, sent_ns: int) -> tuple[Outcome, Command]:
    """Keeps what nobody will ask for."""
    KEPT.append(bytearray(b"x" * SIZE))
    return sound_perform(self, job, seq, sent_ns)


class MemoryLeaked(Variant):
    """A cache without a bound."""

    name = "memory-leaked"


if __name__ == "__main__":
    MemoryLeaked.main()
