"""Turns one judged run into its record in ``run.json``: findings with evidence, objectives, the verdict and why."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import polars as pl
from stormproof_target import Description, Promise

from chaos.schedule import FaultResult
from reports.evaluate import evaluate_all
from reports.objectives import parse_objectives, quantiles
from reports.run_record import (
    Cause,
    CheckerRun,
    Clause,
    FaultRun,
    FindingRecord,
    Load,
    ObjectiveResult,
    ScenarioRun,
    Situation,
    Workers,
)
from reports.verdict import Verdict, worst
from reports.words import measured
from scenarios.checkers import FINDINGS_SHOWN_MAX, Finding
from scenarios.explain import key_rows
from scenarios.fit import Fitted
from scenarios.history import History
from scenarios.judge import CheckerJudgement, Judgement, judge
from scenarios.metrics import Metrics
from scenarios.series import marks, series
from scenarios.situations import evaluate_situations
from scenarios.sometimes import met


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the record says beside the history: who, which seed, how to run it again."""

    description: Description
    fitted: Fitted
    seed: int
    target_option: str
    file: str = ""

    @property
    def replay(self) -> str:
        """The one command that runs it again with its seed."""
        scenario = self.fitted.scenario.name
        words = ["stormproof", "run", "--target", self.target_option]
        words += ["--file", self.file] if self.file else []
        words += ["--scenario", scenario, "--seed", str(self.seed)]
        return shlex.join(words)


def record(
    history: History, faults: Iterable[FaultResult], circumstances: Circumstances, metrics: Metrics
) -> ScenarioRun:
    """Judge the history and write everything down. Finding ids are given by the suite."""
    fitted, promise = circumstances.fitted, circumstances.description.promise
    scenario = fitted.scenario
    judgement = judge(history, promise, scenario)
    checked = judgement.checkers
    fault_runs = tuple(_fault_runs(faults, history.begin))
    situations = tuple(
        Situation(expression=each.expression, measured=each.measured, reached=each.reached)
        for each in evaluate_situations(scenario.reach, history, promise, scenario)
    )
    wanted = parse_objectives(scenario.objectives, scenario.name)
    numbers = metrics.all(quantiles(wanted))
    objectives = evaluate_all(wanted, numbers, (history.end - history.begin) / 1e9)
    by_name = {metric.name: metric for metric in numbers}
    verdict = worst(
        [
            judgement.verdict,
            *(objective.verdict for objective in objectives),
            *(Verdict.PASS if fault.fired else Verdict.INCONCLUSIVE for fault in fault_runs),
            *(Verdict.PASS if situation.reached else Verdict.INCONCLUSIVE for situation in situations),
        ]
    )
    return ScenarioRun(
        name=scenario.name,
        title=scenario.title,
        claim=scenario.claim,
        stands_for=scenario.stands_for,
        seed=circumstances.seed,
        verdict=verdict,
        replay=circumstances.replay,
        load=_load(history, fitted),
        workers=Workers(programs=fitted.worker_programs, slots=fitted.slots),
        durability=scenario.durability,
        runs=int(by_name["runs"].value or 0),
        retries=int(by_name["retries"].value or 0),
        why=tuple(_why(judgement, objectives, fault_runs, situations, history.begin)),
        faults=fault_runs,
        situations=situations,
        checkers=tuple(checker_run(check) for check in checked),
        findings=(*_broken(checked, promise, history), *_slower(objectives, history, metrics)),
        metrics=numbers,
        objectives=objectives,
        series=series(history, metrics),
        marks=marks(history, metrics, objectives),
        job_time=metrics.latency(),
        moments=met(history, promise, scenario),
    )


def not_applicable(circumstances: Circumstances) -> ScenarioRun:
    """The record of a scenario that the target has no ability for: nothing was run."""
    return _not_judged(circumstances, Verdict.NOT_APPLICABLE, circumstances.fitted.not_applicable)


def failed(circumstances: Circumstances, error: str) -> ScenarioRun:
    """The record of a run in which the harness or its environment failed: it says nothing about the queue."""
    return _not_judged(circumstances, Verdict.INCONCLUSIVE, f"the harness failed: {error}", error)


def _not_judged(circumstances: Circumstances, verdict: Verdict, why: str, error: str = "") -> ScenarioRun:
    scenario = circumstances.fitted.scenario
    return ScenarioRun(
        name=scenario.name,
        title=scenario.title,
        claim=scenario.claim,
        stands_for=scenario.stands_for,
        seed=circumstances.seed,
        verdict=verdict,
        replay=circumstances.replay,
        load=Load(planned=0, sent=0, acknowledged=0, rejected=0, unknown=0, rate_s=0.0, for_s=0.0),
        workers=Workers(programs=0, slots=0),
        durability=scenario.durability,
        runs=0,
        retries=0,
        why=(why,),
        error=error,
    )


def clauses(promise: Promise) -> tuple[Clause, ...]:
    """The promise as the report lists it; a clause without a source says so by an empty sentence."""
    values = {key: value for key, value in promise.to_dict().items() if key not in {"sources", "keys"}}
    for name in promise.sources:
        values.setdefault(name, "as quoted")
    return tuple(
        Clause(
            name=name,
            value="nothing promised" if value is None else str(value),
            sentence=promise.sources[name].sentence if name in promise.sources else "",
            source=promise.sources[name].where if name in promise.sources else "",
        )
        for name, value in values.items()
    )


def _load(history: History, fitted: Fitted) -> Load:
    sent = history.jobs.filter(pl.col("intended") >= history.begin)
    outcomes: Mapping[str, int] = dict(sent["outcome"].value_counts().iter_rows())
    load = fitted.scenario.load
    return Load(
        planned=load.count,
        sent=sent.height,
        acknowledged=outcomes.get("acked", 0),
        rejected=outcomes.get("rejected", 0),
        unknown=outcomes.get("unknown", 0),
        rate_s=load.rate_s,
        for_s=load.for_s,
        stretch=fitted.stretch,
        left_out=fitted.jobs_left_out,
        notes=fitted.left_out,
    )


def _fault_runs(faults: Iterable[FaultResult], begin: int) -> Iterator[FaultRun]:
    for fault in faults:
        yield FaultRun(
            name=fault.kind,
            label=fault.label,
            trigger=fault.trigger,
            inject_s=None if fault.injected_ns is None else (fault.injected_ns - begin) / 1e9,
            heal_s=None if fault.healed_ns is None else (fault.healed_ns - begin) / 1e9,
            affected=len(fault.evidence),
            evidence=fault.evidence,
            note=fault.error or ("" if fault.injected_ns is not None else "its trigger never came"),
        )


def checker_run(check: CheckerJudgement) -> CheckerRun:
    """What the record says of one checker."""
    return CheckerRun(
        name=check.name,
        looks_at=check.looks_at,
        examined=check.judged.examined,
        explained=check.judged.explained,
        undecided=check.judged.undecided,
        findings=check.judged.total,
        verdict=check.verdict,
        needed=check.needed,
        error=check.error,
    )


def _broken(checked: Iterable[CheckerJudgement], promise: Promise, history: History) -> Iterator[FindingRecord]:
    for check in checked:
        found = _load_first(check.judged.findings, history.begin)
        for index, finding in enumerate(found):
            source = promise.sources.get(finding.clause, promise.sources.get("delivery"))
            value = promise.to_dict().get(finding.clause, "")
            yield FindingRecord(
                id="",
                kind="broken promise",
                anomaly=finding.anomaly,
                checker=check.name,
                says=finding.says,
                job=finding.job,
                at_s=(finding.at_ns - history.begin) / 1e9,
                runs=finding.runs,
                clause=None
                if source is None
                else Clause(name=finding.clause, value=str(value), sentence=source.sentence, source=source.where),
                causes=tuple(_causes(finding)),
                timeline=key_rows(history, finding.job, finding) if finding.job else (),
                more_like_it=tuple(other.job for other in found if other is not finding and other.job),
                times=check.judged.total if index == 0 else 1,
            )


def _load_first(findings: Iterable[Finding], begin: int) -> list[Finding]:
    """Jobs of the load before those that warmed the system up: a reader knows them from the plan."""
    return sorted(findings, key=lambda finding: finding.at_ns < begin)


def _causes(finding: Finding) -> Iterator[Cause]:
    for text in finding.causes_rejected:
        cause, _, fails = text.partition(": ")
        yield Cause(cause=cause if fails else "Considered", fails=fails or text)


def _slower(objectives: Iterable[ObjectiveResult], history: History, metrics: Metrics) -> Iterator[FindingRecord]:
    for objective in objectives:
        if objective.verdict is not Verdict.FAIL or objective.metric == "lost":  # what is lost is a finding already
            continue
        jobs = _examples(objective.metric, metrics)
        if objective.metric == "unfinished":
            says = f"{objective.measured:g} of {objective.n} acknowledged jobs were unfinished when waiting ended"
        else:
            says = f"{objective.text} was missed: {measured(objective.measured, objective.unit)}, n {objective.n}"
        says += f" ({objective.note})" if objective.note else ""
        yield FindingRecord(
            id="",
            kind="slower than objective",
            anomaly=objective.metric,
            checker=objective.text,
            says=f"{says}. {_whereabouts(history, jobs[0])}" if jobs else f"{says}.",
            job=jobs[0] if jobs else None,
            timeline=key_rows(history, jobs[0]) if jobs else (),
            more_like_it=tuple(jobs[1:FINDINGS_SHOWN_MAX]),
            times=max(len(jobs), 1),
        )


def _examples(metric: str, metrics: Metrics) -> list[str]:
    """The jobs that an objective about ``metric`` was missed by, as far as they can be named."""
    stuck = metrics.unfinished_jobs().sort(pl.col("state") != "running", maintain_order=True)  # a dead worker's first
    out = stuck["job"].to_list()
    if out or metric != "recovery":
        return [str(job) for job in out] if metric in {"unfinished", "recovery", "success_rate"} else []
    late = metrics.late_jobs()
    return [] if late is None else [str(job) for job in late.sort("done", descending=True)["job"].to_list()]


def _whereabouts(history: History, name: str) -> str:
    """What became of one job, in a sentence; its timeline tells the rest."""
    (job,) = history.stories([name])
    ran = f"ran {'once' if len(job.runs) == 1 else f'{len(job.runs)} times'}" if job.runs else "never ran"
    keys = ", ".join(job.found_in) or "in no key"
    return f"Job {name} {ran}" + (f", and the queue has it as {job.state} ({keys})." if job.state else ".")


def _why(
    judgement: Judgement,
    objectives: Iterable[ObjectiveResult],
    faults: Iterable[FaultRun],
    situations: Iterable[Situation],
    begin: int,
) -> Iterator[str]:
    """The reasons of the verdict, the weightiest first."""
    checked = judgement.checkers
    for check in checked:
        if check.judged.total:
            yield _load_first(check.judged.findings, begin)[0].says
    for objective in objectives:
        if objective.verdict is Verdict.FAIL:
            yield f"{objective.text} was missed" + (f": {objective.note}" if objective.note else "")
    yield from judgement.doubts
    yield from (f"checker {check.name} crashed: {check.error}" for check in checked if check.error)
    yield from (
        f"{fault.label} did not fire" + (f": {fault.note}" if fault.note else "") for fault in faults if not fault.fired
    )
    yield from (
        f"not reached: {situation.expression} (measured {situation.measured:g})"
        for situation in situations
        if not situation.reached
    )
    for check in checked:
        if check.verdict is Verdict.INCONCLUSIVE and not check.error:
            yield f"checker {check.name}: {check.why}"
    for objective in objectives:
        if objective.verdict is Verdict.INCONCLUSIVE:
            yield f"{objective.text} can't be judged: {objective.note}"
