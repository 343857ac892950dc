"""How a campaign's commands end: the top finding of each scenario, a table, where the report is, the exit code."""

from collections.abc import Iterator

from rich.table import Table

from reports.run_record import FindingRecord, Part, ScenarioRun
from reports.verdict import Verdict
from scenarios.explain import as_text
from scenarios.suite import CampaignResult
from scenarios.terminal import console


def close(result: CampaignResult, verdict: Verdict) -> int:
    """Print all that; returns the exit code of ``verdict``, or 4 where the harness failed."""
    out = console()
    out.print()
    for part in result.record.parts:
        for run in part.scenarios:
            for line in _finding(part, run):
                out.print(line, markup=False, soft_wrap=True)
        for row in (each for each in part.sometimes if each.verdict is Verdict.INCONCLUSIVE):
            says = f"{part.title or part.target.label} never met in any scenario: {row.name} ({row.says})"
            out.print(says, markup=False, soft_wrap=True)
    out.print(_table(result.record.parts))
    out.print(f"\nreport: {result.directory / 'report.html'}", markup=False, soft_wrap=True)
    for error in result.errors:
        out.print(f"the harness failed in {error}", markup=False, soft_wrap=True)
    return result.exit_code(verdict)


def _finding(part: Part, run: ScenarioRun) -> Iterator[str]:
    """The first finding with the life of its job; how many more; how to see it again."""
    if not run.findings:
        return
    first = run.findings[0]
    yield f"{part.title or part.target.label}, {run.title}: {first.kind}"
    yield f"  {first.id}  {first.says}"
    yield from _promise(first)
    if first.timeline:
        yield as_text(first.timeline)
    if len(run.findings) > 1:
        yield f"  and {len(run.findings) - 1} more findings, in the report"
    yield f"  replay: {run.replay}\n"


def _promise(finding: FindingRecord) -> Iterator[str]:
    if finding.clause is not None:
        yield f"  promised: “{finding.clause.sentence}” ({finding.clause.source})"


def _table(parts: tuple[Part, ...]) -> Table:
    """A row a scenario; whether it ended as it should only where parts are there for different reasons."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    left = {"target", "scenario", "verdict", "as it should"}
    names = ["target", "scenario", "verdict", "acknowledged", "lost", "runs", "faults fired", "p95 job time"]
    for name in (*names, "as it should") if len(parts) > 1 else names:
        table.add_column(name, justify="left" if name in left else "right", no_wrap=True)
    for part in parts:
        for run in part.scenarios:
            lost, p95 = run.metric("lost"), run.metric("p(95) job_time")
            cells = [
                part.title or part.target.label,
                run.title,
                run.verdict.upper(),
                str(run.load.acknowledged),
                "–" if lost is None or lost.value is None else f"{lost.value:g}",
                str(run.runs),
                f"{sum(fault.fired for fault in run.faults)} of {len(run.faults)}",
                "–" if p95 is None or p95.value is None else f"{p95.value:.2f} s",
            ]
            table.add_row(*cells, *(["yes" if part.as_expected else "NO"] if len(parts) > 1 else []))
    return table
