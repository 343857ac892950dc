"""Moments of what was asked for: jobs that were delayed or cancelled, and those that ended as dead letters."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from scenarios.history_types import FOREVER

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario

Moment = Callable[["History", Promise, "Scenario"], int]
"""Counts something in a history; pure. Its docstring says what."""


def due_in_an_outage(history: "History", promise: Promise, scenario: "Scenario") -> int:
    """Delayed jobs that came due while the store, or all workers at once, could not be reached."""
    del promise, scenario
    delayed = history.jobs.filter((pl.col("delay") > 0) & (pl.col("outcome") == "acked"))
    due = delayed["answered"] + delayed["delay"]
    return sum(int(due.is_between(lo, hi).sum()) for lo, hi in _everybody_away(history))


def _everybody_away(history: "History") -> list[tuple[int, int]]:
    """Intervals without a store, and those between the last worker's end and the next one's start."""
    found = [(span.inject, span.healed) for span in history.faults if span.effect == "store_down" and span.fired]
    lives = [life for each in history.lives.values() for life in each]
    for life in lives:
        ended = min(life.killed, life.exit_hi)
        others = [
            other for other in lives if other is not life and other.born <= ended < min(other.killed, other.exit_hi)
        ]
        back = min((other.born for other in lives if other.born > ended), default=FOREVER)
        if ended < FOREVER and not others:
            found.append((ended, back))
    return found


def due_without_its_worker(history: "History", promise: Promise, scenario: "Scenario") -> int:
    """Delayed jobs that came due while a worker that had been there at their enqueue was dead."""
    del promise, scenario
    delayed = history.jobs.filter((pl.col("delay") > 0) & (pl.col("outcome") == "acked"))
    due = delayed["answered"] + delayed["delay"]
    away = pl.repeat(value=False, n=delayed.height, eager=True)
    for lives in history.lives.values():
        for life, after in zip(lives, (*lives[1:], None), strict=True):
            ended = min(life.killed, life.exit_hi)
            if ended < FOREVER:
                away |= due.is_between(ended, after.born if after else FOREVER) & (delayed["answered"] <= ended)
    return int(away.sum())


def _cancellations(outcomes: Iterable[str]) -> Moment:
    wanted = list(outcomes)

    def count(history: "History", promise: Promise, scenario: "Scenario") -> int:
        del promise, scenario
        steps = history.ops
        return steps.filter((pl.col("op") == "cancel") & pl.col("outcome").is_in(wanted))["job"].n_unique()

    return count


cancelled_before_it_started: Final = _cancellations(["cancelled"])
cancelled_before_it_started.__doc__ = "Jobs that were cancelled while they waited or were delayed."
cancelled_while_it_ran: Final = _cancellations(["requested"])
cancelled_while_it_ran.__doc__ = "Jobs whose end was asked for while they ran."


def dead_by(reason: str) -> Moment:
    """The moment that a job became a dead letter for this reason."""

    def count(history: "History", promise: Promise, scenario: "Scenario") -> int:
        del promise, scenario
        return history.count_jobs((pl.col("state") == "dead") & (pl.col("reason") == reason))

    count.__doc__ = f"Dead letters whose reason is {reason}."
    return count
