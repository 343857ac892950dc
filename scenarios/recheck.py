"""Judges a stored campaign again, with today's checkers, metrics and scenarios, and says what has changed."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from stormproof_target import Description, Promise

from chaos.schedule import FaultResult
from reports.evaluate import evaluate_all
from reports.objectives import Policy, quantiles
from reports.run_record import FaultRun, ObjectiveResult, Part, ScenarioRun
from reports.verdict import Verdict, worst
from scenarios.catalog import CATALOG
from scenarios.cohorts import LINES_MAX, judge_stored
from scenarios.fit import Fitted, fit
from scenarios.history import History, HistoryError, read_history
from scenarios.metrics import Metrics
from scenarios.pool import pooled
from scenarios.record import Circumstances, checker_run, failed, record
from scenarios.registered import ScenarioFileError, load_file
from scenarios.scenario import Scenario
from scenarios.sometimes import sometimes

NOT_OURS: Final = "that the harness did not start"
"""How a note says that a fault was left out since the store was the user's own."""


@dataclass(frozen=True, slots=True)
class Again:
    """A scenario judged again. ``changed``: what is not as it was stored. ``notes``: what a reader must know of it."""

    stored: ScenarioRun
    run: ScenarioRun
    changed: tuple[str, ...]
    notes: tuple[str, ...]


def replayed(run: ScenarioRun, option: str) -> str:
    """The value of an option in the command that runs it again ('': it is not there)."""
    words = shlex.split(run.replay)
    return words[words.index(option) + 1] if option in words[:-1] else ""


def stored_history(directory: Path, run: ScenarioRun) -> Path:
    """Where a campaign keeps it; it may not exist."""
    target = Path(replayed(run, "--target").partition("@")[0]).stem
    return directory / target / run.name / "history.parquet"


def read_stored(path: Path) -> History:
    """The stored history, or what its ledgers tell where it can't be read. Raises ``HistoryError``."""
    try:
        return History.read_parquet(path)
    except HistoryError:
        if (path.parent / "ledger").is_dir():
            return read_history(path.parent)
        raise


class Scenarios:
    """Scenarios by their name: of the file that is named, of the one that the run was made from, of the catalogue."""

    def __init__(self, file: Path | None) -> None:
        """``file`` None: the one that each run names. Raises ``ScenarioFileError``."""
        self.named = {each.name: each for each in load_file(file)} if file else {}
        self._files: dict[str, Mapping[str, Scenario]] = {}

    def of(self, run: ScenarioRun) -> Scenario:
        """Raises ``ScenarioFileError`` where it is nowhere."""
        if run.name in self.named:
            return self.named[run.name]
        file = replayed(run, "--file")
        if file and file not in self._files:
            self._files[file] = {each.name: each for each in load_file(Path(file))}
        known = self._files.get(file, CATALOG)
        if run.name not in known:
            where = f"in {file}" if file else "in the catalogue"
            raise ScenarioFileError(f"{run.name}: no scenario of this name {where}; name its file by --file")
        return known[run.name]


def check_part(
    part: Part, directory: Path, scenarios: Scenarios, policy: Policy, only: str | None = None
) -> tuple[Part, list[Again]]:
    """The part as it is judged today. ``only``: of this scenario; the others stand as they are stored.

    Raises ``ScenarioFileError``, and ``HistoryError`` where a history is missing or can't be trusted.
    """
    again: list[Again] = []
    runs: list[ScenarioRun] = []
    measured: list[Metrics] = []
    description: Description | None = None
    for stored in part.scenarios:
        if stored.error or stored.verdict is Verdict.NOT_APPLICABLE or only not in {None, stored.name}:
            runs.append(stored)
            continue
        path = stored_history(directory, stored)
        scenario = scenarios.of(stored)
        history = read_stored(path)
        if path.is_dir() or history.lines > LINES_MAX:
            one = _by_cohorts(path, history, stored, scenario)
        else:
            description = _description(history, part, stored)
            fitted = fit(scenario, description, own_store=not any(NOT_OURS in note for note in stored.load.notes))
            metrics = Metrics(history, description.promise, fitted.scenario, _calm_p95_s(measured))
            measured.append(metrics)
            one = _again(stored, _judged(history, stored, description, fitted, metrics), fitted)
        again.append(one)
        runs.append(one.run)
    if description is None or only is not None or len(measured) < len(again):
        # What is judged over all scenarios is not asked again, so it stands: a pass of the rest does not undo it.
        stand = [*(each.verdict for each in part.objectives), *(row.verdict for row in part.sometimes)]
        return replace(part, scenarios=tuple(runs), verdict=worst([*(run.verdict for run in runs), *stand])), again
    over_all = pooled(measured, quantiles(policy.objectives))
    length_s = sum((each.history.end - each.history.begin) / 1e9 for each in measured)
    results = evaluate_all(policy.objectives, over_all, length_s)
    rows = sometimes(runs, description.promise, description.abilities, CATALOG)
    verdicts = [*(run.verdict for run in runs), *(each.verdict for each in results), *(row.verdict for row in rows)]
    today = replace(
        part,
        scenarios=tuple(runs),
        verdict=worst(verdicts),
        policy=policy.name,
        metrics=over_all,
        objectives=results,
        sometimes=rows,
    )
    return today, again


def part_changes(stored: Part, today: Part) -> Iterator[str]:
    """What is not as it was stored, of what is judged over all scenarios."""
    if stored.policy != today.policy:
        yield f"policy {today.policy}, stored was {stored.policy or 'none'}"
    yield from _objectives(stored.objectives, today.objectives)
    before = {row.name: row for row in stored.sometimes}
    for row in today.sometimes if before else ():
        if row.name in before and row.verdict is not before[row.name].verdict:
            yield f"{row.name}: {row.verdict} ({row.times}), stored was {before[row.name].verdict}"
    if stored.verdict is not today.verdict:
        yield f"verdict {today.verdict}, stored was {stored.verdict}"


def _judged(
    history: History, stored: ScenarioRun, description: Description, fitted: Fitted, metrics: Metrics
) -> ScenarioRun:
    circumstances = Circumstances(
        description, fitted, stored.seed, replayed(stored, "--target"), replayed(stored, "--file")
    )
    faults = [_fault(fault, history.begin) for fault in stored.faults]
    try:
        return record(history, faults, circumstances, metrics)
    except HistoryError as error:
        return failed(circumstances, str(error))


def _by_cohorts(path: Path, history: History, stored: ScenarioRun, scenario: Scenario) -> Again:
    """Of a run that is too long to be held only the checkers are asked."""
    judgement = judge_stored(path, Promise.from_dict(history.header.promise), scenario)
    stand = [
        *(each.verdict for each in stored.objectives),
        *(Verdict.PASS if fault.fired else Verdict.INCONCLUSIVE for fault in stored.faults),
        *(Verdict.INCONCLUSIVE for each in stored.situations if not each.reached),
    ]
    verdict = worst([judgement.verdict, *stand])
    run = replace(stored, checkers=tuple(map(checker_run, judgement.checkers)), verdict=verdict)
    return Again(stored, run, tuple(_changes(stored, run)), ("checkers only: the history is too long to be held",))


def _again(stored: ScenarioRun, run: ScenarioRun, fitted: Fitted) -> Again:
    notes = []
    if run.load.planned != stored.load.planned or {fault.name for fault in stored.faults} != {
        planned.fault.name for planned in fitted.scenario.faults
    }:
        notes.append("the scenario has other jobs or faults today than when it was run")
    return Again(stored, run, tuple(_changes(stored, run)), tuple(notes))


def _description(history: History, part: Part, stored: ScenarioRun) -> Description:
    header = history.header
    return Description(
        name=header.name or part.target.name,
        version=header.version or part.target.version,
        promise=Promise.from_dict(header.promise),
        abilities=frozenset(header.abilities or ()),
        sustainable_rate_s=part.sustainable_rate_s,
        slots_per_worker=stored.workers.slots,
        interpreter=part.target.interpreter,
        title=part.target.title,
    )


def _fault(fault: FaultRun, begin: int) -> FaultResult:
    def ns(at_s: float | None) -> int | None:
        return None if at_s is None else begin + round(at_s * 1e9)

    return FaultResult(
        label=fault.label,
        kind=fault.name,
        effect="",
        trigger=fault.trigger,
        injected_ns=ns(fault.inject_s),
        healed_ns=ns(fault.heal_s),
        evidence=fault.evidence,
        error=fault.note,
    )


def _calm_p95_s(measured: list[Metrics]) -> float | None:
    return next((metrics.calm_p95_s()[0] for metrics in measured if not metrics.scenario.faults), None)


def _changes(stored: ScenarioRun, today: ScenarioRun) -> Iterator[str]:
    if stored.verdict is not today.verdict:
        yield f"verdict {today.verdict}, stored was {stored.verdict}"
    before = {check.name: check for check in stored.checkers}
    for check in today.checkers:
        was = before.get(check.name)
        if was is None and check.verdict is not Verdict.NOT_APPLICABLE:
            yield f"checker {check.name} is new: {check.verdict}, {check.examined} examined, {check.findings} findings"
        elif was and (check.verdict, check.findings, check.undecided) != (was.verdict, was.findings, was.undecided):
            yield (
                f"checker {check.name}: {check.verdict}, {check.findings} findings, {check.undecided} undecided;"
                f" stored were {was.verdict}, {was.findings}, {was.undecided}"
            )
    gone = before.keys() - {check.name for check in today.checkers}
    yield from (f"checker {name} is no more" for name in sorted(gone))
    reached = {each.expression: each.reached for each in stored.situations}
    for situation in today.situations:
        if reached.get(situation.expression) is not situation.reached:
            was_reached = {True: "reached", False: "not reached", None: "not asked for"}[
                reached.get(situation.expression)
            ]
            yield f"situation {situation.expression}: {situation.measured:g}, stored was {was_reached}"
    yield from _objectives(stored.objectives, today.objectives)


def _objectives(stored: tuple[ObjectiveResult, ...], today: tuple[ObjectiveResult, ...]) -> Iterator[str]:
    before = {each.text: each.verdict for each in stored}
    for each in today:
        was = before.get(each.text)
        if was is not each.verdict:
            yield f"objective {each.text}: {each.verdict}, stored was {was or 'none'}"
