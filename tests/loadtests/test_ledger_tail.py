"""Following a ledger: each good end once, whole lines only, files that come later too."""

from pathlib import Path

import pytest
from stormproof_target.ledger import Ledger

from loadtests import ledger_tail
from loadtests.ledger_tail import LedgerTail


def test_only_runs_that_ended_well_are_told_and_each_once(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path / "worker-1.jsonl"), "worker", "worker-1")
    tail = LedgerTail(tmp_path)
    ledger.started("w-1", "r-1", 1, 0, "0")
    ledger.ended("w-1", "r-1", "error", "")
    ledger.ended("w-2", "r-2", "ok", "")
    assert [job for job, _ in tail.ends()] == ["w-2"]
    ledger.ended("w-1", "r-3", "ok", "")
    assert [job for job, _ in tail.ends()] == ["w-1"]
    assert list(tail.ends()) == []


def test_the_time_is_the_one_that_the_body_wrote(tmp_path: Path) -> None:
    Path(tmp_path / "a.jsonl").write_text('{"w":"x","seq":1,"t":77,"e":"ended","job":"w-1","outcome":"ok"}\n')
    assert list(LedgerTail(tmp_path).ends()) == [("w-1", 77)]


def test_files_that_appear_later_are_read_and_others_are_not(tmp_path: Path) -> None:
    tail = LedgerTail(tmp_path)
    assert list(tail.ends()) == []
    line = '{"t":1,"e":"ended","job":"w-1","outcome":"ok"}\n'
    (tmp_path / "worker-9.jsonl.intact").write_text(line)
    (tmp_path / "worker-9.jsonl").write_text(line.replace("w-1", "w-9"))
    assert [job for job, _ in tail.ends()] == ["w-9"]


def test_a_line_that_is_written_in_two_pieces_is_read_as_one(tmp_path: Path) -> None:
    path, tail = tmp_path / "a.jsonl", LedgerTail(tmp_path)
    path.write_text('{"t":1,"e":"ended","job":"w-1","outcome":"ok"}\n{"t":2,"e":"ended","job":"w-')
    assert [job for job, _ in tail.ends()] == ["w-1"]
    with path.open("a") as file:
        file.write('2","outcome":"ok"}\n')
    assert [job for job, _ in tail.ends()] == ["w-2"]


def test_a_ledger_longer_than_one_read_is_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_tail, "READ_BYTES", 200)
    lines = [f'{{"t":{n},"e":"ended","job":"w-{n}","outcome":"ok"}}\n' for n in range(100)]
    (tmp_path / "a.jsonl").write_text("".join(lines))
    assert [t for _, t in LedgerTail(tmp_path).ends()] == list(range(100))
