"""Delays between attempts without the policy's jitter: those of all retries together, or those of each process."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from scenarios.checkers import Anomaly, Finding
from scenarios.checkers.jitter import (
    CHANCE_MAX,
    DELAYS_MAX,
    DELAYS_MIN,
    DISTANCE_MIN,
    Share,
    chance_of_clusters,
    distance_from_even,
)
from scenarios.history_types import Job, Run, ns, s
from scenarios.idle_slots import judges, promoted_within

if TYPE_CHECKING:
    from scenarios.history_causes import Causes

ANOMALIES: Final = {
    "no jitter": Anomaly(
        definition=(
            "However late each was seen, the delays of retries are not as the policy's jitter draws them: a hundred or"
            " more are not spread over its range, or they lie closer to each other than independent draws do (each by"
            " chance in less than one of 10⁹ runs)."
        ),
        smallest=(
            '*(acked(f"j{n}", 10 * n, spec=fails(times=1)) for n in range(100))\n'
            '*(run(f"j{n}", 10 * n + 0.1, 10 * n + 0.2, "error") for n in range(100))\n'
            '*(run(f"j{n}", 10 * n + 4.2, 10 * n + 4.3) for n in range(100))'
        ),
        means="All that failed together comes back together: the retries are the next overload.",
        under='promise(claim_s=0.5), policy(backoff=BackoffPolicy("fixed", 4.0, 4.0, "full"))',
    ),
    "one draw a process": Anomaly(
        definition=(
            "The delays of the retries of each process, as parts of the ranges that the policy's jitter draws from, lie"
            " closer to each other than independent draws do, however late each was seen (all processes reckoned"
            " together, by chance in less than one of 10⁹ runs)."
        ),
        smallest=(
            '*(acked(f"j{n}", 10 * n, spec=fails(times=1)) for n in range(30))\n'
            '*(run(f"j{n}", 10 * n + 0.1, 10 * n + 0.2, "error", on=f"w{1 + n % 2}") for n in range(30))\n'
            '*(run(f"j{n}", 10 * n + 1 + 2.4 * (n % 2), 10 * n + 3.6, on=f"w{1 + n % 2}") for n in range(30))'
        ),
        means="What failed together in one process comes back together, as without jitter.",
        under='promise(claim_s=0.5), policy(backoff=BackoffPolicy("fixed", 4.0, 4.0, "full"))',
    ),
}


class Spread:
    """The delays of a history without faults, whose server's clock was not set, as shares of their ranges."""

    def __init__(self, causes: "Causes") -> None:
        """``wanted``: whether delays are looked at in this history."""
        self.history, self.promise, self.backoff = causes.history, causes.promise, causes.policy.backoff
        undisturbed = not self.history.faults and not self.history.clock_steps
        self.wanted = self.backoff.jitter != "none" and undisturbed
        self._shares: list[Share] = []

    def wants(self, bounds: tuple[int, int]) -> bool:
        """Whether a delay from such a range would say anything, and not enough of them are known."""
        return self.wanted and bounds[1] >= ns(1.0) and bounds[1] > bounds[0] and len(self._shares) < DELAYS_MAX

    def seen(self, a: Run, b: Run, bounds: tuple[int, int], index: int, until: int) -> None:
        """Of a retry that was surely not due until ``until``, the ``index``-th of its job."""
        low, high = bounds
        drawn_from = tuple(map(ns, self.backoff.bounds_s(index)))
        if bounds != drawn_from or a.outcome != "error":  # a timeout may be counted before its end
            self._shares.append(Share(a.writer))
            return
        waited = until - a.end_hi - low, b.start - a.end_lo - low
        least, most, late = (each / (high - low) for each in (*waited, ns(self.promise.report_s)))
        overdue = least - late > 1  # for no reason of its own: how long it waited says nothing of its delay
        self._shares.append(Share(a.writer) if overdue else Share(a.writer, least, most, late))

    def unknown(self, a: Run, job: Job, causes: "Causes") -> None:
        """Of a failure whose delay says nothing. One that may not have counted is left out: it tells of no draw."""
        if self.wanted and len(self._shares) < DELAYS_MAX and causes.failed_surely(a, job):
            self._shares.append(Share(a.writer))

    def findings(self) -> Iterator[Finding]:
        """At most one: where all lie together, those of each process do as well."""
        n, jitter = len(self._shares), self.backoff.jitter
        distance, chance = distance_from_even(self._shares) if n >= DELAYS_MIN else (0.0, 1.0)
        chance = min(chance if distance >= DISTANCE_MIN else 1.0, chance_of_clusters(self._shares, together=True))
        if chance < CHANCE_MAX:
            yield self._finding(
                "no jitter",
                f"The delays of {n} retries are not spread as {jitter} jitter spreads them"
                f" (chance below {chance:.0e}).",
                chance,
            )
        elif (chance := chance_of_clusters(self._shares)) < CHANCE_MAX:
            processes = len({each.process for each in self._shares})
            yield self._finding(
                "one draw a process",
                f"The delays of {n} retries in {processes} processes lie closer to each other in each of them than"
                f" {jitter} jitter draws them (chance below {chance:.0e}).",
                chance,
            )

    def _finding(self, anomaly: str, says: str, chance: float) -> Finding:
        claimed = ns(self.promise.claim_s) if judges(self.promise) else 0
        late = ns(self.promise.start_gap_s) + promoted_within(self.promise) + claimed
        return Finding(
            anomaly=anomaly,
            job=None,
            at_ns=self.history.begin,
            says=says,
            causes_rejected=(
                f"Not chance: true jitter is so far from it in less than {chance:.0e} of such runs.",
                f"Not seen late: {s(late):.3f} s of each delay may be the way to a body, more where no slot was idle.",
                "No fault: none was injected in this history.",
            ),
            clause="backoff",
        )
