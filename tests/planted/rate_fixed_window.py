"""A rate is counted in windows that begin on the clock: twice as many jobs pass around the border of two.

`rate` must find it: the promise speaks of any window.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["RateFixedWindow", "task"]


class RateFixedWindow(Variant):
    """The n-th grant before counts only if it lies in this window."""

    name = "rate-fixed-window"
    places = (
        Place(
            "claim",
            "  return nth and math.max(0, tonumber(nth) + tonumber(limit[5]) + 1 - now_us) or 0",
            """  local window_us = tonumber(limit[5])
  local from_us = now_us - now_us % window_us
  return nth and tonumber(nth) >= from_us and from_us + window_us - now_us or 0""",
        ),
    )


if __name__ == "__main__":
    RateFixedWindow.main()
