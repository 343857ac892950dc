"""A completion whose reply was lost is reported again, and the queue takes the second report for a failure.

`duplicates` must find it: a lost reply is no cause to run a job again where the queue promises that.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["LostReplyFailsDone", "task"]


class LostReplyFailsDone(Variant):
    """What is known already is retried."""

    name = "lost-reply-fails-done"
    places = (
        Place(
            "complete",
            """  return {was_taken(id, exec, 'complete') and 'replayed' or 'lost'}
""",
            """  if was_taken(id, exec, 'complete') then
    redis.call('HSET', job_key(id), 'status', 'queued')
    redis.call('RPUSH', rq_key('queue', queue), id)
    wake(queue)
  end
  return {'lost'}
""",
        ),
    )


if __name__ == "__main__":
    LostReplyFailsDone.main()
