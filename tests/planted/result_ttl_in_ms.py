"""A result is kept for as many milliseconds as it should be kept seconds.

`results` must find it, in `steady`: jobs are finished, their time to live is not over, and their result is gone.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["ResultTtlInMs", "task"]


class ResultTtlInMs(Variant):
    """PEXPIRE for EXPIRE."""

    name = "result-ttl-in-ms"
    places = (
        Place("complete", "redis.call('EXPIRE', results, int(ttl_s))", "redis.call('PEXPIRE', results, int(ttl_s))"),
    )


if __name__ == "__main__":
    ResultTtlInMs.main()
