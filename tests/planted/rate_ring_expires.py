"""The ring of a rate's grants is kept for a time in seconds where milliseconds are meant: it is forgotten at once.

`rate` must find it, in `rate_limit`: far more bodies start in a window than the rate allows.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["RateRingExpires", "task"]


class RateRingExpires(Variant):
    """A window of five milliseconds."""

    name = "rate-ring-expires"
    places = (
        Place(
            "claim",
            "int(math.ceil(tonumber(limit[5]) / 1000) + RATE_SPARE_MS)",
            "int(math.ceil(tonumber(limit[5]) / 1000000))",
        ),
    )


if __name__ == "__main__":
    RateRingExpires.main()
