"""What the first screen and the tables say, computed from the record: tiles, chips, reasons to believe, rows."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reports.order import runs_in_order
from reports.run_record import CheckerRun, ObjectiveResult, Part, Percentile, RunRecord, ScenarioRun
from reports.verdict import Verdict, worst
from reports.words import bound, count_word, limit, measured, percent, plural, seconds

STALL_SHARE_MAX: Final = 0.01
CHIPS_MAX: Final = 6
OVER: Final = 999.0
CLASSES: Final = {
    Verdict.PASS: "pass",
    Verdict.FAIL: "fail",
    Verdict.INCONCLUSIVE: "inc",
    Verdict.NOT_APPLICABLE: "na",
    Verdict.NOT_JUDGED: "na",
}


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


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason to believe the verdict, or not to."""

    verdict: Verdict
    says: str
    value: str


@dataclass(frozen=True, slots=True)
class ObjectiveRow:
    """A row of the SLA table. ``used``: share of the limit in percent (None: no bar); ``used_text`` in words."""

    result: ObjectiveResult
    limit: str
    measured: str
    used: float | None
    used_text: str
    note: str


@dataclass(frozen=True, slots=True)
class CheckerRow:
    """A checker over all scenarios of a part; ``note`` says where it did not pass or crashed."""

    name: str
    looks_at: str
    examined: int
    explained: int
    undecided: int
    findings: int
    verdict: Verdict
    note: str


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """A quantile; ``bar`` 0 to 100 on a log scale from 10 ms to 10 s (None: no bar)."""

    name: str
    value: str
    bar: float | None


def anchor(part_index: int, name: str) -> str:
    """An id for the page, safe whatever the name holds."""
    return f"p{part_index + 1}-" + re.sub(r"[^A-Za-z0-9_-]", "-", name)


def moment(text: str) -> str:
    """``2026-11-24 09:14:02 UTC``."""
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S UTC")


def tiles(part: Part) -> tuple[Tile, ...]:
    """The five of the first screen."""
    return (
        _lost_tile(part),
        _twice_tile(part),
        _objective_tile(part, "p(95) job_time", "p95 job time"),
        _objective_tile(part, "recovery", "Slowest recovery"),
        _availability_tile(part),
    )


def short(run: ScenarioRun) -> str:
    """A scenario's outcome in a few words, for its chip."""
    counts = [(_lost(run), run.marks.lost_word if run.marks else "lost"), (_value(run, "unfinished"), "unfinished")]
    for count, word in counts:
        if count:
            return f"{count:,.0f} {word} of {run.load.acknowledged:,}"
    if run.verdict is Verdict.PASS:
        return f"0 lost of {run.load.acknowledged:,}"
    return run.why[0].partition(": ")[0] if run.why else run.verdict.value


def reasons(record: RunRecord, part: Part) -> tuple[Reason, ...]:
    """Why to believe what the report says of this part."""
    faults = [fault for run in part.scenarios for fault in run.faults]
    situations = [situation for run in part.scenarios for situation in run.situations]
    calm = [run for run in part.scenarios if not run.faults]
    stalled = record.host_stall_s > STALL_SHARE_MAX * record.duration_s
    bugs = record.planted_bugs
    return (
        _share_reason("Faults fired, of planned", sum(fault.fired for fault in faults), len(faults)),
        _share_reason("Situations reached", sum(each.reached for each in situations), len(situations)),
        Reason(
            (Verdict.PASS if record.canary.of else Verdict.NOT_JUDGED) if not record.canary.n else Verdict.INCONCLUSIVE,
            "Canary: writes that Redis lost",
            f"{record.canary.n:,} of {record.canary.of:,}",
        ),
        Reason(
            Verdict.INCONCLUSIVE if stalled else Verdict.PASS,
            "Host stalled",
            f"{record.host_stall_s:.2f} s of {record.duration_s:.0f} s",
        ),
        _share_reason("Planted bugs caught, this version", bugs.n, bugs.of)
        if bugs
        else Reason(Verdict.NOT_JUDGED, "Planted bugs caught, this version", "not tried"),
        _share_reason(
            f"{part.target.title or part.target.name} passes without faults",
            sum(run.verdict is Verdict.PASS for run in calm),
            len(calm),
        ),
    )


def objective_rows(results: Iterable[ObjectiveResult]) -> tuple[ObjectiveRow, ...]:
    """Rows of the SLA table."""
    return tuple(_objective_row(result) for result in results)


def checker_rows(part: Part) -> tuple[CheckerRow, ...]:
    """What each checker looked at, all scenarios together, in the order in which they first appear."""
    found: dict[str, list[tuple[ScenarioRun, CheckerRun]]] = {}
    for run in part.scenarios:
        for checker in run.checkers:
            found.setdefault(checker.name, []).append((run, checker))
    return tuple(_checker_row(name, each) for name, each in found.items())


def _checker_row(name: str, found: Sequence[tuple[ScenarioRun, CheckerRun]]) -> CheckerRow:
    checkers = [checker for _, checker in found]
    bad = [(run, each) for run, each in found if each.verdict in {Verdict.FAIL, Verdict.INCONCLUSIVE}]
    notes = (
        f"{run.title}: crashed: {each.error}" if each.error else f"{run.title}: {each.verdict}" for run, each in bad
    )
    return CheckerRow(
        name=name,
        looks_at=checkers[0].looks_at,
        examined=sum(each.examined for each in checkers),
        explained=sum(each.explained for each in checkers),
        undecided=sum(each.undecided for each in checkers),
        findings=sum(each.findings for each in checkers),
        verdict=worst(each.verdict for each in checkers),
        note="; ".join(notes),
    )


def latency_rows(percentiles: Iterable[Percentile]) -> tuple[LatencyRow, ...]:
    """p50, p95, p99, max."""
    rows = []
    for each in percentiles:
        name = "max" if each.q == 1.0 else f"p{each.q * 100:g}"
        if each.value_s is None:
            rows.append(LatencyRow(name, f"n < {each.n_needed:,}", None))
            continue
        bar = None
        if math.isfinite(each.value_s):
            bar = round(min(max(math.log10(max(each.value_s, 1e-9) / 0.01) / 3, 0.0), 1.0) * 100)
        rows.append(LatencyRow(name, seconds(each.value_s), bar))
    return tuple(rows)


def used(result: ObjectiveResult) -> float | None:
    """How much of what the limit allows was used, in percent; 999 where nothing was allowed. None: not measured."""
    if result.measured is None or not result.n:
        return None
    if math.isinf(result.measured):
        return OVER
    if result.comparison in {">", ">="}:
        allowed, taken = 1.0 - result.threshold, 1.0 - result.measured
    else:
        allowed, taken = result.threshold, result.measured
    if allowed <= 0:
        return OVER if taken > 0 else 0.0
    return min(OVER, max(0.0, 100.0 * taken / allowed))


def scenarios_title(part: Part) -> str:
    """``Six scenarios``."""
    n = len(part.scenarios)
    return f"{count_word(n).capitalize()} scenario{'s' if n > 1 else ''}"


def faults_text(run: ScenarioRun) -> str:
    """``kill slot ×1, kill tree ×3: 2 of 2 fired``."""
    if not run.faults:
        return "none planned"
    fired = [fault for fault in run.faults if fault.fired]
    names = ", ".join(f"{fault.name} ×{fault.affected}" for fault in fired)
    return (f"{names}: " if names else "") + f"{len(fired)} of {len(run.faults)} fired"


def number(value: float) -> str:
    """A situation's measured number."""
    return f"{value:,.10g}"


def _lost_tile(part: Part) -> Tile:
    run = max(runs_in_order(part), key=lambda each: (_lost(each), _value(each, "unfinished")))
    lost, unfinished = _lost(run), _value(run, "unfinished")
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


def _share_reason(says: str, n: int, of: int) -> Reason:
    if not of:
        return Reason(Verdict.NOT_APPLICABLE, says, "none")
    return Reason(Verdict.PASS if n == of else Verdict.INCONCLUSIVE, says, f"{n:,} of {of:,}")


def _objective_row(result: ObjectiveResult) -> ObjectiveRow:
    share = used(result)
    unknown = result.verdict is Verdict.NOT_JUDGED and result.measured is None
    text = "" if share is None else "over" if share > 100 else f"{share:.0f} %"  # noqa: PLR2004  # percent
    note = result.note
    if result.unit == "ratio" and not note and result.comparison in {">", ">="}:
        note = f"bar: share of the allowed {limit(round(1 - result.threshold, 9), 'ratio')} that was used"
    return ObjectiveRow(
        result=result,
        limit=bound(result.comparison, result.threshold, result.unit),
        measured=measured(result.measured, result.unit, lower_bound=result.lower_bound),
        used=None if unknown else share,
        used_text=text,
        note=note,
    )


def _results(part: Part) -> Sequence[ObjectiveResult]:
    return [*part.objectives, *(result for run in part.scenarios for result in run.objectives)]


def _checker_verdicts(part: Part, name: str) -> list[Verdict]:
    return [each.verdict for run in part.scenarios for each in run.checkers if each.name == name]


def _lost(run: ScenarioRun) -> float:
    return _value(run, "lost")


def _value(run: ScenarioRun, name: str) -> float:
    metric = run.metric(name)
    return (metric.value or 0.0) if metric else 0.0


def _acknowledged(part: Part) -> int:
    return sum(run.load.acknowledged for run in part.scenarios)


def _everywhere(part: Part) -> str:
    return "all scenarios" if len(part.scenarios) > 1 else plural(1, "scenario")
