"""How a campaign's commands end: a table, where the report is, and the verdict's exit code."""

from rich.table import Table

from reports.verdict import Verdict
from scenarios.exit_codes import exit_of
from scenarios.suite import CampaignResult
from scenarios.terminal import console


def close(result: CampaignResult, verdict: Verdict) -> int:
    """Print the table and the report's path; returns the exit code of ``verdict``."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("target", "scenario", "verdict", "acknowledged", "lost", "runs", "faults fired", "p95 job time"):
        table.add_column(name, justify="left" if name in {"target", "scenario", "verdict"} else "right")
    for part in result.record.parts:
        for run in part.scenarios:
            lost, p95 = run.metric("lost"), run.metric("p(95) job_time")
            table.add_row(
                part.title or part.target.label,
                run.title,
                run.verdict.upper(),
                str(run.load.acknowledged),
                "–" if lost is None or lost.value is None else f"{lost.value:g}",
                str(run.runs),
                f"{sum(fault.fired for fault in run.faults)} of {len(run.faults)}",
                "–" if p95 is None or p95.value is None else f"{p95.value:.2f} s",
            )
    out = console()
    out.print(table)
    for part in result.record.parts:
        for run in part.scenarios:
            for finding in run.findings:
                told = f"{finding.id} {finding.kind}: {finding.says}\n   replay: {run.replay}"
                out.print(told, markup=False, soft_wrap=True)
    out.print(f"report: {result.directory / 'report.html'}", markup=False, soft_wrap=True)
    return exit_of(verdict)
