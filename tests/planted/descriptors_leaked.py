"""Each run leaves a file open.

`leaks` must find it: the number of a process' descriptors grows with what it has run.
"""

import os

from system.reference.claimed import Claimed
from system.reference.execution import Outcome
from system.reference.performer import Performer
from system.reference.resp import Command
from tests.planted.variant import Variant, replaces, task

__all__ = ["DescriptorsLeaked", "task"]

sound_perform = Performer.perform


@replaces(Performer)
def perform(self: Performer, job: Claimed, seq: int, sent_ns: int) -> tuple[Outcome, Command]:
    """Opens what it never closes."""
    os.open(os.devnull, os.O_RDONLY)
    return sound_perform(self, job, seq, sent_ns)


class DescriptorsLeaked(Variant):
    """A log that is opened for every job."""

    name = "descriptors-leaked"


if __name__ == "__main__":
    DescriptorsLeaked.main()
