"""A part of a campaign: one target through its scenarios, one after another."""

import threading
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import polars as pl
from stormproof_target import Description, Setup

from chaos.campaign import Campaign
from chaos.errors import HarnessError
from chaos.proxy.toxiproxy import ToxiproxyServer
from reports import run_record as rr
from reports.evaluate import evaluate_all
from reports.objectives import Policy, quantiles
from reports.verdict import Verdict, worst
from scenarios.campaign_plan import CampaignPlan, PartPlan
from scenarios.catalog import CATALOG
from scenarios.fit import fit
from scenarios.history import History, HistoryError
from scenarios.load_source import LoadSource
from scenarios.metrics import Metrics
from scenarios.pool import pooled
from scenarios.progress import Progress, Tick
from scenarios.record import Circumstances, clauses, failed, not_applicable, record
from scenarios.runner import Cancelled, ScenarioRunner
from scenarios.scenario import Scenario
from scenarios.sometimes import sometimes
from scenarios.target_program import TargetError

OVERHEAD_S: Final = 3.0


class Bench:
    """What all scenarios of a campaign share, and what they add up to."""

    def __init__(
        self,
        plan: CampaignPlan,
        campaign: Campaign,
        toxiproxy: ToxiproxyServer,
        directory: Path,
        progress: Progress,
        load: LoadSource | None,
    ) -> None:
        """``directory`` is the campaign's; ``load`` None: each scenario's own."""
        self.plan, self.campaign, self.toxiproxy = plan, campaign, toxiproxy
        self.directory, self.progress, self.load = directory, progress, load
        self.cancelled = threading.Event()
        self._lock = threading.Lock()
        self.servers: tuple[rr.Server, ...] = ()
        self.canary_written = self.canary_lost = self.lines = self.torn = 0
        self.host_stall_s = 0.0

    def add(self, history: History, server: rr.Server) -> None:
        """Count one scenario's history in."""
        stalled_s = sum(stall.hi - stall.lo for stall in history.stalls if stall.worker == "host") / 1e9
        with self._lock:
            if server not in self.servers:
                self.servers += (server,)
            self.canary_written += history.canary.acked
            self.canary_lost += history.canary.missing
            self.lines += history.lines
            self.torn += history.torn
            self.host_stall_s += stalled_s


def run_part(bench: Bench, part: PartPlan, policy: Policy) -> rr.Part:
    """Run its scenarios one after another, judge the policy over all.

    A scenario in which the harness fails is recorded with its error, and the others go on. Raises ``TargetError``
    where the target can't be described, or fails before any of its scenarios has come to an end.
    """
    runs: list[rr.ScenarioRun] = []
    measured: list[Metrics] = []
    descriptions = _descriptions(part)
    for number, description in enumerate(descriptions):
        run, metrics = _run_scenario(bench, part, number, description, _calm_p95_s(measured), first=not measured)
        runs.append(run)
        measured += [metrics] if metrics is not None else []
    description = descriptions[-1]
    over_all = pooled(measured, quantiles(policy.objectives)) if measured else ()
    results = evaluate_all(policy.objectives, over_all, _length_s(measured))
    rows = sometimes(runs, description.promise, description.abilities, CATALOG)
    return rr.Part(
        kind=part.kind,
        target=_target(description),
        verdict=worst(
            [*(run.verdict for run in runs), *(each.verdict for each in results), *(row.verdict for row in rows)]
        ),
        expected=part.expected,
        promise=clauses(description.promise),
        scenarios=tuple(_numbered(runs)),
        sustainable_rate_s=description.sustainable_rate_s,
        title=part.title,
        caught_by=part.caught_by,
        policy=policy.name,
        metrics=over_all,
        objectives=results,
        sometimes=rows,
    )


def _descriptions(part: PartPlan) -> list[Description]:
    """What the target says of itself under each scenario's policy; asked before anything runs, once a policy."""
    asked: dict[str, Description] = {}
    for scenario in part.scenarios:
        setup = _setup_of(scenario)
        if setup.to_json() not in asked:
            asked[setup.to_json()] = part.program.describe(setup)
    return [asked[_setup_of(scenario).to_json()] for scenario in part.scenarios]


def _setup_of(scenario: Scenario) -> Setup:
    """What the target's promise depends on."""
    return Setup(policy=scenario.policy, slots=scenario.workers.slots)


def _run_scenario(
    bench: Bench, part: PartPlan, number: int, description: Description, calm_p95_s: float | None, *, first: bool
) -> tuple[rr.ScenarioRun, Metrics | None]:
    """The part's scenario ``number`` (from 0); no metrics where it is not applicable, or the harness failed.

    ``first``: none of the part's scenarios has come to an end yet.
    """
    scenario = part.scenarios[number]
    fitted = fit(scenario, description, own_store=bench.plan.own_store)
    circumstances = Circumstances(description, fitted, bench.plan.seed, part.program.label, part.file)
    title = f"{description.name} {description.version}: {scenario.title} ({number + 1} of {len(part.scenarios)})"
    if fitted.not_applicable:
        bench.progress.note(f"– {title}: not applicable, {fitted.not_applicable}")
        return not_applicable(circumstances), None
    runner = ScenarioRunner(
        part.program,
        description,
        fitted,
        seed=bench.plan.seed,
        directory=bench.directory / _slug(part.program.label) / scenario.name,
        campaign=bench.campaign,
        toxiproxy=bench.toxiproxy,
        progress=_PartProgress(bench.progress, _seconds(part.scenarios[number + 1 :])),
        load=bench.load,
        cancelled=bench.cancelled,
        make_store=bench.plan.make_store,
    )
    try:
        run, metrics = _judged(bench, runner, circumstances, calm_p95_s)
    except Cancelled:
        raise
    except TargetError as error:
        if first:
            raise
        run, metrics = failed(circumstances, str(error)), None
    except (HarnessError, HistoryError) as error:
        run, metrics = failed(circumstances, str(error)), None
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001  # our bug costs no other its verdict
        traceback.print_exc()
        run, metrics = failed(circumstances, f"{type(error).__name__}: {error}"), None
    bench.progress.note(_said(run, title))
    return run, metrics


def _judged(
    bench: Bench, runner: ScenarioRunner, circumstances: Circumstances, calm_p95_s: float | None
) -> tuple[rr.ScenarioRun, Metrics]:
    result = runner.run()
    bench.add(result.history, result.server)
    metrics = Metrics(result.history, runner.description.promise, runner.scenario, calm_p95_s)
    return record(result.history, result.faults, circumstances, metrics), metrics


def _calm_p95_s(measured: Sequence[Metrics]) -> float | None:
    """By which later scenarios tell late jobs: job time of the first scenario that had no faults."""
    return next((metrics.calm_p95_s()[0] for metrics in measured if not metrics.scenario.faults), None)


class _PartProgress:
    """Adds to the time that a scenario has left what the scenarios after it will take."""

    def __init__(self, progress: Progress, later_s: float) -> None:
        self.progress, self.later_s = progress, later_s

    def tick(self, tick: Tick) -> None:
        self.progress.tick(replace(tick, left_s=tick.left_s + self.later_s))

    def note(self, line: str) -> None:
        self.progress.note(line)


def _seconds(scenarios: Sequence[Scenario]) -> float:
    """What they take at least: load, rest, and about as much as starting and judging costs."""
    return sum(scenario.load.for_s + scenario.rest_s + OVERHEAD_S for scenario in scenarios)


def _said(run: rr.ScenarioRun, title: str) -> str:
    mark = {Verdict.PASS: "✓", Verdict.FAIL: "✗"}.get(run.verdict, "?")
    fired = sum(fault.fired for fault in run.faults)
    why = (
        f": {run.why[0]}"
        if run.why
        else f": {run.load.acknowledged} acknowledged, {fired} of {len(run.faults)} faults fired"
    )
    return f"{mark} {run.verdict.upper():12} {title}{why}"


def _numbered(runs: Iterable[rr.ScenarioRun]) -> Iterable[rr.ScenarioRun]:
    """Findings F1, F2, ... through the part."""
    number = 0
    for run in runs:
        findings = []
        for finding in run.findings:
            number += 1
            findings.append(replace(finding, id=f"F{number}"))
        yield replace(run, findings=tuple(findings))


def _target(description: Description) -> rr.Target:
    return rr.Target(
        name=description.name,
        version=description.version,
        interpreter=description.interpreter,
        title=description.title,
        libraries=tuple(rr.Version(name=name, version=each) for name, each in description.libraries.items()),
    )


def _length_s(measured: Sequence[Metrics]) -> float:
    return sum((metrics.history.end - metrics.history.begin) / 1e9 for metrics in measured)


def _slug(label: str) -> str:
    return Path(label.partition("@")[0]).stem
