"""The table of rules names tests that there are, and every test that is about a rule or a bug is in it."""

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.unit

HERE = Path(__file__).parent


def there() -> set[str]:
    return {
        node.name
        for path in HERE.glob("test_*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_rule_has_a_test() -> None:
    named = set(re.findall(r"`(test_\w+)`", (HERE / "README.md").read_text("utf-8")))
    assert len(named) > 40
    assert named <= there(), f"no such test: {sorted(named - there())}"


def test_what_a_module_s_first_words_name_is_there() -> None:
    for path in HERE.glob("test_*.py"):
        first = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        named = set(re.findall(r"\b(test_\w+)\b(?!\.\.)", first))
        assert named <= there(), f"{path.name} names {sorted(named - there())}"
