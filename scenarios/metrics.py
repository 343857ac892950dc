"""Numbers of the history, for objectives to compare. None of them is a finding.

Job time counts from the *intended* time of the enqueue to the end of the first run that ended well; a job
that never did has
an infinite one. Every number comes with the count of samples behind it.
"""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from reports.objectives import metric_key
from reports.run_record import Latency, Metric, Percentile, Recovery, Remainder
from scenarios.checkers import lost
from scenarios.history_cuts import merged
from scenarios.history_types import FOREVER, ns, s
from scenarios.samples import quantile_s, samples_needed, share, timed
from scenarios.windows import calm, disturbed, episodes, recovery_ns

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario

QUANTILES: Final = (0.5, 0.95, 0.99)
CALM_JOBS_MIN: Final = 60
ARRIVALS_MIN: Final = 20
LATE_FLOOR_S: Final = 0.5
FOREIGN_STALLS: Final = frozenset({"steal", "crowded"})
"""Stalls that the run's own processes did not cause: only these excuse a missed time."""


class Metrics:
    """All metrics of one scenario. ``calm_p95_s``: of calm jobs, from the campaign's scenario without faults."""

    def __init__(
        self, history: "History", promise: Promise, scenario: "Scenario", calm_p95_s: float | None = None
    ) -> None:
        """Tables are built here once; nothing is read from anywhere else."""
        self.history, self.promise, self.scenario, self.given_p95_s = history, promise, scenario, calm_p95_s
        history.stored_under(scenario.durability)
        self.lost = lost.look(history, promise, scenario)
        self.stopped = min(history.looked_at, history.end)
        self.jobs = timed(history, promise, scenario)
        self.forgotten = lost.lost_by_store(history, self.jobs)["job"]  # no doing of the queue's
        asked = [each["job"] for each in history.op_rows if each["op"] == "cancel"]
        called_off = pl.col("job").is_in(asked) & (pl.col("n_ok") == 0)  # whoever asked for that waits for no end
        kept = ~pl.col("job").is_in(self.forgotten.implode()) & ~called_off
        self.able = self.jobs.filter((pl.col("outcome") == "acked") & pl.col("can_succeed") & kept)
        self.disturbed = disturbed(history, recovery_ns(promise))

    def all(self, quantiles: Iterable[float] = ()) -> tuple[Metric, ...]:
        """In the order in which a report shows them. ``quantiles`` of job time are measured besides the usual ones."""
        return (
            self.lost_jobs(),
            self.unfinished(),
            self.success_rate(),
            *(self.job_time(q) for q in sorted({*QUANTILES, *quantiles, 1.0})),
            self.recovery(),
            *self.availability(),
            self.unknownshare(),
            self.generator_lag(),
            self.dead_letter_age(),
            Metric(name="retries", value=self._retries(), unit="jobs", n=self.history.runs.height),
            Metric(name="runs", value=self.history.runs.height, unit="jobs", n=self.history.runs.height),
        )

    # ---- counts

    def lost_jobs(self) -> Metric:
        """Lost and stranded jobs."""
        return Metric(
            name="lost",
            value=len(self.lost.findings),
            unit="jobs",
            n=self.lost.examined,
            details=f"{self.lost.undecided} undecided, {self.lost.explained} lost by the store"
            if self.lost.undecided + self.lost.explained
            else "",
        )

    def unfinished(self) -> Metric:
        """Acknowledged, neither ended well nor a dead letter when waiting ended, and not lost; whatever their spec."""
        out = self.unfinished_jobs()
        doomed = out.filter(~pl.col("can_succeed")).height
        return Metric(
            name="unfinished",
            value=out.height,
            unit="jobs",
            n=self.jobs.filter(pl.col("outcome") == "acked").height,
            details=f"{doomed} of them must end as dead letters" if doomed else "",
        )

    def unfinished_jobs(self) -> pl.DataFrame:
        """The rows of those jobs, in order of their enqueue."""
        lost_names = [finding.job for finding in self.lost.findings]
        acked = self.jobs.filter(pl.col("outcome") == "acked")
        over = (pl.col("n_ok") > 0) | pl.col("state").fill_null("").is_in(lost.ENDED_OTHERWISE)
        if not self.history.can("dead_letters"):
            over |= pl.col("n_failed") >= self.scenario.policy.max_attempts
        return acked.filter(~over & ~pl.col("job").is_in([*lost_names, *self.forgotten]))

    def success_rate(self) -> Metric:
        """Successful / acknowledged, over jobs that can succeed."""
        n = self.able.height
        good = self.able.filter(pl.col("n_ok") > 0).height
        return Metric(name="success_rate", value=good / n if n else None, unit="ratio", n=n)

    def unknownshare(self) -> Metric:
        """Enqueues whose outcome nobody knows / enqueues invoked."""
        n = self.jobs.height
        unknown = self.jobs.filter(pl.col("outcome") == "unknown").height
        return Metric(name="unknown_share", value=unknown / n if n else None, unit="ratio", n=n)

    def dead_letter_age(self) -> Metric:
        """How long the oldest dead letter had lain unresolved when the states were read."""
        dead = self.jobs.filter(pl.col("state").fill_null("") == "dead")
        since = dead.select(pl.coalesce("last_end", "invoked").clip(upper_bound=self.stopped).min()).item()
        value = None if since is None else s(self.stopped - since)
        return Metric(name="dead_letter_age", value=value, unit="s", n=dead.height)

    def _retries(self) -> int:
        return int(self.jobs.select((pl.col("n_runs") - 1).clip(0).sum()).item() or 0)

    # ---- times

    def job_time(self, q: float) -> Metric:
        """Quantile ``q`` (1: the longest) of job time; jobs that never ended well are infinite."""
        name = metric_key("job_time", q)
        undisturbed = self.able.filter(self.untouched)
        rest = None
        if undisturbed.height < self.able.height:
            rest = Remainder(value=quantile_s(undisturbed, q), n=undisturbed.height)
        return Metric(name=name, value=quantile_s(self.able, q), unit="s", n=self.able.height, without_stalls=rest)

    def latency(self) -> Latency:
        """The quantiles for the report's table; one that too few samples stand behind is left out."""
        n = self.able.height
        return Latency(
            n=n,
            percentiles=tuple(
                Percentile(
                    q=q,
                    value_s=quantile_s(self.able, q) if n >= samples_needed(q) else None,
                    n_needed=samples_needed(q),
                )
                for q in (*QUANTILES, 1.0)
            ),
        )

    @property
    def untouched(self) -> pl.Expr:
        """Jobs that no stall touched which the run did not cause itself."""
        foreign = merged((stall.lo, stall.hi) for stall in self.history.stalls if stall.by in FOREIGN_STALLS)
        return calm(pl.col("intended"), pl.col("done"), foreign)

    def generator_lag(self) -> Metric:
        """How late the generator invoked its enqueues at worst: 99th percentile, from the intended time."""
        lag = self.jobs.select((pl.col("invoked") - pl.col("intended")).clip(0).quantile(0.99, "nearest")).item()
        return Metric(name="generator_lag", value=None if lag is None else s(lag), unit="s", n=self.jobs.height)

    def availability(self) -> tuple[Metric, Metric]:
        """Share of intended enqueues that were acknowledged in time: outside the faults' windows, and raw.

        One that was begun late counts: the producer is the target's own, its threads are busy with earlier enqueues.
        What the generator itself did not send ends the run, and a host that stalled is no calm.
        """
        deadline = ns(self.scenario.enqueue_deadline_s)
        due = pl.col("intended") + deadline
        in_time = (pl.col("outcome") == "acked") & (pl.col("answered") <= due)
        every = self.jobs.with_columns(in_time=in_time)
        late = every.filter(pl.col("invoked") - pl.col("intended") > deadline // 10).height
        details = f"{late} enqueues were begun late: all of the producer's threads were busy" if late else ""
        in_calm = every.filter(calm(pl.col("intended"), due, self.disturbed))
        return (
            share("availability", in_calm, details),
            share("availability_raw", every, details),
        )

    # ---- recovery

    def calm_p95_s(self) -> tuple[float | None, int]:
        """95th percentile of job time of jobs that met no disturbance, and how many there were."""
        quiet = self.able.filter(calm(pl.col("intended"), pl.col("done"), self.disturbed) & (pl.col("done") < FOREVER))
        if quiet.height >= CALM_JOBS_MIN or self.given_p95_s is None:
            return quantile_s(quiet, 0.95, "own_time"), quiet.height
        return self.given_p95_s, CALM_JOBS_MIN

    def ordinary_s(self) -> float | None:
        """The job time that late ones are told by; None: too few jobs.

        Without enough calm jobs, here or in the campaign, the median of all: not above the calm p95 unless about half
        of all jobs were late, so it calls more jobs late, never fewer.
        """
        p95_s, n = self.calm_p95_s()
        if p95_s is not None and n >= CALM_JOBS_MIN:
            return p95_s
        return quantile_s(self.able, 0.5, "own_time") if self.able.height >= CALM_JOBS_MIN else None

    def late_jobs(self) -> pl.DataFrame | None:
        """Jobs that took longer than ordinary ones, their own delays and backoffs left out; None: too few of those."""
        ordinary_s = self.ordinary_s()
        if ordinary_s is None or math.isinf(ordinary_s):
            return None
        return self.able.filter(pl.col("own_time") > ns(2 * max(ordinary_s, 0.0) + LATE_FLOOR_S))

    def slowest_recovery(self) -> Recovery | None:
        """The arrow of the plot; None where there is nothing to recover from or nothing to measure it by."""
        return self._slowest(self.late_jobs())

    def _slowest(self, late: pl.DataFrame | None) -> Recovery | None:
        slowest: Recovery | None = None
        for episode in episodes(self.history, self.promise) if late is not None else []:
            if episode.healed >= self.stopped or late is None:
                continue
            mine = late.filter((pl.col("intended") < episode.next_inject) & (pl.col("done") > episode.healed))
            last = int(mine["done"].sort()[-1]) if mine.height else episode.healed
            from_s, to_s = self._at_s(episode.healed), self._at_s(min(last, self.stopped))
            if slowest is None or to_s - from_s > slowest.to_s - slowest.from_s:
                slowest = Recovery(from_s=from_s, to_s=to_s, lower_bound=last >= FOREVER)
        return slowest

    def recovery(self) -> Metric:
        """The slowest: from an episode's last heal to the end of its last late job; 0 where none was late."""
        found = episodes(self.history, self.promise)
        if not found:
            return Metric(name="recovery", value=None, unit="s", n=0, details="no fault, nothing to recover from")
        arrivals = min(self.jobs.filter(pl.col("intended") > episode.healed).height for episode in found)
        slowest = self.slowest_recovery()
        details = ""
        if arrivals < ARRIVALS_MIN:
            details = f"{arrivals} arrivals after the last heal; {ARRIVALS_MIN} are needed"
        elif slowest is None:
            details = f"fewer than {CALM_JOBS_MIN} jobs to tell late ones by"
        value = None if details or slowest is None else slowest.to_s - slowest.from_s
        bound = slowest is not None and slowest.lower_bound
        return Metric(
            name="recovery",
            value=value,
            unit="s",
            n=arrivals,
            lower_bound=bound,
            details=details,
            without_stalls=None if value is None else self._recovery_without_stalls(arrivals),
        )

    def _recovery_without_stalls(self, arrivals: int) -> Remainder | None:
        """The same without the late jobs that a stall touched, if there are any: each of them is a sample less."""
        late = self.late_jobs()
        if late is None:
            return None
        free = late.filter(self.untouched)
        slowest = self._slowest(free)
        if free.height == late.height or slowest is None:
            return None
        return Remainder(
            value=slowest.to_s - slowest.from_s,
            n=max(arrivals - (late.height - free.height), 0),
            lower_bound=slowest.lower_bound,
        )

    def _at_s(self, t: int) -> float:
        return s(t - self.history.begin)
