"""Processes of workers that keep what they should give back, or that compute with nothing to do."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.checkers import Anomaly, Finding, Judged
from scenarios.checkers.gather import Gathered
from scenarios.history_rest import Rest
from scenarios.history_types import FOREVER, ns, s
from scenarios.idle import Fine, Idle, Process, Wrong
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
    "memory kept of runs": Anomaly(
        definition=(
            "In the later half of its runs, fifty at least, a worker's process gains more memory than what is promised"
            " and eight times the largest arguments and result of each that it runs at once, by the lower bound of its"
            " trend, in both parts of it."
        ),
        smallest='*(run(f"j{n}", n / 10, n / 10 + 0.05) for n in range(100))\n*used("w1", 0, 10, rss_s=3 * 2**20)',
        means="After some thousand jobs the worker is killed for want of memory, with the jobs that it runs then.",
    ),
    "hot loop": Anomaly(
        definition=(
            "A worker's processes, together, take more than a twentieth of a core (a hundredth each, if they are more"
            " than five) while no run of its is open, and either nobody can reach the store or the system is at rest."
        ),
        smallest='cut("w1", 5, 8)\n*used("w1", 0, 10, cpu=0.9)',
        means="An outage costs all cores, which whoever is to end the outage needs; an idle fleet costs as a busy one.",
    ),
}
WARM_UP_SHARE: Final = 0.25  # of a process's jobs: pools fill, modules are imported
RUNS_MIN: Final = 40
FDS_A_RUN: Final = 0.05
FDS_MIN: Final = 16  # in all: more than a pool of connections adds once it is warm

GROWTH: Final = "growth_mib"  # clause
LATER_RUNS_MIN: Final = 50  # the earlier half warms up
COPIES: Final = 8  # of what a job takes and returns: read, decoded, encoded, sent, and what an allocator keeps of it
KIB: Final = 1 << 10

MEMORY_WARM_UP_NS: Final = ns(120)
MINUTE_NS: Final = ns(60)
MINUTES_MIN: Final = 10
DAY_NS: Final = ns(86_400)
MIB: Final = 1 << 20
MEMORY_A_DAY_MIN: Final = 256 * MIB
MEMORY_MIN: Final = 8 * MIB


def leaks(history: "History", promise: Promise, scenario: "Scenario") -> Judged:
    """Examined: trends of descriptors and memory, and idle times, of processes that were sampled for long enough.

    Descriptors are held against the runs that ended in the process's worker: the lower bound of what one run adds, over
    the whole and over each half of what is left after a quarter for warming up. Memory is held against time, by the
    least of each minute, over ten minutes and more (a saw-tooth has a level floor); and, where a queue promises how
    little a process gains, against its own runs. Computing counts where nothing is
    asked of a worker: no run is open, and either nobody gets a connection to the store, or the system is at rest.
    Its processes count together. A machine that does not let them run makes their share smaller; a sample that it
    delayed is left out.
    """
    tally = Gathered()
    processes = list(_processes(history))
    if not processes:
        return tally.judged()
    ends, idle = _Ends(history), Idle(Rest(history.causes(promise, scenario.policy), scenario))
    judged = [verdict for each in processes for verdict in (_descriptors(each, ends), _memory(each))]
    largest = max((spec.args_kb + spec.result_kb for spec in scenario.load.jobs), default=0)
    if GROWTH in promise.sources:
        own, copies = _own_runs(history, processes), COPIES * promise.prefetch
        for each in (each for each in processes if each.pid in own):
            ended, most = own[each.pid]
            judged.append(_kept(each, ended, promise.growth_mib * MIB + copies * most * largest * KIB))
    for worker in dict.fromkeys(each.worker for each in processes):
        judged += idle.times(worker, [each for each in processes if each.worker == worker])
    for verdict in judged:
        tally.examined += verdict is not None
        if isinstance(verdict, Wrong):
            tally.findings.append(
                Finding(
                    anomaly=verdict.anomaly,
                    job=None,
                    at_ns=verdict.at,
                    says=verdict.says,
                    causes_rejected=verdict.rejected,
                    clause=GROWTH if verdict.anomaly == "memory kept of runs" else "leaks",
                )
            )
    return tally.judged()


def _processes(history: "History") -> Iterator[Process]:
    seen = history.samples.filter(pl.col("t") <= history.looked_at)
    for (worker, pid, _), mine in seen.partition_by(
        ["worker", "pid", "pid_start"], as_dict=True, maintain_order=True
    ).items():
        yield Process(str(worker), int(str(pid)), mine.sort("t").select("t", "rss", "fds", "cpu_ns").rows())


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


def _descriptors(each: Process, ends: _Ends) -> Wrong | Fine | None:
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
    return Wrong(
        "descriptor leak",
        each.samples[-1][0],
        f"Process {each.pid} of {each.worker} had {warm[0][1]:.0f} file descriptors, and {warm[-1][1]:.0f} when"
        f" {runs:.0f} more runs had ended in its worker: at least {a_run:.2f} a run.",
        (f"No warm-up: it is left out, and both halves of the {len(warm)} samples after it show the same.",),
    )


# ---- memory


def _own_runs(history: "History", processes: Iterable[Process]) -> dict[int, tuple[pl.Series, int]]:
    """Process → when its runs ended, in order, and how many were open at once at most; those that had enough runs."""
    sampled = pl.Series([each.pid for each in processes], dtype=pl.Int64).unique()
    mine = history.runs.lazy().filter(pl.col("pid").is_in(sampled.implode())).select("pid", "start", "end_hi")
    enough = mine.filter((pl.col("end_hi") < FOREVER).sum().over("pid") >= 2 * LATER_RUNS_MIN).sort("start").collect()
    found = {}
    for (pid,), runs in enough.partition_by("pid", as_dict=True).items():
        ends = runs["end_hi"].sort()
        over = ends.search_sorted(runs["start"], side="left").cast(pl.Int64)  # by each start
        most = (pl.int_range(1, runs.height + 1, eager=True) - over).max()
        found[int(str(pid))] = ends.filter(ends < FOREVER), int(str(most))
    return found


def _kept(each: Process, ended: pl.Series, allowed: float) -> Wrong | Fine | None:
    """By the least memory at each number of its runs: what a run takes while it lasts is no growth."""
    counts = ended.search_sorted(pl.Series([t for t, _, _, _ in each.samples]), side="right").to_list()
    if counts[-1] - counts[0] < 2 * LATER_RUNS_MIN:
        return None
    middle = (counts[0] + counts[-1]) / 2
    least: dict[int, int] = {}
    for n, (_, rss, _, _) in zip(counts, each.samples, strict=True):
        if n >= middle:
            least[n] = min(least.get(n, rss), rss)
    points: list[Point] = [(float(n), float(rss)) for n, rss in least.items()]
    runs = points[-1][0] - points[0][0]
    if len(points) < POINTS_MIN:
        return None
    half = len(points) // 2
    parts = points[half][1] - points[0][1], points[-1][1] - points[half][1]
    a_run = slope_lower(points)
    if a_run * runs < allowed or min(parts) < allowed / 4:
        return True
    return Wrong(
        "memory kept of runs",
        each.samples[-1][0],
        f"Process {each.pid} of {each.worker} grew from {points[0][1] / MIB:.1f} MiB to {points[-1][1] / MIB:.1f} MiB"
        f" in the later {runs:.0f} of its runs: at least {a_run / KIB:.0f} KiB a run;"
        f" {allowed / MIB:.0f} MiB in all are promised or allowed for.",
        (
            "No warm-up: the first half of its runs is left out, and its growth goes on in both parts of the other.",
            f"No large job: {COPIES} times the largest arguments and result of each at once are allowed for.",
        ),
    )


def _memory(each: Process) -> Wrong | Fine | None:
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
    return Wrong(
        "memory leak",
        each.samples[-1][0],
        f"Process {each.pid} of {each.worker} grew from {points[0][1] / MIB:.1f} MiB to {points[-1][1] / MIB:.1f} MiB"
        f" within {length:.0f} minutes, by the least of each minute: at least {a_day / MIB:.0f} MiB a day.",
        (f"No warm-up: its first {s(MEMORY_WARM_UP_NS):g} s are left out, and its growth goes on in the second half.",),
    )
