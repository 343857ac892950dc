"""docs/audit.md can't rot: it is what its source makes, and every name in the source is one of the tree."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from scenarios.catalog import CATALOG
from tools.audit_table import DOCUMENT, ROOT, Feature, Row, read, render

pytestmark = pytest.mark.unit

AUDIT = read()
ROWS, REQUIRED = AUDIT.rows, AUDIT.required
FINDINGS = {
    *(f"CRITICAL-{number}" for number in range(1, 9)),
    *(f"HIGH-{number}" for number in range(1, 7)),
    *(f"MEDIUM-{number}" for number in range(1, 6)),
}
SECTIONS = {"§4", "§5", "§7", "§8", "§9", "§15", "§16", "§17", "§19"}
LATER = {"HIGH-1", "HIGH-3", "HIGH-4", "MEDIUM-2", "MEDIUM-4"}


def named(row: Row) -> str:
    return ", ".join(row.audit)


def collectable(path: Path) -> Iterator[str]:
    """What pytest would collect, as the source refers to it: NAME, or CLASS::NAME."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.name
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            methods = (each for each in node.body if isinstance(each, ast.FunctionDef))
            yield from (f"{node.name}::{each.name}" for each in methods if each.name.startswith("test_"))


def is_there(test: str) -> bool:
    file, _, name = test.partition("::")
    path = ROOT / "tests" / file
    if not path.is_file() or not path.name.startswith("test_"):
        return False
    return name in collectable(path) if name else any(collectable(path))


def missing(features: Sequence[Feature]) -> list[str]:
    files = [file for feature in features for file in feature.files if not (ROOT / file).is_file()]
    return files + [test for feature in features for test in feature.tests if not is_there(test)]


def test_the_document_is_what_its_source_makes() -> None:
    assert DOCUMENT.read_text("utf-8") == render(AUDIT), "run `python -m tools.audit_table`"


def test_every_finding_is_answered_once_or_listed_as_later() -> None:
    told = [each for row in ROWS for each in row.audit]
    assert sorted(told) == sorted(FINDINGS | SECTIONS)
    assert {each for row in ROWS if row.later for each in row.audit} == LATER


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_every_name_is_one_of_the_tree(row: Row) -> None:
    assert missing(row.features) + [name for name in row.scenarios if name not in CATALOG] == []


def test_every_name_of_a_proof_is_one_of_the_tree() -> None:
    assert missing(AUDIT.proofs) == []


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_what_is_there_has_a_feature_a_file_a_test_and_a_scenario_or_says_why_not(row: Row) -> None:
    assert bool(row.later) == (not row.features)
    assert all(feature.files and feature.tests for feature in row.features)
    assert row.later or bool(row.scenarios) != bool(row.no_scenario)


def test_each_test_that_the_audit_asks_for_is_there_by_its_name() -> None:
    assert len(REQUIRED) == 10
    assert [each.test for each in REQUIRED if each.later] == [
        "Priority Queue: verify high-priority jobs processed first"
    ]
    assert [each.file for each in REQUIRED if each.file and not is_there(each.file)] == []
    listed = {Path(each.file).name for each in REQUIRED if each.file}
    assert listed == {path.name for path in Path(__file__).parent.glob("test_*.py")} - {Path(__file__).name}


def test_what_is_said_of_rq_is_what_its_tests_show() -> None:
    text = (ROOT / "docs" / "rq.md").read_text("utf-8")
    files = (ROOT / "tests" / "system" / "reference").glob("test_rq_interop*.py")
    assert set(re.findall(r"`(test_[a-z_]+)`", text)) == {name for file in files for name in collectable(file)}
