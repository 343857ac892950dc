"""A job that has used up its attempts is forgotten instead of buried.

`dead_letters` must find it: its attempts failed, and it is nowhere.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["DeadLetterDropped", "task"]


class DeadLetterDropped(Variant):
    """The lease is dropped, and no dead letter written."""

    name = "dead-letter-dropped"
    places = (
        Place(
            "fail",
            "if attempts >= attempts_max then return bury(queue, id, REASONS[kind], iso, settled) end",
            "if attempts >= attempts_max then redis.call('DEL', key) return 'dead' end",
        ),
    )


if __name__ == "__main__":
    DeadLetterDropped.main()
