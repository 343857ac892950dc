"""Processes of workers that keep what they should give back, or that compute with nothing to do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered
from scenarios.history_causes import merged
from scenarios.history_faults import HOST
from scenarios.history_rest import Rest
from scenarios.history_types import FOREVER, ns, s
from scenarios.trend import POINTS_MIN, Point, slope_lower

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario

ANOMALIES: Final = {
    "descriptor leak": Anomaly(
        definition=(
            "After a quarter of its jobs for warming up, a worker's process gains at least one file descriptor in"
            " twenty runs and sixteen in all, by the lower bound of its trend, in both halves of that time."
        ),
        smallest='*(run(f"j{n}", n / 10, n / 10 + 0.05) for n in range(100))\n*used("w1", 0, 10, fds_s=10)',
        means="After some thousand jobs it can open nothing any more: no connection, no file, no next job.",
    ),
    "memory leak": Anomaly(
        definition=(
            "Over ten minutes and more, the first two left out, the least memory of each minute of a worker's process"
            " grows by 256 MiB a day or more, by the lower bound of its trend, and by 8 MiB in all."
        ),
        smallest='*used("w1", 0, 1000, every=5, rss_s=20_000)',
        means="The worker must be restarted before the machine's memory is used up, or is killed for it in the end.",
    ),
    "hot loop": Anomaly(
        definition=(
            "A worker's process computes for more than a tenth of a time in which no run of its worker is open, and"
            " either nobody can reach the store or the system is at rest."
        ),
        smallest='cut("w1", 5, 8)\n*used("w1", 0, 10, cpu=0.9)',
        means="An outage costs all cores, which whoever is to end the outage needs; an idle fleet costs as a busy one.",
    ),
}
WARM_UP_SHARE: Final = 0.25  # of a process's jobs: pools fill, modules are imported
RUNS_MIN: Final = 40
FDS_A_RUN: Final = 0.05
FDS_MIN: Final = 16  # in all: more than a pool of connections adds once it is warm

MEMORY_WARM_UP_NS: Final = ns(120)
MINUTE_NS: Final = ns(60)
MINUTES_MIN: Final = 10
DAY_NS: Final = ns(86_400)
MIB: Final = 1 << 20
MEMORY_A_DAY_MIN: Final = 256 * MIB
MEMORY_MIN: Final = 8 * MIB

OUTAGES: Final = frozenset({"redis down", "redis restart"})
"""Faults in which nobody gets a connection. One that breaks each new connection keeps a worker busy rightly."""
CPU_SHARE_MAX: Final = 0.1
"""Of a core. A loop that never waits takes a whole one, or its part of what others leave: a quarter, where eight spin
on two. A client that tries to connect every 10 ms takes 3 %."""
BEGIN_NS: Final = ns(0.2)  # what was under way when an outage began
SETTLE_NS: Final = ns(1.0)  # what is done after the last run: reports, replaced slots
IDLE_NS_MIN: Final = ns(0.5)
YOUNG_NS: Final = ns(2.0)  # from a process's first sample: it imports what it will run
SAMPLE_DOUBT_NS: Final = ns(0.05)  # a sample is written so much later than its numbers were read, at most


@dataclass(frozen=True, slots=True)
class _Process:
    """One process's samples in order of time: t, rss, fds, cpu_ns."""

    worker: str
    pid: int
    samples: Sequence[tuple[int, int, int, int]]


def leaks(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: trends of descriptors and memory, and idle times, of processes that were sampled for long enough.

    Descriptors are held against the runs that ended in the process's worker: the lower bound of what one run adds, over
    the whole and over each half of what is left after a quarter for warming up. Memory is held against time, by the
    least of each minute, over ten minutes and more (a saw-tooth has a level floor). Computing counts where nothing is
    asked of a worker: no run is open, and either nobody gets a connection to the store, or the system is at rest.
    A machine that does not let processes run makes their share smaller; a sample that it delayed is left out.
    """
    tally = Gathered()
    processes = list(_processes(history))
    if not processes:
        return tally.judged()
    ends, idle = _Ends(history), _Idle(Rest(history.causes(promise, scenario.policy), scenario))
    for each in processes:
        for judged in (_descriptors(each, ends), _memory(each), *idle.times(each)):
            if judged is None:
                continue
            tally.examined += 1
            if isinstance(judged, _Wrong):
                tally.findings.append(
                    Finding(
                        anomaly=judged.anomaly,
                        job=None,
                        at_ns=judged.at,
                        says=f"Process {each.pid} of {each.worker} {judged.says}.",
                        causes_rejected=judged.rejected,
                        clause="leaks",
                    )
                )
    return tally.judged()


@dataclass(frozen=True, slots=True)
class _Wrong:
    anomaly: str
    at: int
    says: str
    rejected: tuple[str, ...]


_Fine = bool
"""Examined, and nothing found; None where there is too little to look at."""


def _processes(history: "History") -> Iterator[_Process]:
    seen = history.samples.filter(pl.col("t") <= history.looked_at)
    for (worker, pid, _), mine in seen.partition_by(
        ["worker", "pid", "pid_start"], as_dict=True, maintain_order=True
    ).items():
        yield _Process(str(worker), int(str(pid)), mine.sort("t").select("t", "rss", "fds", "cpu_ns").rows())


# ---- descriptors


class _Ends:
    """How many runs of a worker had ended by a time."""

    def __init__(self, history: "History") -> None:
        ended = history.runs.lazy().filter(pl.col("end_hi") < FOREVER).select("worker", "end_hi").sort("end_hi")
        by_worker = ended.collect().partition_by("worker", as_dict=True, maintain_order=True)
        self._by_worker = {str(worker): mine["end_hi"] for (worker,), mine in by_worker.items()}

    def until(self, worker: str, times: Sequence[int]) -> Sequence[int]:
        ended = self._by_worker.get(worker)
        return [0] * len(times) if ended is None else ended.search_sorted(pl.Series(times), side="right").to_list()


def _descriptors(each: _Process, ends: _Ends) -> _Wrong | _Fine | None:
    counts = ends.until(each.worker, [t for t, _, _, _ in each.samples])
    points: list[Point] = [(n, fds) for n, (_, _, fds, _) in zip(counts, each.samples, strict=True)]
    first, last = points[0][0], points[-1][0]
    warm = list(dict(point for point in points if point[0] >= first + WARM_UP_SHARE * (last - first)).items())
    runs = warm[-1][0] - warm[0][0]
    if runs < RUNS_MIN or len(warm) < 2 * POINTS_MIN:
        return None
    if warm[-1][1] - warm[0][1] < FDS_MIN:
        return True
    half = len(warm) // 2
    a_run = min(slope_lower(warm), slope_lower(warm[:half]), slope_lower(warm[half:]))
    if a_run < FDS_A_RUN or a_run * runs < FDS_MIN:
        return True
    return _Wrong(
        "descriptor leak",
        each.samples[-1][0],
        f"had {warm[0][1]:.0f} file descriptors, and {warm[-1][1]:.0f} when {runs:.0f} more runs had ended in its"
        f" worker: at least {a_run:.2f} a run",
        (f"No warm-up: it is left out, and both halves of the {len(warm)} samples after it show the same.",),
    )


# ---- memory


def _memory(each: _Process) -> _Wrong | _Fine | None:
    begin = each.samples[0][0] + MEMORY_WARM_UP_NS
    floor: dict[int, int] = {}
    for t, rss, _, _ in each.samples:
        if t >= begin:
            minute = (t - begin) // MINUTE_NS
            floor[minute] = min(floor.get(minute, rss), rss)
    floor.pop((each.samples[-1][0] - begin) // MINUTE_NS, None)  # not a whole one
    points: list[Point] = [(float(minute), float(rss)) for minute, rss in floor.items()]
    if len(points) < MINUTES_MIN:
        return None
    a_minute = slope_lower(points)
    a_day, length = a_minute * DAY_NS / MINUTE_NS, points[-1][0] - points[0][0]
    half = len(points) // 2
    goes_on = points[-1][1] - points[half][1] >= a_minute * length / 4
    if a_day < MEMORY_A_DAY_MIN or a_minute * length < MEMORY_MIN or not goes_on:
        return True
    return _Wrong(
        "memory leak",
        each.samples[-1][0],
        f"grew from {points[0][1] / MIB:.1f} MiB to {points[-1][1] / MIB:.1f} MiB within {length:.0f} minutes, by the"
        f" least of each minute: at least {a_day / MIB:.0f} MiB a day",
        (f"No warm-up: its first {s(MEMORY_WARM_UP_NS):g} s are left out, and its growth goes on in the second half.",),
    )


# ---- computing with nothing to do


class _Idle:
    """Times in which nothing was asked of a worker."""

    def __init__(self, rest: Rest) -> None:
        self.history, self.rest = rest.history, rest
        self._stalls = [(stall.lo, stall.hi) for stall in self.history.stalls if stall.worker == HOST]
        self._times: dict[str, list[tuple[int, int, str]]] = {}

    def times(self, each: _Process) -> Iterator[_Wrong | _Fine | None]:
        """Of each such time of its worker that it was sampled in: whether it computed."""
        if each.worker not in self._times:
            self._times[each.worker] = list(self._of(each.worker))
        grown = each.samples[0][0] + YOUNG_NS
        for lo, hi, when in self._times[each.worker]:
            if hi - max(lo, grown) >= IDLE_NS_MIN:
                yield self._computed(each, max(lo, grown), hi, when)

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

    def _computed(self, each: _Process, lo: int, hi: int, when: str) -> _Wrong | _Fine | None:
        inside = [
            (t, cpu)
            for t, _, _, cpu in each.samples
            if lo <= t <= hi and not any(a - SAMPLE_DOUBT_NS <= t <= b + SAMPLE_DOUBT_NS for a, b in self._stalls)
        ]
        if len(inside) < 2 or inside[-1][0] - inside[0][0] < IDLE_NS_MIN:  # noqa: PLR2004  # a first and a last
            return None
        (since, before), (until, after) = inside[0], inside[-1]
        share = (after - before) / (until - since + SAMPLE_DOUBT_NS)
        if share <= CPU_SHARE_MAX:
            return True
        return _Wrong(
            "hot loop",
            since,
            f"had no run to do ({when}) from {s(since - self.history.begin):.3f} s to"
            f" {s(until - self.history.begin):.3f} s, and computed for {s(after - before):.3f} s of that, at least"
            f" {share:.0%} of a core",
            (
                f"No run: none was open in {each.worker}, and none had ended in the {s(BEGIN_NS):g} s before.",
                f"No start: the process had been sampled for {s(since - each.samples[0][0]):.3f} s by then.",
            ),
        )
