"""A campaign: parts (a target each) of scenarios, one after another, and what they leave in ``out/<campaign id>/``."""

import os
import platform
import secrets
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil
from stormproof_target import Description, Setup

from chaos.binaries import find_toxiproxy
from chaos.campaign import Campaign
from chaos.environment import MakeStore
from chaos.environment.redis_server import native_redis
from chaos.errors import HarnessError
from chaos.proxy.toxiproxy import ToxiproxyServer
from reports import run_record as rr
from reports.evaluate import evaluate_all
from reports.objectives import DEFAULT_POLICY, Policy, load_policy
from reports.verdict import Verdict, worst
from reports.write import write_all
from scenarios.fit import fit
from scenarios.history import History
from scenarios.metrics import Metrics
from scenarios.pool import pooled
from scenarios.progress import Progress, Tick
from scenarios.record import Circumstances, clauses, not_applicable, record
from scenarios.runner import Cancelled, LoadSource, ScenarioRunner
from scenarios.scenario import Scenario
from scenarios.target_program import TargetProgram

OVERHEAD_S: Final = 3.0
AT_ONCE: Final = 2  # parts: more would be slow for want of processors, not of the queue
PASS_EXPECTED: Final = (Verdict.PASS,)
ANY_EXPECTED: Final = (Verdict.PASS, Verdict.FAIL)
FAIL_EXPECTED: Final = (Verdict.FAIL,)


@dataclass(frozen=True, slots=True)
class PartPlan:
    """One target and its scenarios. ``file``: the user's own that they stand in ('': the catalogue).

    ``caught_by``: the checker that must find the planted bug ('': none is planted).
    """

    program: TargetProgram
    scenarios: Sequence[Scenario]
    kind: rr.PartKind = "as declared"
    expected: tuple[Verdict, ...] = PASS_EXPECTED
    title: str = ""
    caught_by: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """What one invocation runs; ``command`` runs it again. ``side_by_side``: two parts at a time.

    ``make_store`` gives each scenario its Redis; ``own_store``: one that the harness started, and so may kill.
    """

    parts: Sequence[PartPlan]
    seed: int
    out: Path
    command: str
    policy: Path = DEFAULT_POLICY
    side_by_side: bool = False
    make_store: MakeStore = native_redis
    own_store: bool = True


@dataclass(frozen=True, slots=True)
class CampaignResult:
    """The record, and the folder that holds it."""

    record: rr.RunRecord
    directory: Path

    @property
    def verdict(self) -> Verdict:
        """The worst of the parts."""
        return worst(part.verdict for part in self.record.parts)


def run_campaign(plan: CampaignPlan, progress: Progress, load: LoadSource | None = None) -> CampaignResult:
    """Run it, write ``run.json`` and reports, point ``out/latest`` at it. Raises ``HarnessError``, ``TargetError``."""
    policy = load_policy(plan.policy)  # before anything is started: a wrong policy costs nothing
    started = datetime.now(UTC)
    directory = _new_directory(plan.out, started)
    identity = directory.name
    with (
        Campaign(identity) as campaign,
        ToxiproxyServer(campaign, find_toxiproxy(), directory / "toxiproxy.log") as toxiproxy,
    ):
        bench = _Bench(plan, campaign, toxiproxy, directory, progress, load)
        parts = (
            _side_by_side(bench, policy)
            if plan.side_by_side
            else tuple(_part(bench, part, policy) for part in plan.parts)
        )
        servers = (
            *bench.servers,
            rr.Server(name="Toxiproxy", binary=toxiproxy.binary.name, version=toxiproxy.binary.version),
        )
    ended = datetime.now(UTC)
    whole = rr.RunRecord(
        campaign=identity,
        seed=plan.seed,
        started=started.isoformat(timespec="seconds"),
        ended=ended.isoformat(timespec="seconds"),
        duration_s=(ended - started).total_seconds(),
        command=plan.command,
        stormproof_version=version("stormproof"),
        host=rr.Host(
            cpus=os.cpu_count() or 1,
            kernel=platform.release(),
            memory_bytes=psutil.virtual_memory().total,
            python=platform.python_version(),
        ),
        servers=servers,
        canary=rr.Share(n=bench.canary_lost, of=bench.canary_written),
        host_stall_s=bench.host_stall_s,
        ledger=rr.LedgerHealth(lines=bench.lines, torn=bench.torn, missing=0),
        parts=parts,
        planted_bugs=_planted(parts),
    )
    (directory / "run.json").write_text(rr.dump(whole), encoding="utf-8")
    write_all(directory)
    _point_latest(plan.out, directory)
    return CampaignResult(whole, directory)


class _Bench:
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


def _side_by_side(bench: _Bench, policy: Policy) -> tuple[rr.Part, ...]:
    """Two parts at a time, a thread each; what goes wrong in one, or an interruption, ends them all."""
    with ThreadPoolExecutor(AT_ONCE, "part") as threads:
        futures = [threads.submit(_part, bench, part, policy) for part in bench.plan.parts]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            if not all(future.done() for future in futures):
                bench.cancelled.set()
        failed = [error for future in futures if (error := future.exception()) and not isinstance(error, Cancelled)]
        if failed:
            raise failed[0]
        return tuple(future.result() for future in futures)


def _part(bench: _Bench, part: PartPlan, policy: Policy) -> rr.Part:
    runs: list[rr.ScenarioRun] = []
    measured: list[Metrics] = []
    calm_p95_s: float | None = None
    description: Description | None = None
    for number, scenario in enumerate(part.scenarios, 1):
        description = part.program.describe(Setup(policy=scenario.policy))
        circumstances = Circumstances(
            description,
            fit(scenario, description, own_store=bench.plan.own_store),
            bench.plan.seed,
            part.program.label,
            part.file,
        )
        title = f"{description.name} {description.version}: {scenario.title} ({number} of {len(part.scenarios)})"
        if circumstances.fitted.not_applicable:
            runs.append(not_applicable(circumstances))
            bench.progress.note(f"– {title}: not applicable, {circumstances.fitted.not_applicable}")
            continue
        runner = ScenarioRunner(
            part.program,
            description,
            circumstances.fitted,
            seed=bench.plan.seed,
            directory=bench.directory / _slug(part.program.label) / scenario.name,
            campaign=bench.campaign,
            toxiproxy=bench.toxiproxy,
            progress=_PartProgress(bench.progress, _seconds(part.scenarios[number:])),
            load=bench.load,
            cancelled=bench.cancelled,
            make_store=bench.plan.make_store,
        )
        result = runner.run()
        bench.add(result.history, result.server)
        metrics = Metrics(result.history, description.promise, circumstances.fitted.scenario, calm_p95_s)
        if not scenario.faults and calm_p95_s is None:
            calm_p95_s = metrics.calm_p95_s()[0]
        measured.append(metrics)
        run = record(result.history, result.faults, circumstances, metrics)
        runs.append(run)
        bench.progress.note(_said(run, title))
    if description is None:
        raise HarnessError(f"target {part.program.label}: no scenario was chosen")
    over_all = pooled(measured) if measured else ()
    results = evaluate_all(policy.objectives, over_all, _length_s(measured))
    return rr.Part(
        kind=part.kind,
        target=_target(description),
        verdict=worst([*(run.verdict for run in runs), *(result.verdict for result in results)]),
        expected=part.expected,
        promise=clauses(description.promise),
        scenarios=tuple(_numbered(runs)),
        sustainable_rate_s=description.sustainable_rate_s,
        title=part.title,
        caught_by=part.caught_by,
        policy=policy.name,
        metrics=over_all,
        objectives=results,
    )


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


def _planted(parts: Sequence[rr.Part]) -> rr.Share | None:
    planted = [part for part in parts if part.caught_by]
    return rr.Share(n=sum(part.as_expected for part in planted), of=len(planted)) if planted else None


def _slug(label: str) -> str:
    return Path(label.partition("@")[0]).stem


def _new_directory(out: Path, started: datetime) -> Path:
    """``out/20261124-131400-5f3a``: its name is the campaign's id, by which its processes are found and ended.

    So no other campaign of this machine may have it, in whatever folder it writes.
    """
    directory = out / f"{started:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    try:
        directory.mkdir(parents=True)
    except OSError as error:
        raise HarnessError(f"{directory}: {error.strerror}; choose another folder by --out") from error
    return directory


def _point_latest(out: Path, directory: Path) -> None:
    """``out/latest`` is moved in one step, so that it always leads somewhere."""
    fresh = out / f".latest-{directory.name}"
    fresh.symlink_to(directory.name)
    fresh.replace(out / "latest")
