"""A body may run for as long as it likes: no exception comes, and nobody kills it.

`timeouts` must find it.
"""

from dataclasses import replace

from system.reference.claimed import Claimed
from system.reference.execution import Outcome
from system.reference.performer import Performer
from system.reference.resp import Command
from tests.planted.variant import Variant, replaces, task

__all__ = ["TimeoutIgnored", "task"]

sound_perform = Performer.perform


@replaces(Performer)
def perform(self: Performer, job: Claimed, seq: int, sent_ns: int) -> tuple[Outcome, Command]:
    """With an hour for everything."""
    return sound_perform(self, replace(job, timeout_s=3600.0), seq, sent_ns)


class TimeoutIgnored(Variant):
    """Gives every job an hour."""

    name = "timeout-ignored"


if __name__ == "__main__":
    TimeoutIgnored.main()
