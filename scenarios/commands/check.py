"""``stormproof check``: judge a stored history again with today's checkers, or tell the life of one job."""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stormproof_target import Promise

from reports.objectives import DEFAULT_POLICY, load_policy
from reports.run_record import Part, RunRecord, ScenarioRun, load
from reports.verdict import Verdict
from scenarios.exit_codes import Exit, exit_of
from scenarios.explain import as_text, explain
from scenarios.history import History, HistoryError
from scenarios.history_causes import Causes
from scenarios.recheck import Again, Scenarios, check_part, part_changes, read_stored, stored_history
from scenarios.registered import ScenarioFileError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

QUIET = frozenset({Verdict.PASS, Verdict.NOT_APPLICABLE, Verdict.NOT_JUDGED})


def add_to(commands: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """Options."""
    command = commands.add_parser("check", help="judge a stored run again; tell one job's life")
    command.add_argument(
        "run", type=Path, nargs="?", default=Path("out/latest"), help="a run's folder (default: out/latest)"
    )
    command.add_argument("--explain", metavar="JOB", help="the life of one job as a timeline")
    command.add_argument("--scenario", metavar="NAME", help="only this scenario of the run")
    command.add_argument("--file", type=Path, help="the scenario file, if it is no more where the run was made from")
    command.add_argument(
        "--policy", type=Path, default=DEFAULT_POLICY, metavar="FILE.toml", help="objectives over all scenarios"
    )
    command.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    """Exit as the worst verdict of today, or 0 after an explanation."""
    record = stored_record(options.run)
    names = {run.name for part in record.parts for run in part.scenarios}
    if options.scenario and options.scenario not in names:
        raise HistoryError(f"{options.run}: no scenario {options.scenario}; there are {', '.join(sorted(names))}")
    scenarios, policy = Scenarios(options.file), load_policy(options.policy)
    if options.explain:
        return _explain(options, record, scenarios)
    today, unchanged = [], True
    for part in record.parts:
        judged, again = check_part(part, options.run, scenarios, policy, options.scenario)
        changed = [] if options.scenario else list(part_changes(part, judged))
        for line in _said(judged, again, changed):
            print(line)
        today.append(judged)
        unchanged &= not changed and not any(each.changed for each in again)
    whole = replace(record, parts=tuple(today))
    print(
        f"{whole.verdict.upper()}, stored was {record.verdict.upper()}" + (": nothing has changed" if unchanged else "")
    )
    if options.scenario:
        return exit_of(_worst_of(today, options.scenario))
    return exit_of(whole.verdict)


def stored_record(run: Path) -> RunRecord:
    """The record in a run's folder. Raises ``ScenarioFileError`` where there is none."""
    path = run / "run.json"
    if not path.exists():
        raise ScenarioFileError(f"{path}: there is none; a run's folder is needed, such as out/latest")
    return load(path)


def _worst_of(parts: list[Part], scenario: str) -> Verdict:
    verdicts = [run.verdict for part in parts for run in part.scenarios if run.name == scenario]
    return min(verdicts, key=lambda verdict: verdict.rank)


def _said(part: Part, again: list[Again], changed: list[str]) -> Iterator[str]:
    yield f"{part.title or part.target.label} ({part.kind}): {part.verdict.upper()}"
    for each in again:
        yield from _scenario(each)
    for row in part.sometimes:
        if row.verdict is Verdict.INCONCLUSIVE:
            yield f"  never met: {row.name} ({row.says})"
    for result in part.objectives:
        if result.verdict not in QUIET:
            yield f"  {result.verdict:15} {result.text}" + (f": {result.note}" if result.note else "")
    yield from (f"  changed: {change}" for change in changed)


def _scenario(each: Again) -> Iterator[str]:
    run = each.run
    yield f"  {run.name}: {run.verdict.upper()}"
    yield from (f"    note: {note}" for note in each.notes)
    for check in run.checkers:
        if check.examined or check.verdict not in QUIET:
            yield (
                f"    {check.verdict:15} {check.name:13} examined {check.examined}, explained {check.explained},"
                f" undecided {check.undecided}, findings {check.findings}" + (f"  {check.error}" if check.error else "")
            )
    yield from (f"    why: {reason}" for reason in run.why)
    yield from (f"    changed: {change}" for change in each.changed)


def _explain(options: argparse.Namespace, record: RunRecord, scenarios: Scenarios) -> int:
    told, looked = 0, 0
    for run in (run for part in record.parts for run in part.scenarios if options.scenario in {None, run.name}):
        path = stored_history(options.run, run)
        if not path.exists():
            continue
        looked += 1
        history = read_stored(path)
        rows = explain(history, options.explain, causes=_causes(history, scenarios, run))
        if rows:
            told += 1
            print(
                f"{path.parent.parent.name}/{run.name}: the life of {options.explain}, in seconds since the load began"
            )
            print(as_text(rows))
    if not told:
        raise HistoryError(
            f"no stored history of this run knows a job {options.explain}" if looked else f"{options.run}: no history"
        )
    return Exit.PASS


def _causes(history: History, scenarios: Scenarios, run: ScenarioRun) -> Causes | None:
    """None where the scenario's file is gone: a life can be told without its causes."""
    try:
        return history.causes(Promise.from_dict(history.header.promise), scenarios.of(run).policy)
    except ScenarioFileError:
        return None
