"""Bugs planted in what the harness writes: one real run, whose ledgers are then damaged in every way it could happen.

Each damage ends in an error of the harness or in an inconclusive verdict; none in a pass, none in a finding.

a writer drops a line, or half of one               test_a_dropped_line, test_half_a_line
a disk is full                                      test_a_refused_line
the harness's own ledger breaks off                 test_a_ledger_of_ours_that_is_torn, test_a_ledger_that_breaks_off
the canary stands still, lies, or was not there     test_a_canary_...
the watch misses exits                              test_an_end_that_nobody_saw
states are not read, a fault stays                  test_states_that_were_not_read, test_a_fault_that_was_never_healed
a checker returns nothing, looks at nothing, raises test_a_checker_...
"""

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from stormproof_target import Promise

from reports.verdict import Verdict
from scenarios.checkers import Judged
from scenarios.checkers import registry as registered
from scenarios.clocks import anchors, steps
from scenarios.history import History, HistoryError, read_history
from scenarios.judge import Judgement, judge
from tests.verdicts.stage import SMALL, play

Line = dict[str, Any]
SEEDS = range(12)
EVERYSEC = replace(SMALL, durability="everysec")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a real run that passed."""
    told = play(tmp_path_factory.mktemp("sound"))
    assert told.run.verdict is Verdict.PASS, told.run.why
    return told.folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    shutil.copytree(sound / "ledger", tmp_path / "run" / "ledger")
    return tmp_path / "run"


def judged(folder: Path, scenario: Any = SMALL) -> Judgement:  # noqa: ANN401  # a Scenario
    history = read_history(folder)
    return judge(history, Promise.from_dict(history.header.promise), scenario)


def rewrite(path: Path, change: Callable[[list[Line]], Iterable[Line]]) -> None:
    """Lines of a ledger changed as a bug of its writer would: they are numbered without a gap."""
    numbers: dict[str, int] = {}
    kept = []
    for line in change([json.loads(each) for each in path.read_text().splitlines()]):
        numbers[line["w"]] = numbers.get(line["w"], 0) + 1
        kept.append(json.dumps({**line, "seq": numbers[line["w"]]}, separators=(",", ":")))
    path.write_text("".join(f"{line}\n" for line in kept))


def without(folder: Path, name: str, event: str, drop: Callable[[Line], bool] = lambda _: True) -> None:
    rewrite(folder / "ledger" / name, lambda lines: [each for each in lines if each["e"] != event or not drop(each)])


def test_untouched_it_passes(folder: Path) -> None:
    judgement = judged(folder)
    assert judgement.verdict is Verdict.PASS
    assert not judgement.doubts


def test_its_clocks_were_held_together_all_the_time(sound: Path) -> None:
    history = read_history(sound)
    found = [each for each in anchors(history.few["anchor"]) if each.lo >= history.begin]
    assert len(found) >= (history.looked_at - history.begin) / 2e9  # one every half second, on a machine that is busy
    assert not steps(found)
    assert len({each.server for each in found}) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_dropped_line(folder: Path, seed: int) -> None:
    """Any line of any writer but its last, after which nothing shows the gap."""
    rng = Random(seed)
    path = rng.choice(sorted((folder / "ledger").glob("*.jsonl")))
    lines = path.read_text().splitlines(keepends=True)
    last = {json.loads(line)["w"]: index for index, line in enumerate(lines)}
    gone = rng.choice([index for index in range(len(lines)) if index not in last.values()])
    path.write_text("".join(lines[:gone] + lines[gone + 1 :]))
    with pytest.raises(HistoryError, match="a line was lost"):
        read_history(folder)


@pytest.mark.parametrize("seed", SEEDS)
def test_half_a_line(folder: Path, seed: int) -> None:
    """In the middle of a file; the rest of it may make a line with the next one, or stand alone."""
    rng = Random(seed)
    path = rng.choice(sorted((folder / "ledger").glob("*.jsonl")))
    lines = path.read_text().splitlines()
    at = rng.randrange(len(lines) - 1)
    half = lines[at][: rng.randrange(1, len(lines[at]) - 1)]
    torn = [*lines[:at], half + (lines[at + 1] if seed % 2 else ""), *lines[at + 1 + seed % 2 :]]
    path.write_text("\n".join(torn) + "\n")
    with pytest.raises(HistoryError, match=r"no event of a ledger|a line was lost|lack one of"):
        read_history(folder)


@pytest.mark.parametrize("name", ["harness.jsonl", "canary.jsonl", "producer-1.jsonl", "worker-1-1.jsonl"])
def test_a_refused_line(folder: Path, name: str) -> None:
    """A full disk: the writer removed the mark that says that its ledger is whole."""
    (folder / "ledger" / f"{name}.intact").unlink()
    with pytest.raises(HistoryError, match="could not be written"):
        read_history(folder)


@pytest.mark.parametrize("name", ["harness.jsonl", "canary.jsonl"])
def test_a_ledger_of_ours_that_is_torn(folder: Path, name: str) -> None:
    path = folder / "ledger" / name
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(HistoryError, match="nobody kills whoever writes it"):
        read_history(folder)


def test_the_torn_line_of_a_worker_is_what_a_kill_leaves(folder: Path) -> None:
    path = folder / "ledger" / "worker-1-1.jsonl"
    with path.open("a") as file:
        file.write('{"w":"worker-1-')
    assert judged(folder).verdict is Verdict.PASS


@pytest.mark.parametrize("left", [0.3, 0.9])
def test_a_ledger_that_breaks_off(folder: Path, left: float) -> None:
    """The harness's own pen writes nothing from some line on, and nobody is told."""
    rewrite(folder / "ledger" / "harness.jsonl", lambda lines: lines[: int(len(lines) * left)])
    judgement = judged(folder)
    assert judgement.verdict is Verdict.INCONCLUSIVE, judgement.failed


def test_a_history_without_a_canary(folder: Path) -> None:
    (folder / "ledger" / "canary.jsonl").unlink()
    judgement = judged(folder)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.doubts == ("no canary watched the store: nobody knows what the store lost",)


def test_a_stored_history_without_a_canary(folder: Path) -> None:
    (folder / "ledger" / "canary.jsonl").unlink()
    read_history(folder).write_parquet(folder / "history.parquet")
    stored = History.read_parquet(folder / "history.parquet")
    assert judge(stored, Promise.from_dict(stored.header.promise), SMALL).verdict is Verdict.INCONCLUSIVE


def test_a_canary_that_was_never_answered(folder: Path) -> None:
    without(folder, "canary.jsonl", "canary", lambda line: line["phase"] == "acked")
    assert any("no canary" in doubt for doubt in judged(folder).doubts)


@pytest.mark.parametrize("after", [0, 5])
def test_a_canary_that_stands_still(folder: Path, after: int) -> None:
    """It writes some numbers and no more; or it rests in the middle, and goes on. The run is made long enough."""
    ledger = folder / "ledger"

    def stretched(lines: list[Line]) -> list[Line]:
        late = {"t", "lo_ns"}
        return [
            {key: value + 8_000_000_000 if key in late and value > rest else value for key, value in line.items()}
            for line in lines
            if line["e"] != "stall"
        ]

    harness = [json.loads(line) for line in (ledger / "harness.jsonl").read_text().splitlines()]
    rest = next(line["t"] for line in harness if line.get("name") == "load_end")
    rewrite(ledger / "harness.jsonl", stretched)
    rewrite(ledger / "canary.jsonl", lambda lines: [line for line in stretched(lines) if not after or line["t"] < rest])
    judgement = judged(folder)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert any("the canary stood still" in doubt for doubt in judgement.doubts)


def lying(lines: list[Line]) -> Iterable[Line]:
    """Numbers that are called acknowledged and are missing in the end, though nothing broke the store."""
    yield from lines
    writer = lines[-1]
    for n in (5, 6, 7):
        yield {**writer, "e": "canary", "server": lines[1]["server"], "n": n, "phase": "missing"}


def test_a_canary_that_lies_where_nothing_may_be_lost(folder: Path) -> None:
    rewrite(folder / "ledger" / "canary.jsonl", lying)
    with pytest.raises(HistoryError, match="the store lost 3 of"):
        judged(folder)


def test_a_canary_that_lies_where_a_second_may_be_lost(folder: Path) -> None:
    """Else a queue that empties Redis would be excused by it."""
    rewrite(folder / "ledger" / "canary.jsonl", lying)
    judgement = judged(folder, EVERYSEC)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert any("they were removed, or never written" in doubt for doubt in judgement.doubts)


@pytest.mark.parametrize("role", ["worker-1", "producer"])
def test_an_end_that_nobody_saw(folder: Path, role: str) -> None:
    without(folder, "harness.jsonl", "exited", lambda line: line["worker"] == role)
    judgement = judged(folder)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert any("nobody saw the end of" in doubt for doubt in judgement.doubts)


@pytest.mark.parametrize("share", [1.0, 0.05])
def test_states_that_were_not_read(folder: Path, share: float) -> None:
    rng = Random(1)
    without(folder, "harness.jsonl", "state", lambda _: rng.random() < share)
    judgement = judged(folder)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert any("were not read" in doubt for doubt in judgement.doubts)


def test_a_fault_that_was_never_healed(folder: Path) -> None:
    def broken(lines: list[Line]) -> Iterable[Line]:
        for line in lines:
            if line.get("name") == "load_end":
                told = {"fault": "latency-1", "kind": "latency", "effect": "slow", "phase": "inject", "workers": []}
                yield {"w": line["w"], "seq": 0, "t": line["t"], "e": "fault", **told}
            yield line

    rewrite(folder / "ledger" / "harness.jsonl", broken)
    assert judged(folder).doubts == ("latency-1 was never healed",)


def checker(monkeypatch: pytest.MonkeyPatch, name: str, returned: object) -> None:
    def check(*_: object) -> Any:  # noqa: ANN401  # a bug
        if isinstance(returned, BaseException):
            raise returned
        return returned

    monkeypatch.setitem(registered.CHECKERS, name, replace(registered.CHECKERS[name], check=check))


@pytest.mark.parametrize("name", ["lost", "duplicates", "states"])
@pytest.mark.parametrize("returned", [None, [], 7, RuntimeError("a bug"), KeyError("job")])
def test_a_checker_that_returns_nothing_or_raises(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, returned: object
) -> None:
    checker(monkeypatch, name, returned)
    judgement = judged(folder)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    (broken,) = [each for each in judgement.checkers if each.verdict is Verdict.INCONCLUSIVE]
    assert (broken.name, broken.why) == (name, "the checker crashed")


@pytest.mark.parametrize("name", ["lost", "phantom"])
def test_a_checker_that_looks_at_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    checker(monkeypatch, name, Judged(0))
    assert judged(folder).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(("undecided", "verdict"), [(1, Verdict.PASS), (2, Verdict.INCONCLUSIVE)])
def test_a_checker_that_can_decide_too_little(
    folder: Path, monkeypatch: pytest.MonkeyPatch, undecided: int, verdict: Verdict
) -> None:
    checker(monkeypatch, "lost", Judged(100, undecided=undecided))
    assert judged(folder).verdict is verdict
