"""Worst first, everywhere: which part, scenario and finding lead."""

from reports.run_record import FindingRecord, Part, RunRecord, ScenarioRun
from reports.verdict import Verdict


def parts_in_order(record: RunRecord) -> tuple[Part, ...]:
    """Parts that did not end as they should first, then as they ran."""
    return tuple(
        sorted(record.parts, key=lambda part: (part.as_expected, part.verdict.rank if not part.as_expected else 0))
    )


def leading_part(record: RunRecord) -> Part:
    """The part that the first screen shows: the worst surprise, else the first."""
    return parts_in_order(record)[0]


def runs_in_order(part: Part) -> tuple[ScenarioRun, ...]:
    """Worst verdict first; of equal ones those with a broken promise, then with faults, then as they ran."""
    return tuple(sorted(part.scenarios, key=_weight))


def leading_run(part: Part) -> ScenarioRun:
    """The scenario whose plot leads."""
    return runs_in_order(part)[0]


def top_finding(run: ScenarioRun) -> FindingRecord | None:
    """A broken promise before a missed objective, then as they were found."""
    return min(run.findings, key=lambda finding: finding.kind != "broken promise", default=None)


def folded(run: ScenarioRun) -> tuple[tuple[FindingRecord, ...], ...]:
    """The run's findings, those of one anomaly by one checker together, in the order in which each was first found."""
    alike: dict[tuple[str, str, str], list[FindingRecord]] = {}
    for finding in run.findings:
        alike.setdefault((finding.kind, finding.checker, finding.anomaly), []).append(finding)
    return tuple(tuple(each) for each in alike.values())


def leading_finding(part: Part) -> tuple[ScenarioRun, FindingRecord] | None:
    """The top finding of the worst scenario that has one."""
    return next(((run, finding) for run in runs_in_order(part) if (finding := top_finding(run))), None)


def _weight(run: ScenarioRun) -> tuple[int, bool, int]:
    broken = any(finding.kind == "broken promise" for finding in run.findings)
    # Among scenarios that passed, the one in which most broke says most.
    fired = sum(fault.fired for fault in run.faults) if run.verdict is Verdict.PASS else 0
    return run.verdict.rank, not broken, -fired
