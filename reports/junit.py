"""JUnit XML: a case for each checker, objective, planned fault, situation and moment.

Fail is a failure, with the finding and the command that replays it; inconclusive is an error; not applicable
and not judged are skips with their reason. A part that is *meant* to fail (a planted bug, a queue as found
beside others) is one case: did it end as it should?
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal
from xml.etree import ElementTree as ET

from reports.run_record import CheckerRun, FindingRecord, ObjectiveResult, Part, RunRecord, ScenarioRun, Sometimes
from reports.sentence import outcome
from reports.verdict import Verdict
from reports.words import bound, measured

_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
Tag = Literal["failure", "error", "skipped"]
_TAGS: Final[dict[Verdict, Tag]] = {
    Verdict.FAIL: "failure",
    Verdict.INCONCLUSIVE: "error",
    Verdict.NOT_APPLICABLE: "skipped",
    Verdict.NOT_JUDGED: "skipped",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One test case: ``message`` in a line, ``text`` in full."""

    group: str
    name: str
    verdict: Verdict
    message: str = ""
    text: str = ""


def render(record: RunRecord) -> str:
    """The file's text. The same record gives the same bytes."""
    suites = ET.Element("testsuites", name="stormproof")
    for part in record.parts:
        if len(record.parts) > 1 and part.kind != "as declared":
            _suite(suites, part.target.label, record, [_ended_as_it_should(part)])
            continue
        if part.objectives:
            cases = [_objective(result, "policy", record.command) for result in part.objectives]
            _suite(suites, f"{part.target.label}: policy", record, cases)
        moments = [_moment(row, record) for row in part.sometimes if row.judged]
        if moments:
            _suite(suites, f"{part.target.label}: sometimes", record, moments)
        for run in part.scenarios:
            _suite(suites, f"{part.target.label}: {run.name}", record, list(_cases(run)))
    _total(suites)
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _moment(row: Sometimes, record: RunRecord) -> Case:
    message = row.not_applicable or ("never met" if row.needed else "never met, and left to chance")
    return Case("sometimes", row.name, row.verdict, message, f"{row.says}\nReplay: {record.command}")


def _cases(run: ScenarioRun) -> Iterator[Case]:
    parts = list(_parts(run))
    # What made the whole fail is usually a case of its own; only a verdict that none shows is shown here.
    shown = any(case.verdict is run.verdict for case in parts)
    verdict = Verdict.PASS if shown else run.verdict
    yield Case("scenario", run.claim, verdict, "; ".join(run.why), f"Replay: {run.replay}")
    yield from parts


def _parts(run: ScenarioRun) -> Iterator[Case]:
    for fault in run.faults:
        verdict = Verdict.PASS if fault.fired else Verdict.INCONCLUSIVE
        yield Case(
            "fault fired",
            fault.label,
            verdict,
            fault.note or "no client was seen to be affected",
            f"Replay: {run.replay}",
        )
    for situation in run.situations:
        verdict = Verdict.PASS if situation.reached else Verdict.INCONCLUSIVE
        yield Case(
            "situation", situation.expression, verdict, f"not reached: {situation.measured:g}", f"Replay: {run.replay}"
        )
    for checker in run.checkers:
        yield _checker(checker, run)
    for result in run.objectives:
        yield _objective(result, "objective", run.replay)


def _checker(checker: CheckerRun, run: ScenarioRun) -> Case:
    found = [finding for finding in run.findings if finding.checker == checker.name]
    message = {
        Verdict.FAIL: found[0].says if found else f"{checker.findings} findings",
        Verdict.INCONCLUSIVE: f"crashed: {checker.error}" if checker.error else _undecided(checker),
    }.get(checker.verdict, f"nothing to look at: {checker.looks_at}")
    text = "\n\n".join([*map(_finding, found), f"Replay: {run.replay}"])
    return Case("checker", checker.name, checker.verdict, message, text)


def _undecided(checker: CheckerRun) -> str:
    return f"examined {checker.examined:,}, of which {checker.undecided:,} can’t be decided ({checker.looks_at})"


def _finding(finding: FindingRecord) -> str:
    lines = [f"{finding.id} {finding.kind}: {finding.says} ({finding.anomaly}, ×{finding.times})"]
    if finding.clause:
        lines.append(f"Promise, {finding.clause.name}: “{finding.clause.sentence}” ({finding.clause.source})")
    lines += [f"{row.at_s:10.3f} s  {row.who}  {row.what}" for row in finding.timeline]
    lines += [f"Not: {cause.cause} {cause.fails}" for cause in finding.causes]
    if finding.more_like_it:
        lines.append(f"More like it: {', '.join(finding.more_like_it)}")
    return "\n".join(lines)


def _objective(result: ObjectiveResult, group: str, replay: str) -> Case:
    got = measured(result.measured, result.unit, lower_bound=result.lower_bound)
    message = f"measured {got}, to be {bound(result.comparison, result.threshold, result.unit)}, n {result.n:,}"
    if result.note:
        message += f": {result.note}"
    return Case(group, result.text, result.verdict, message, f"Replay: {replay}")


def _ended_as_it_should(part: Part) -> Case:
    allowed = " or ".join(part.expected)
    name = f"{part.kind}, ends as it should: {allowed}" + (f", found by {part.caught_by}" if part.caught_by else "")
    return Case(part.kind, name, Verdict.PASS if part.as_expected else Verdict.FAIL, f"{part.verdict}: {outcome(part)}")


def _suite(parent: ET.Element, name: str, record: RunRecord, cases: list[Case]) -> None:
    suite = ET.SubElement(parent, "testsuite", name=_legal(name), timestamp=record.started)
    for tag, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(_TAGS.get(case.verdict) == tag for case in cases)))
    suite.set("tests", str(len(cases)))
    for case in cases:
        element = ET.SubElement(suite, "testcase", classname=_legal(f"{name}: {case.group}"), name=_legal(case.name))
        ending = _TAGS.get(case.verdict)
        if ending is not None:
            detail = ET.SubElement(element, ending, message=_legal(f"{case.verdict}: {case.message}"))
            if ending != "skipped":
                detail.set("type", case.verdict.value)
                detail.text = _legal(case.text)


def _total(suites: ET.Element) -> None:
    for attribute in ("tests", "failures", "errors", "skipped"):
        suites.set(attribute, str(sum(int(suite.get(attribute, "0")) for suite in suites)))


def _legal(text: str) -> str:
    """XML has no way to write most control characters."""
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
