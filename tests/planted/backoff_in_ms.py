"""The delay before a retry is handed to the script in milliseconds, which takes it for microseconds.

`backoff` must find it, in `retries`: nearly all retries come sooner than a drawn delay would let them.
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

from system.reference import claimed, slot
from system.reference.claimed import Claimed
from system.reference.settings import Settings
from tests.planted.variant import Variant, replaces, task

__all__ = ["BackoffInMs", "task"]

sound_parse = claimed.parse


@replaces(slot)
def parse(reply: Sequence[Any], settings: Settings, rng: Random) -> Claimed:
    """``delay_s * 1e3``."""
    job = sound_parse(reply, settings, rng)
    return replace(job, delay_us=job.delay_us // 1000)


class BackoffInMs(Variant):
    """A thousandth of each delay."""

    name = "backoff-in-ms"


if __name__ == "__main__":
    BackoffInMs.main()
