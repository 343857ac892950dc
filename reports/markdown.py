"""A summary for a job's page: the sentence, parts, scenarios, the policy, findings with their replay command."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from reports.order import folded, parts_in_order, runs_in_order
from reports.run_record import FindingRecord, Part, RunRecord, ScenarioRun
from reports.sentence import headline
from reports.verdict import Verdict
from reports.view import faults_text, short
from reports.words import bound, measured

SIGNS: Final = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.NOT_APPLICABLE: "–",
    Verdict.NOT_JUDGED: "–",
}
FINDINGS_MAX: Final = 5
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|~!&@])")


def render(record: RunRecord) -> str:
    """The file's text. The same record gives the same bytes."""
    return "\n".join(_lines(record)) + "\n"


def _lines(record: RunRecord) -> Iterator[str]:
    yield f"# {SIGNS[record.verdict]} {escape(headline(record))}"
    yield ""
    yield (
        f"Seed {record.seed}, {record.duration_s:.0f} s, Stormproof {escape(record.stormproof_version)}, "
        f"{record.started}. Again: {_code(record.command)}"
    )
    for part in parts_in_order(record):
        yield from _part(part, alone=len(record.parts) == 1)


def _part(part: Part, *, alone: bool) -> Iterator[str]:
    yield ""
    title = f": {part.title}" if part.title else ""
    yield f"## {escape(f'{part.target.label}, {part.kind}{title}')}: {_word(part.verdict)}"
    if not part.as_expected and not alone:
        by = f", found by {part.caught_by}" if part.caught_by else ""
        yield ""
        yield escape(f"This is not as it should be ({' or '.join(part.expected)}{by}).")
    yield ""
    yield from _table(
        ("Verdict", "Scenario", "Outcome", "Faults"),
        (
            (_word(run.verdict), escape(run.title), _outcome(run), escape(faults_text(run)))
            for run in runs_in_order(part)
        ),
    )
    if part.objectives:
        yield ""
        yield from _table(
            ("Verdict", escape(part.policy or "Objective"), "Limit", "Measured", "n", "Note"),
            (
                (
                    _word(each.verdict),
                    escape(each.text),
                    escape(bound(each.comparison, each.threshold, each.unit)),
                    escape(measured(each.measured, each.unit, lower_bound=each.lower_bound)),
                    f"{each.n:,}",
                    escape(each.note),
                )
                for each in part.objectives
            ),
        )
    yield from _moments(part)
    found = [(run, alike[0]) for run in runs_in_order(part) for alike in folded(run)]
    for run, finding in found[:FINDINGS_MAX]:
        yield ""
        yield from _finding(run, finding)
    if len(found) > FINDINGS_MAX:
        yield ""
        yield f"{len(found) - FINDINGS_MAX} more kinds of finding are in the report."


def _moments(part: Part) -> Iterator[str]:
    """What a single scenario did not meet, and need not, is left out."""
    rows = [row for row in part.sometimes if row.times or row.judged]
    if rows:
        yield ""
        yield from _table(
            ("Verdict", "Moment", "Times", "Scenarios"),
            (
                (
                    _word(row.verdict),
                    escape(row.name) + (", needed" if row.needed else ""),
                    f"{row.times:,}",
                    escape(row.not_applicable or ", ".join(row.scenarios)),
                )
                for row in rows
            ),
        )


def _outcome(run: ScenarioRun) -> str:
    return escape(short(run) if run.verdict is Verdict.PASS or not run.why else "; ".join(run.why))


def _finding(run: ScenarioRun, finding: FindingRecord) -> Iterator[str]:
    yield f"**{escape(finding.id)}, {finding.kind}**: {escape(finding.says)} ({escape(run.title)}, ×{finding.times})"
    if finding.clause:
        yield ""
        yield f"> {escape(finding.clause.sentence)} ({escape(finding.clause.source)})"
    if finding.timeline:
        yield ""
        yield from (f"- {row.at_s:.3f} s, {escape(row.who)}: {escape(row.what)}" for row in finding.timeline)
    yield ""
    yield f"Replay: {_code(run.replay)}"


def escape(text: str) -> str:
    """Text as text: on one line, with nothing that Markdown or HTML would read."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """On one line and between more back quotes than it holds."""
    line = " ".join(text.split())
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def _word(verdict: Verdict) -> str:
    return f"{SIGNS[verdict]} {verdict.value}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
