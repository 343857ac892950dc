"""A record's end is told in microseconds where milliseconds are meant: it expires in fifty thousand years.

`residue` must find it, in `steady`: it has a time to live, and one far longer than it may be kept.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["RecordTtlInUs", "task"]


class RecordTtlInUs(Variant):
    """PEXPIREAT with microseconds."""

    name = "record-ttl-in-us"
    places = (
        Place(
            "prelude",
            "int(math.ceil(math.max(now_us + keep_us, window_us) / 1000)))\nend",
            "int(math.ceil(math.max(now_us + keep_us, window_us))))\nend",
        ),
    )


if __name__ == "__main__":
    RecordTtlInUs.main()
