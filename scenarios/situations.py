"""Situations: what a scenario must have reached for its verdict to mean anything.

    NAME  >= | > | == | <= | <  NUMBER        runs open at kill tree >= 1

Names that end in ``at`` take a fault: its kind (``kill tree``: all of that kind) or its label (``kill_tree-3``).
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl
from stormproof_target import Promise

from chaos.causes import Cause
from scenarios.checkers import lost
from scenarios.history_faults import FaultSpan
from scenarios.history_types import FOREVER
from scenarios.moments import MOMENTS, overtaken_timeouts
from scenarios.moments_asked import Moment

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.scenario import Scenario

COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "==": operator.eq,
    "<=": operator.le,
    "<": operator.lt,
}
_FORM: Final = re.compile(r"\s*(?P<name>.+?)\s*(?P<comparison>>=|<=|==|>|<)\s*(?P<number>\S+)\s*")


@dataclass(frozen=True, slots=True)
class Reached:
    """An expression and what the history says to it."""

    expression: str
    measured: float
    reached: bool


@dataclass(frozen=True, slots=True)
class _Expression:
    text: str
    name: str
    fault: str
    comparison: str
    number: float


@dataclass(frozen=True, slots=True)
class _Seen:
    """What every situation may look at. ``faults`` are those that the expression names."""

    history: "History"
    promise: Promise
    scenario: "Scenario"
    faults: Sequence[FaultSpan]

    def load(self) -> pl.DataFrame:
        """Jobs of the load, without those that warmed the system up."""
        return self.history.jobs.filter(pl.col("invoked") >= self.history.begin)


# ---- plain counts


def _runs(seen: _Seen) -> int:
    """Runs of job bodies."""
    return seen.history.runs.height


def _retries(seen: _Seen) -> int:
    """Runs beyond the first of a job, for whatever reason."""
    return int(seen.load().select((pl.col("n_runs") - 1).clip(0).sum()).item() or 0)


def _acknowledged(seen: _Seen) -> int:
    """Enqueues that were acknowledged."""
    return seen.load().filter(pl.col("outcome") == "acked").height


def _not_acknowledged(seen: _Seen) -> int:
    """Enqueues that were rejected or whose outcome is unknown."""
    return seen.load().filter(pl.col("outcome") != "acked").height


def _dead_letters(seen: _Seen) -> int:
    """Jobs that are dead letters in the end."""
    return seen.load().filter(pl.col("state").fill_null("") == "dead").height


def _timeouts(seen: _Seen) -> int:
    """Runs that ran into their timeout: by an exception, or by the end of their process."""
    return _soft_timeouts(seen) + overtaken_timeouts(seen.history, seen.promise, seen.scenario)


def _soft_timeouts(seen: _Seen) -> int:
    """Runs that a timeout's exception ended."""
    return seen.history.runs.filter(pl.col("outcome") == "timeout").height


def _crashes(seen: _Seen) -> int:
    """Runs that ended with their process, for whatever reason."""
    return seen.history.runs.filter(pl.col("outcome") == "exit").height


def _most_leases(seen: _Seen) -> int:
    """Leases of one queue at once, at most, as its keys were read while the scenario ran."""
    return int(seen.history.counts["running"].max() or 0)  # type: ignore[arg-type]  # a count


def _grants(seen: _Seen) -> int:
    """Grants of which the queue's keys told the time in the end."""
    return seen.history.grants.height


def _lost_by_store(seen: _Seen) -> int:
    """Acknowledged jobs that are gone because the store forgot their enqueue."""
    return lost.lost_by_store(seen.history, seen.load()).height


def _moment(moment: Moment) -> Callable[[_Seen], int]:
    def count(seen: _Seen) -> int:
        return moment(seen.history, seen.promise, seen.scenario)

    count.__doc__ = moment.__doc__
    return count


def _repeats_by(cause: Cause) -> Callable[[_Seen], int]:
    def count(seen: _Seen) -> int:
        causes = seen.history.causes(seen.promise, seen.scenario.policy)
        again = seen.history.jobs.filter((pl.col("n_runs") > 1) & ~pl.col("plain"))["job"]
        return sum(cause in causes.repeat(a, b, job) for job in seen.history.stories(again) for a, b in job.pairs)

    words = {Cause.KILLED: "a kill", Cause.LEASE_ENDED: "an ended lease", Cause.STORE_LOSS: "a loss of the store"}[
        cause
    ]
    count.__doc__ = f"Runs that follow another of their job, where {words} may be why."
    return count


# ---- at a fault


def _fired(seen: _Seen) -> int:
    """Clients that were seen to be affected by the fault."""
    return sum(span.fired for span in seen.faults)


def _runs_open(seen: _Seen) -> int:
    """Runs that were open on the workers that it hit, at the moment when it struck."""
    runs = seen.history.runs
    count = 0
    for span in seen.faults:
        hit = (
            pl.lit(value=True)
            if span.effect == "store_down" or not span.workers
            else pl.col("worker").is_in(span.workers)
        )
        at = _struck(seen.history, span)
        count += runs.filter(hit & (pl.col("start") <= at) & (pl.col("end_hi") >= at)).height if span.fired else 0
    return count


def _in_flight(seen: _Seen) -> int:
    """Jobs that were acknowledged and not yet done when it struck."""
    done = pl.col("first_ok_end").fill_null(FOREVER)
    return sum(
        seen.load()
        .filter((pl.col("outcome") == "acked") & (pl.col("answered") <= span.inject) & (done >= span.inject))
        .height
        for span in seen.faults
    )


def _unanswered(seen: _Seen) -> int:
    """Enqueues that were under way when it struck, or begun before it was healed, and not acknowledged."""
    return sum(
        seen.load()
        .filter(
            (pl.col("outcome") != "acked") & (pl.col("invoked") <= span.healed) & (pl.col("answered") >= span.inject)
        )
        .height
        for span in seen.faults
    )


def _seconds(seen: _Seen) -> float:
    """From the injection of the longest until it was healed; for ever, if it was not."""
    lasted = [span.healed - span.inject for span in seen.faults]
    return max((each / 1e9 if each < FOREVER // 2 else float("inf") for each in lasted), default=float("inf"))


def _struck(history: "History", span: FaultSpan) -> int:
    """A victim is looked for after the injection began, so the first signal to it is the moment."""
    if span.effect not in {"kill", "freeze"}:
        return span.inject
    name = "KILL" if span.effect == "kill" else "STOP"
    sent = [
        signal.t
        for signal in history.signals
        if signal.name == name and span.inject <= signal.t <= span.healed and signal.worker in span.workers
    ]
    return min(sent, default=span.inject)


PLAIN: Final[Mapping[str, Callable[[_Seen], int]]] = {
    "runs": _runs,
    "retries": _retries,
    "acknowledged": _acknowledged,
    "enqueues not acknowledged": _not_acknowledged,
    "dead letters": _dead_letters,
    "timeouts": _timeouts,
    "soft timeouts": _soft_timeouts,
    "crashes": _crashes,
    "most leases at once": _most_leases,
    "grants known": _grants,
    "repeats explained by a kill": _repeats_by(Cause.KILLED),
    "repeats explained by an ended lease": _repeats_by(Cause.LEASE_ENDED),
    "repeats explained by a loss of the store": _repeats_by(Cause.STORE_LOSS),
    "lost by the store": _lost_by_store,
    **{name: _moment(moment) for name, moment in MOMENTS.items()},
}
AT_A_FAULT: Final[Mapping[str, Callable[[_Seen], float]]] = {
    "seconds of": _seconds,
    "fired at": _fired,
    "runs open at": _runs_open,
    "in flight at": _in_flight,
    "unanswered at": _unanswered,
}
SITUATIONS: Final[Mapping[str, str]] = {
    **{name: (count.__doc__ or "") for name, count in PLAIN.items()},
    **{f"{name} FAULT": (count.__doc__ or "") for name, count in AT_A_FAULT.items()},
}
"""Every name with what it counts."""


def situation_errors(texts: Iterable[str], kinds: Iterable[str] | None = None) -> list[str]:
    """All that is wrong with the expressions. ``kinds``: the faults that the scenario plans (None: not known)."""
    known = None if kinds is None else set(kinds)
    return [str(wrong) for text in texts if isinstance(wrong := _parse(text, known), str)]


def evaluate_situations(
    texts: Iterable[str], history: "History", promise: Promise, scenario: "Scenario"
) -> tuple[Reached, ...]:
    """Each expression against the history. Raises ``ValueError`` with every error of their form."""
    texts = tuple(texts)
    parsed = [_parse(text, None) for text in texts]
    wrong = [each for each in parsed if isinstance(each, str)]
    if wrong:
        raise ValueError("; ".join(wrong))
    return tuple(_evaluate(each, history, promise, scenario) for each in parsed if isinstance(each, _Expression))


def _evaluate(expression: _Expression, history: "History", promise: Promise, scenario: "Scenario") -> Reached:
    faults = [span for span in history.faults if expression.fault in {span.kind, span.label}]
    count: Callable[[_Seen], float] = AT_A_FAULT[expression.name] if expression.fault else PLAIN[expression.name]
    measured = float(count(_Seen(history, promise, scenario, faults)))
    return Reached(expression.text, measured, COMPARISONS[expression.comparison](measured, expression.number))


def _parse(text: str, kinds: set[str] | None) -> _Expression | str:
    match = _FORM.fullmatch(text)
    if not match:
        return f"{text!r}: NAME >= NUMBER is needed, such as 'retries >= 1'"
    name, fault = _split(match["name"])
    if not name:
        return f"{text!r}: no situation {match['name']!r}; there are {', '.join(SITUATIONS)}"
    if fault and kinds is not None and fault not in kinds:
        return f"{text!r}: the scenario plans no fault {fault!r}; it plans {', '.join(sorted(kinds)) or 'none'}"
    try:
        number = float(match["number"])
    except ValueError:
        return f"{text!r}: {match['number']!r} is no number"
    return _Expression(text, name, fault, match["comparison"], number)


def _split(words: str) -> tuple[str, str]:
    """Name and fault; two empty strings where no situation is called so."""
    name = " ".join(words.split())
    if name in PLAIN:
        return name, ""
    for each in AT_A_FAULT:
        if name.startswith(f"{each} "):
            return each, name.removeprefix(f"{each} ")
    return "", ""
