"""A body is ended after half of the time that it may take.

`timeouts` must find it.
"""

from dataclasses import replace

from system.reference.claimed import Claimed
from system.reference.execution import Outcome
from system.reference.performer import Performer
from system.reference.resp import Command
from tests.planted.variant import Variant, replaces, task

__all__ = ["TimeoutHalved", "task"]

sound_perform = Performer.perform


@replaces(Performer)
def perform(self: Performer, job: Claimed, seq: int, sent_ns: int) -> tuple[Outcome, Command]:
    """With half of the time."""
    return sound_perform(self, replace(job, timeout_s=job.timeout_s / 2), seq, sent_ns)


class TimeoutHalved(Variant):
    """Halves every timeout."""

    name = "timeout-halved"


if __name__ == "__main__":
    TimeoutHalved.main()
