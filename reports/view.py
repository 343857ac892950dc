"""What the first screen and the tables say, computed from the record: chips, reasons to believe, rows."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reports.run_record import CheckerRun, ObjectiveResult, Part, Percentile, RunRecord, ScenarioRun
from reports.verdict import Verdict, worst
from reports.words import bound, count_word, limit, measured, seconds

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


def short(run: ScenarioRun) -> str:
    """A scenario's outcome in a few words, for its chip."""
    counts = [
        (value_of(run, "lost"), run.marks.lost_word if run.marks else "lost"),
        (value_of(run, "unfinished"), "unfinished"),
    ]
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
        *_moments(part),
    )


def _moments(part: Part) -> Iterator[Reason]:
    """Only where they were judged: one scenario alone need not meet them."""
    judged = [row for row in part.sometimes if row.needed and row.judged and not row.not_applicable]
    if judged:
        yield _share_reason("Needed moments met", sum(row.times > 0 for row in judged), len(judged))


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


def value_of(run: ScenarioRun, name: str) -> float:
    """A metric's value; 0 where it was not measured."""
    metric = run.metric(name)
    return (metric.value or 0.0) if metric else 0.0


def number(value: float) -> str:
    """A situation's measured number."""
    return f"{value:,.10g}"


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
