"""A pause shall end by itself after an hour, but 3600 are handed to a command that takes milliseconds.

`control` must find it, in `pause_resume`: jobs start before the queue is resumed.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["PauseExpires", "task"]


class PauseExpires(Variant):
    """PEXPIRE for EXPIRE."""

    name = "pause-expires"
    places = (
        Place(
            "pause",
            "audit(actor, origin, 'pause', queue, '', reason, before, 'applied')",
            "redis.call('PEXPIRE', key, 3600)\naudit(actor, origin, 'pause', queue, '', reason, before, 'applied')",
        ),
    )


if __name__ == "__main__":
    PauseExpires.main()
