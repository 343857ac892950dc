"""The window of a run, from its grant to the report of its end, and what may have broken it off within.

grant_lo    start            end  report_hi
|<- G -->|<--- body --->|<- report_s ->|
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stormproof_target import Promise

from scenarios.history_cuts import Cuts, earlier, later
from scenarios.history_faults import Life
from scenarios.history_types import FOREVER, Run, ns

if TYPE_CHECKING:
    from scenarios.history import History

DEPLOY: Final = "deploy"  # the effect under which workers leave for those of another release


@dataclass(frozen=True, slots=True)
class Death:
    """A death that may have kept a run from being finished or reported, within ``[lo, hi]`` or from then on."""

    lo: int
    hi: int
    of: str


class Windows(Cuts):
    """Of the runs of one history under one promise."""

    def __init__(self, history: "History", promise: Promise) -> None:
        """``promise`` gives also the gaps around a body and the grace of a stop."""
        super().__init__(history, promise)
        self._kills: dict[tuple[str, int], list[int]] = defaultdict(list)
        self._stops: dict[str, list[int]] = defaultdict(list)
        for signal in history.signals:
            if signal.name == "KILL":
                self._kills[signal.worker, signal.pid].append(signal.t)
            elif signal.name == "TERM":
                self._stops[signal.worker].append(signal.t)

    def grant_lo(self, run: Run) -> int:
        """The earliest moment at which the queue may have given the lease: not before it knew of the job."""
        gap = ns(self.promise.start_gap_s) + self._ahead(run)
        lo = earlier(self.cuts(run.worker, run.life), run.start, gap)
        return min(max(lo, run.enqueued), run.start)

    def _ahead(self, run: Run) -> int:
        """How long its worker may have had this run's job in hand, fetched with those that it ran before."""
        if self.promise.prefetch <= 1:
            return 0
        held = self.promise.prefetch * self.promise.slots
        return self.history.ahead(held, ns(self.promise.start_gap_s)).get(run.run, 0)

    def report_hi(self, run: Run) -> int:
        """The latest moment at which the queue may have heard of its end."""
        return self._heard(run, self._life_of(run))

    def _heard(self, run: Run, life: int) -> int:
        return later(self.cuts(run.worker, life), run.end_lo, run.end_hi - run.end_lo + ns(self.promise.report_s))

    def _life_of(self, run: Run) -> int:
        """Its worker's life, or 0 where its end can have kept nobody from hearing of the run's.

        A worker that was told to stop, and ended well, has waited for what was reported within the grace.
        """
        life = self.life(run.worker, run.life)
        if life is None or not run.closed or life.killed < FOREVER or life.status != 0:
            return run.life
        heard = self._heard(run, 0)
        if life.told_to_stop > life.exit_lo or heard > self.grace_ends(life):
            return run.life
        return run.life if any(a <= heard and b >= run.start for a, b in self.breaking(run.worker)) else 0

    def breaks_in(self, run: Run, lo: int, hi: int) -> bool:
        """Whether a cut that touches ``[lo, hi]`` may have done more to its worker than delay it.

        Or the server's clock was set forward then, and took the lease.
        """
        breaking = self.breaking(run.worker, self._life_of(run))
        return any(a <= hi and b >= lo for a, b in (*breaking, *self.clock_forward))

    def deaths(self, run: Run) -> list[Death]:
        """Of its process or of its supervisor.

        A process that ends after its body did counts only if it was killed, or ended in another body, of a thread.
        """
        found = []
        beside = self.history.died_in_bodies.get(run.writer)
        if run.outcome == "exit":
            found.append(Death(run.end_lo, run.end_hi, f"pid {run.pid}"))
        elif beside and beside.lo <= self.report_hi(run):  # in another body: what this one had to report may be lost
            found.append(Death(beside.lo, beside.hi, f"pid {run.pid}"))
        found += [
            Death(t, FOREVER, f"pid {run.pid}") for t in self._kills.get((run.worker, run.pid), ()) if t >= run.start
        ]
        life = self.life(run.worker, run.life)
        if life and life.killed < FOREVER:
            # Whatever a slot is given later is taken back as well.
            found.append(Death(life.killed, FOREVER, f"supervisor pid {life.pid}"))
        elif life and life.exit_hi < FOREVER and (life.told_to_stop == FOREVER or self._in_trouble(life)):
            # By itself, in an outage, or with a job that takes its worker along: what it had not reported is lost.
            found.append(Death(max(life.exit_lo, life.born), FOREVER, f"supervisor pid {life.pid}"))
        return found

    def _in_trouble(self, life: Life) -> bool:
        """Whether it ended by itself in a cut: many workers give up in an outage, and may."""
        return any(a <= life.exit_hi and b >= life.exit_lo for a, b in self.cuts(life.worker))

    def stopped(self, run: Run, until: int) -> bool:
        """Whether its worker had been told to stop by ``until``, so that run or report may have been broken off.

        What surely ended, and was surely reported, before the stop's grace was over was not.
        """
        life = self.life(run.worker, run.life)
        if life is None or life.told_to_stop > until:
            return False
        heard = self.report_hi(run)
        if not run.closed or heard > self.grace_ends(life):
            return True
        broken = self.breaks_in(run, self.grant_lo(run), heard)
        return broken or any(death.lo <= heard for death in self.deaths(run))

    def grace_ends(self, life: Life) -> int:
        """The earliest moment at which a worker that was told to stop may break its runs off (``FOREVER``: never told).

        A new release may have had it stop before we did; told a second time, it waits no longer.
        """
        told = life.told_to_stop
        deploys = (span.inject for span in self.history.faults if span.effect == DEPLOY and span.healed >= told)
        since = min([told, *(t for t in deploys if t <= told)])
        again = (t for t in self._stops[life.worker] if t > told)
        return min(since + ns(self.promise.stop_grace_s), min(again, default=FOREVER), FOREVER)
