from pathlib import Path

import pytest

from reports.run_record import RecordError, dump
from reports.write import write_all
from tests.reports import sample


def test_all_reports_are_written_from_run_json_alone(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(dump(sample.campaign()), encoding="utf-8")
    paths = write_all(tmp_path)
    assert [path.name for path in paths] == ["report.html", "junit.xml", "summary.md"]
    assert all(path.stat().st_size > 1000 for path in paths)
    first = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write_all(tmp_path)] == first


def test_a_run_json_that_can_not_be_read_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}", encoding="utf-8")
    with pytest.raises(RecordError, match="schema_version"):
        write_all(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
