"""A dead letter is filed among the finished jobs, too: two lists tell two stories of it.

`states` must find it: a job stands in one place.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["DeadLetterDoubled", "task"]


class DeadLetterDoubled(Variant):
    """One more list."""

    name = "dead-letter-doubled"
    places = (
        Place(
            "fail",
            "then return bury(queue, id, REASONS[kind], iso, settled) end",
            """then
    redis.call('ZADD', rq_key('finished', queue), '+inf', id)
    return bury(queue, id, REASONS[kind], iso, settled)
  end""",
        ),
    )


if __name__ == "__main__":
    DeadLetterDoubled.main()
