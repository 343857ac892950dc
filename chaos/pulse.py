"""Notices a thread of the harness that has stopped to do its work without an error: what it should see goes unseen.

Each such thread counts its rounds; whoever looks at the ground of a scenario looks at the counts as well.
"""

from collections.abc import Mapping
from typing import Final

SILENT_S_MAX: Final = 10.0
"""The slowest round is the canary's on a store that does not answer: about three seconds."""
LOOKS_MIN: Final = 20
"""As many looks have come meanwhile: a machine that let nobody run did not let us look either."""


class Pulses:
    """The last count of each, since when it has not changed, and how often it was looked at since."""

    def __init__(self) -> None:
        """Nothing was looked at yet."""
        self._seen: dict[str, tuple[int, float, int]] = {}

    def silent(self, rounds: Mapping[str, int], now_s: float) -> list[str]:
        """Names whose count has stood still for too long, as sentences. ``now_s`` is monotonic."""
        found = []
        for name, count in rounds.items():
            last, since_s, looks = self._seen.get(name, (-1, now_s, 0))
            if count != last:
                self._seen[name] = count, now_s, 0
                continue
            self._seen[name] = last, since_s, looks + 1
            if now_s - since_s > SILENT_S_MAX and looks >= LOOKS_MIN:
                found.append(f"the {name} has done nothing for {now_s - since_s:.0f} s")
        return found
