"""A failure is not counted, so a job that always fails is tried for ever.

`attempts` must find it: more runs than the policy allows, each after a failure that the queue heard of.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["RetryUncounted", "task"]


class RetryUncounted(Variant):
    """Reads the counter and leaves it as it is."""

    name = "retry-uncounted"
    places = (
        Place(
            "fail",
            "counted and bump(key, 'attempts') or attempts_max",
            "counted and tonumber(redis.call('HGET', key, 'attempts') or 0) or attempts_max",
        ),
    )


if __name__ == "__main__":
    RetryUncounted.main()
