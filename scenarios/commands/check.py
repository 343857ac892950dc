"""``stormproof check``: judge a stored history again with today's checkers, or tell the life of one job."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from stormproof_target import Promise

from reports.run_record import RunRecord, ScenarioRun, load
from reports.verdict import Verdict, worst
from scenarios.catalog import CATALOG
from scenarios.exit_codes import Exit, exit_of
from scenarios.explain import as_text, explain
from scenarios.history import History, HistoryError
from scenarios.judge import judge
from scenarios.registered import ScenarioFileError, load_file
from scenarios.scenario import Scenario

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_to(commands: "_SubParsersAction[argparse.ArgumentParser]") -> None:
    """Options."""
    command = commands.add_parser("check", help="judge a stored history again; tell one job's life")
    command.add_argument(
        "run", type=Path, nargs="?", default=Path("out/latest"), help="a run's folder (default: out/latest)"
    )
    command.add_argument("--explain", metavar="JOB", help="the life of one job as a timeline")
    command.add_argument("--scenario", metavar="NAME", help="only this scenario of the run")
    command.add_argument("--file", type=Path, help="the scenario file that the run was made from")
    command.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    """Exit as the worst verdict, or 0 after an explanation."""
    record = stored_record(options.run)
    known = {scenario.name: scenario for scenario in (load_file(options.file) if options.file else ())} | CATALOG
    stored = [
        (run, path)
        for path in sorted(options.run.glob("*/*/history.parquet"))
        for run in _runs(record, path.parent.name)
        if options.scenario in {None, run.name}
    ]
    if not stored:
        raise HistoryError(
            f"{options.run}: no stored history" + (f" of {options.scenario}" if options.scenario else "")
        )
    if options.explain:
        return _explain(options.explain, [path for _, path in stored])
    verdicts = [_judge_again(path, known.get(run.name)) for run, path in stored]
    print("checkers only: the verdicts with objectives and policy are in the report")
    return exit_of(worst(verdicts))


def stored_record(run: Path) -> RunRecord:
    """The record in a run's folder. Raises ``ScenarioFileError`` where there is none."""
    path = run / "run.json"
    if not path.exists():
        raise ScenarioFileError(f"{path}: there is none; a run's folder is needed, such as out/latest")
    return load(path)


def _runs(record: RunRecord, name: str) -> list[ScenarioRun]:
    return [run for part in record.parts for run in part.scenarios if run.name == name][:1]


def _judge_again(path: Path, scenario: Scenario | None) -> Verdict:
    if scenario is None:
        raise ScenarioFileError(f"{path.parent.name}: not in the catalogue; name its file by --file")
    history = History.read_parquet(path)
    judgement = judge(history, Promise.from_dict(history.header.promise), scenario)
    print(f"{path.parent.parent.name}/{path.parent.name}: {judgement.verdict.upper()}")
    for doubt in judgement.doubts:
        print(f"  in doubt: {doubt}")
    for check in judgement.checkers:
        judged = check.judged
        print(
            f"  {check.verdict:15} {check.name:13} examined {judged.examined}, explained {judged.explained},"
            f" undecided {judged.undecided}, findings {judged.total}" + (f"  {check.why}" if check.why else "")
        )
    return judgement.verdict


def _explain(job: str, paths: list[Path]) -> int:
    told = 0
    for path in paths:
        rows = explain(History.read_parquet(path), job)
        if not rows:
            continue
        told += 1
        print(f"{path.parent.parent.name}/{path.parent.name}: the life of {job}, in seconds since the load began")
        print(as_text(rows))
    if not told:
        raise HistoryError(f"no stored history of this run knows a job {job}")
    return Exit.PASS
