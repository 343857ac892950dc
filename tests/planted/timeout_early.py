"""A body is ended after a tenth of the time that it may take.

A unit that was mixed up. `timeouts` must find it: killed long before its time was over, by nobody but the queue.
"""

from dataclasses import replace

from system.reference.claimed import Claimed
from system.reference.execution import Outcome
from system.reference.performer import Performer
from system.reference.resp import Command
from tests.planted.variant import Variant, replaces, task

__all__ = ["TimeoutEarly", "task"]

sound_perform = Performer.perform


@replaces(Performer)
def perform(self: Performer, job: Claimed, seq: int, sent_ns: int) -> tuple[Outcome, Command]:
    """With a tenth of the time."""
    return sound_perform(self, replace(job, timeout_s=job.timeout_s / 10), seq, sent_ns)


class TimeoutEarly(Variant):
    """Shortens every timeout."""

    name = "timeout-early"


if __name__ == "__main__":
    TimeoutEarly.main()
