"""Anomalies: each checker declares its own, and the smallest history of each shows it and nothing else."""

import ast
import sys
from pathlib import Path

import pytest

from reports.sentence import ACCUSATIONS
from scenarios.checkers import Anomaly
from scenarios.checkers.registry import CHECKERS
from tests.scenarios.smallest import find
from tools.anomaly_table import DOCUMENT, declared, render

pytestmark = pytest.mark.unit

DECLARED = [(checker, name, anomaly) for checker, each in declared().items() for name, anomaly in each.items()]


@pytest.mark.parametrize(("checker", "name", "anomaly"), DECLARED, ids=[name for _, name, _ in DECLARED])
def test_the_smallest_history_shows_the_anomaly_and_nothing_else(checker: str, name: str, anomaly: Anomaly) -> None:
    judged = find(checker, anomaly)
    assert {finding.anomaly for finding in judged.findings} == {name}, judged
    assert judged.total == 1
    for part in (line for line in anomaly.smallest.splitlines() if not line.startswith("spawned")):
        left = {finding.anomaly for finding in find(checker, anomaly, without=part).findings}
        assert left != {name}, f"{part} is not needed"


@pytest.mark.parametrize(("checker", "name", "anomaly"), DECLARED, ids=[name for _, name, _ in DECLARED])
def test_a_finding_says_which_causes_were_considered_and_why_each_fails(
    checker: str, name: str, anomaly: Anomaly
) -> None:
    for finding in find(checker, anomaly).findings:
        assert finding.causes_rejected, name
        assert all(": " in cause and cause.endswith(".") for cause in finding.causes_rejected), finding.causes_rejected


def test_the_sentence_of_the_verdict_band_names_what_there_is() -> None:
    assert set(ACCUSATIONS) <= {*CHECKERS, *(name for _, name, _ in DECLARED)}


def test_every_checker_declares_what_it_finds() -> None:
    assert declared().keys() == CHECKERS.keys()
    assert all(declared().values())


def test_no_two_checkers_find_anomalies_of_one_name() -> None:
    names = [name for _, name, _ in DECLARED]
    assert len(set(names)) == len(names)


def test_definitions_and_meanings_are_sentences() -> None:
    for _, name, anomaly in DECLARED:
        assert name == name.strip()
        assert all(says.endswith(".") and says[0].isupper() for says in (anomaly.definition, anomaly.means)), name


def test_no_finding_has_a_name_that_is_not_declared() -> None:
    """By the code: every text that a checker's module gives a ``Finding`` as its anomaly."""
    for name, each in CHECKERS.items():
        module = sys.modules[each.check.__module__]
        tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
        given = [
            keyword.value
            for call in ast.walk(tree)
            if isinstance(call, ast.Call)
            for keyword in call.keywords
            if keyword.arg == "anomaly"
        ]
        literal = {
            node.value
            for value in given
            for node in ast.walk(value)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert literal <= declared()[name].keys(), f"{name}: {literal - declared()[name].keys()}"


def test_the_document_is_what_the_checkers_declare() -> None:
    assert DOCUMENT.read_text("utf-8") == render(), "python -m tools.anomaly_table"
