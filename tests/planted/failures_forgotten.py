"""A job that is given back, since its slot died or its lease ended, forgets how often it has failed.

`attempts` must find it, in `poison`: a job that fails twice and then ends its process begins again at its first
attempt, and so fails more often than the policy allows.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["FailuresForgotten", "task"]


class FailuresForgotten(Variant):
    """As if a life began that has only been interrupted."""

    name = "failures-forgotten"
    places = (
        Place(
            "prelude",
            "  return push_front(queue, id, settled)\n",
            "  redis.call('HDEL', job_key(id), 'attempts')\n  return push_front(queue, id, settled)\n",
        ),
    )


if __name__ == "__main__":
    FailuresForgotten.main()
