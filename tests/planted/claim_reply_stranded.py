"""A claim whose reply was lost is asked again, and answers that there is nothing: the job is in no key.

As a job that is popped before anybody has noted who has it, rq/rq#2061. `lost` must find it.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["ClaimReplyStranded", "task"]


class ClaimReplyStranded(Variant):
    """The second claim of a sequence tidies up after the first, and forgets what that one took."""

    name = "claim-reply-stranded"
    places = (
        Place(
            "claim",
            """    return grant('replayed', queue, id, redis.call('HMGET', job_key(id), unpack(FIELDS)))
""",
            """    redis.call('ZREM', sp_key('lease', queue), id)
""",
        ),
    )


if __name__ == "__main__":
    ClaimReplyStranded.main()
