"""A producer that found Redis away refuses at once, until an enqueue goes well: none is tried any more.

`unknown` must find it, in `redis_disconnects`: enqueues are refused long after everything works again.
"""

from typing import Any

from system.reference.one_try import NothingDoneError, Storing
from tests.planted.variant import Variant, replaces, task

__all__ = ["OutageRemembered", "task"]

AWAY: list[str] = []
sound_store = Storing.store


@replaces(Storing)
def store(self: Storing, *job: Any) -> bool:  # noqa: ANN401  # as the sound one takes it
    """Spares the others the wait."""
    if AWAY:
        raise NothingDoneError(AWAY[0], may_pass=False)
    try:
        new = sound_store(self, *job)
    except NothingDoneError as error:
        AWAY.append(str(error))
        raise
    AWAY.clear()
    return new


class OutageRemembered(Variant):
    """A flag that nobody takes down."""

    name = "outage-remembered"


if __name__ == "__main__":
    OutageRemembered.main()
