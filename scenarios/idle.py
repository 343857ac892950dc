"""Times in which nothing was asked of a worker, and whether its processes computed all the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from scenarios.history_cuts import merged
from scenarios.history_faults import HOST
from scenarios.history_types import FOREVER, ns, s

if TYPE_CHECKING:
    from scenarios.history_rest import Rest

OUTAGES: Final = frozenset({"redis down", "redis restart"})
"""Faults in which nobody gets a connection. One that breaks each new connection keeps a worker busy rightly."""
WORKER_SHARE_MAX: Final = 0.05
PROCESS_SHARE_MAX: Final = 0.01
"""Of a core: for a whole worker, and for each of its processes where these are more than five. A loop that never waits
takes more though it waits for each refusal (2 to 3 % a process behind a busy proxy, measured); the reference's workers
took 0.9 % at most in 45 idle times."""
BEGIN_NS: Final = ns(0.2)  # what was under way when an outage began
SETTLE_NS: Final = ns(1.0)  # what is done after the last run: reports, replaced slots
IDLE_NS_MIN: Final = ns(0.5)
WARM_NS: Final = ns(2.0)  # from the load's begin, before which each worker had run a job
YOUNG_NS: Final = ns(5.0)  # from the first sample of a process that began later: it imports what it will run
AGE_NS: Final = ns(1.5)  # what is old enough to be sampled when the load begins is sampled by then
SAMPLE_DOUBT_NS: Final = ns(0.05)  # a sample is written so much later than its numbers were read, at most


@dataclass(frozen=True, slots=True)
class Process:
    """One process's samples in order of time: t, rss, fds, cpu_ns."""

    worker: str
    pid: int
    samples: Sequence[tuple[int, int, int, int]]


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with a process or a worker: a sentence, the moment (monotonic ns), and why nothing explains it."""

    anomaly: str
    at: int
    says: str
    rejected: tuple[str, ...]


Fine = bool
"""Examined, and nothing found; None where there is too little to look at."""


class Idle:
    """Times in which nothing was asked of a worker."""

    def __init__(self, rest: "Rest") -> None:
        """``rest`` knows since when nothing moves any more."""
        self.history, self.rest = rest.history, rest
        self._stalls = [(stall.lo, stall.hi) for stall in self.history.stalls if stall.worker == HOST]

    def times(self, worker: str, processes: Sequence[Process]) -> Iterator[Wrong | Fine | None]:
        """Of each such time: whether the worker's processes computed, those together that were not just begun."""
        for lo, hi, when in self._of(worker):
            if hi - lo >= IDLE_NS_MIN:
                yield self._computed(worker, processes, lo, hi, when)

    def _of(self, worker: str) -> Iterator[tuple[int, int, str]]:
        for span in self.history.faults:
            if span.kind in OUTAGES and span.fired and span.hits(worker):
                yield from self._free(worker, span.inject + BEGIN_NS, min(span.healed, self.history.end), span.label)
        if self.history.looked_at < FOREVER:
            yield from self._free(worker, self.rest.quiet_since + SETTLE_NS, self.history.looked_at, "at rest")

    def _free(self, worker: str, lo: int, hi: int, when: str) -> Iterator[tuple[int, int, str]]:
        """What is left of a time without the runs of the worker, and a moment after each."""
        runs = self.history.runs.filter(
            (pl.col("worker") == worker) & (pl.col("start") < hi) & (pl.col("end_hi") + BEGIN_NS > lo)
        ).sort("start")
        for start, end in merged(runs.select("start", "end_hi").iter_rows(), BEGIN_NS):
            if start > lo:
                yield lo, start, when
            lo = end + BEGIN_NS
        yield lo, hi, when

    def _computed(self, worker: str, processes: Sequence[Process], lo: int, hi: int, when: str) -> Wrong | Fine | None:
        shares = {each.pid: self._share(each, max(lo, self._grown(each)), hi) for each in processes}
        known = {pid: share for pid, share in shares.items() if share is not None}
        if not known:
            return None
        if (whole := sum(known.values())) <= max(WORKER_SHARE_MAX, PROCESS_SHARE_MAX * len(known)):
            return True
        busiest = max(known, key=lambda pid: known[pid])
        return Wrong(
            "hot loop",
            lo,
            f"{worker} had no run to do ({when}) from {s(lo - self.history.begin):.3f} s to"
            f" {s(hi - self.history.begin):.3f} s, and its processes computed for at least {whole:.0%} of a core then,"
            f" pid {busiest} for {known[busiest]:.0%}.",
            (
                f"No run: none was open in {worker}, and none had ended in the {s(BEGIN_NS):g} s before.",
                f"No start: those of its {len(known)} processes that began under load were {s(YOUNG_NS):g} s old.",
            ),
        )

    def _grown(self, each: Process) -> int:
        first = each.samples[0][0]
        return first + (WARM_NS if first <= self.history.begin + AGE_NS else YOUNG_NS)

    def _share(self, each: Process, lo: int, hi: int) -> float | None:
        """The least share of a core that it can have used between its first and its last sample in there."""
        inside = [
            (t, cpu)
            for t, _, _, cpu in each.samples
            if lo <= t <= hi and not any(a - SAMPLE_DOUBT_NS <= t <= b + SAMPLE_DOUBT_NS for a, b in self._stalls)
        ]
        if len(inside) < 2 or inside[-1][0] - inside[0][0] < IDLE_NS_MIN:  # noqa: PLR2004  # a first and a last
            return None
        return (inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0] + SAMPLE_DOUBT_NS)
