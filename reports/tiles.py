"""The five tiles of the first screen: each a promise or an objective at its worst, with limit, n and place."""

from collections.abc import Sequence
from dataclasses import dataclass

from reports.order import runs_in_order
from reports.run_record import ObjectiveResult, Part
from reports.verdict import Verdict, worst
from reports.view import used, value_of
from reports.words import limit, measured, percent, plural


@dataclass(frozen=True, slots=True)
class Figure:
    """A large number and the small word after it."""

    number: str
    word: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    """One promise or objective at its worst: measured, limit, n, where."""

    title: str
    verdict: Verdict
    figures: tuple[Figure, ...]
    lines: tuple[str, ...]


def tiles(part: Part) -> tuple[Tile, ...]:
    """The five of the first screen."""
    return (
        _lost_tile(part),
        _twice_tile(part),
        _objective_tile(part, "p(95) job_time", "p95 job time"),
        _objective_tile(part, "recovery", "Slowest recovery"),
        _availability_tile(part),
    )


def _lost_tile(part: Part) -> Tile:
    run = max(runs_in_order(part), key=lambda each: (value_of(each, "lost"), value_of(each, "unfinished")))
    lost, unfinished = value_of(run, "lost"), value_of(run, "unfinished")
    judged = [
        *_checker_verdicts(part, "lost"),
        *(each.verdict for each in _results(part) if each.metric in {"lost", "unfinished"}),
    ]
    word = run.marks.lost_word if lost and run.marks else "lost"
    figures = [Figure(f"{lost:,.0f}", word)]
    if unfinished:
        figures.append(Figure(f"{unfinished:,.0f}", "unfinished"))
    if lost or unfinished:
        return Tile(
            "Lost", worst(judged), tuple(figures), (f"limit 0 · n {run.load.acknowledged:,}", run.title.lower())
        )
    return Tile("Lost", worst(judged), tuple(figures), (f"limit 0 · n {_acknowledged(part):,}", _everywhere(part)))


def _twice_tile(part: Part) -> Tile:
    checkers = [each for run in part.scenarios for each in run.checkers if each.name == "duplicates"]
    figures = (
        Figure(f"{sum(each.findings for each in checkers):,}", "unexplained"),
        Figure(f"{sum(each.explained for each in checkers):,}", "explained"),
    )
    lines = ("limit 0 unexplained", f"n {_acknowledged(part):,}, {_everywhere(part)}")
    return Tile("Ran twice", worst(each.verdict for each in checkers), figures, lines)


def _objective_tile(part: Part, metric: str, title: str) -> Tile:
    found = _worst_of(part, metric)
    if found is None:
        return Tile(title, Verdict.NOT_JUDGED, (Figure("–"),), ("no objective asks for it",))
    result, where = found
    value = measured(result.measured, result.unit, lower_bound=result.lower_bound)
    note = "" if result.verdict is Verdict.PASS else result.note.removeprefix("lower bound: ")
    lines = (f"limit {limit(result.threshold, result.unit)} · n {result.n:,}", f"{where}: {note}" if note else where)
    return Tile(title, result.verdict, (Figure(value),), lines)


def _availability_tile(part: Part) -> Tile:
    raw = next((metric for metric in part.metrics if metric.name == "availability_raw"), None)
    figures = [Figure(_bare(raw.value), "% raw")] if raw and raw.value is not None else []
    found = _worst_of(part, "availability")
    if found is None:
        return Tile("Availability", Verdict.NOT_JUDGED, tuple(figures) or (Figure("–"),), ("no objective asks for it",))
    result, where = found
    figures.append(Figure(_bare(result.measured), "% calm" if result.measured is not None else ""))
    needs = f", needs {result.n_needed:,}" if result.n < result.n_needed else ""
    lines = (f"limit {limit(result.threshold, 'ratio')} calm (outside faults)", f"n {result.n:,}{needs}, {where}")
    return Tile("Availability", result.verdict, tuple(figures), lines)


def _worst_of(part: Part, metric: str) -> tuple[ObjectiveResult, str] | None:
    """The worst result for a metric and where: a scenario's own where there is one, since it is the tighter."""
    own = [(each, run.title.lower()) for run in part.scenarios for each in run.objectives if each.metric == metric]
    found = own or [(each, _everywhere(part)) for each in part.objectives if each.metric == metric]
    return min(found, key=lambda each: (each[0].verdict.rank, -(used(each[0]) or 0.0)), default=None)


def _bare(ratio: float | None) -> str:
    return "–" if ratio is None else percent(ratio).removesuffix(" %")


def _results(part: Part) -> Sequence[ObjectiveResult]:
    return [*part.objectives, *(result for run in part.scenarios for result in run.objectives)]


def _checker_verdicts(part: Part, name: str) -> list[Verdict]:
    return [each.verdict for run in part.scenarios for each in run.checkers if each.name == name]


def _acknowledged(part: Part) -> int:
    return sum(run.load.acknowledged for run in part.scenarios)


def _everywhere(part: Part) -> str:
    return "all scenarios" if len(part.scenarios) > 1 else plural(1, "scenario")
