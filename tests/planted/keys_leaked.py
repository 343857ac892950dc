"""Each claim leaves a key of its own, which nobody removes.

`residue` must find it: keys that no pattern of the promise tells of.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["KeysLeaked", "task"]


class KeysLeaked(Variant):
    """A lock that is taken and never given back."""

    name = "keys-leaked"
    places = (
        Place(
            "claim",
            """      remember(queue, id)
""",
            """      remember(queue, id)
      redis.call('SET', P .. ':lock:' .. exec, worker)
""",
        ),
    )


if __name__ == "__main__":
    KeysLeaked.main()
