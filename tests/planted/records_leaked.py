"""What is finished is never forgotten: each job leaves its record for good.

`residue` must find it: the record's time to live is part of the promise.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["RecordsLeaked", "task"]


class RecordsLeaked(Variant):
    """Sets no time to live."""

    name = "records-leaked"
    places = (
        Place(
            "complete",
            """if ttl_s >= 0 then expire_record(id, ttl_s * 1000000) end
""",
            "",
        ),
    )


if __name__ == "__main__":
    RecordsLeaked.main()
