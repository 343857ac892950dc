"""docs/audit.md from docs/audit.toml: finding → feature → test → scenario.

python -m tools.audit_table
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
SOURCE: Final = ROOT / "docs" / "audit.toml"
DOCUMENT: Final = ROOT / "docs" / "audit.md"
HEAD: Final = """# The audit, finding by finding

What the audit found, the feature that answers it, the tests that prove it on a real Redis, and the scenario that shows
it under faults. `python -m tools.audit_table` makes this of [audit.toml](audit.toml); a test holds every name against
the tree.

A scenario runs by `stormproof run --scenario NAME`, a test by `pytest FILE -k NAME`.
"""


@dataclass(frozen=True, slots=True)
class Feature:
    """``tests``: FILE or FILE::NAME below tests/."""

    does: str
    files: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """Findings that one set of features answers; or ``later``, why there is none yet."""

    audit: tuple[str, ...]
    text: str
    features: tuple[Feature, ...]
    scenarios: tuple[str, ...]
    no_scenario: str
    later: str


@dataclass(frozen=True, slots=True)
class Required:
    """A test that the audit asks for; ``file`` below tests/, or ``later``, why there is none yet."""

    test: str
    file: str
    later: str


@dataclass(frozen=True, slots=True)
class Audit:
    """All of the document. ``proofs`` are of no single finding."""

    rows: tuple[Row, ...]
    required: tuple[Required, ...]
    proofs: tuple[Feature, ...]


def read(path: Path = SOURCE) -> Audit:
    """The source. Raises ``KeyError`` for what is missing in it."""
    data = tomllib.loads(path.read_text("utf-8"))
    required = (Required(each["test"], each.get("file", ""), each.get("later", "")) for each in data["required"])
    return Audit(tuple(map(_row, data["row"])), tuple(required), tuple(map(_feature, data["proof"])))


def _feature(raw: dict[str, Any]) -> Feature:
    return Feature(raw["does"], tuple(raw["files"]), tuple(raw["tests"]))


def _row(raw: dict[str, Any]) -> Row:
    features = tuple(map(_feature, raw.get("feature", ())))
    told = (raw.get("no_scenario", ""), raw.get("later", ""))
    return Row(tuple(raw["audit"]), raw["text"], features, tuple(raw.get("scenarios", ())), *told)


def render(audit: Audit) -> str:
    """The document."""
    parts = [HEAD, *(_section(row) for row in audit.rows if not row.later)]
    parts += ["\n".join(["## Proofs", "", *_features(audit.proofs), ""])]
    parts += ["## Later\n\n| finding | | meanwhile |\n|---|---|---|"]
    parts += [f"| {', '.join(row.audit)} | {row.text} | {row.later} |" for row in audit.rows if row.later]
    parts += ["\n## The tests that the audit asks for (§14)\n\n| the audit's words | file |\n|---|---|"]
    shown = ((each.test, _link(each.file) if each.file else f"later: {each.later}") for each in audit.required)
    return "\n".join([*parts, *(f"| {test} | {where} |" for test, where in shown)]) + "\n"


def _section(row: Row) -> str:
    return "\n".join([f"## {', '.join(row.audit)}: {row.text}", "", *_table(row)]) + "\n"


def _table(row: Row) -> Iterator[str]:
    yield from _features(row.features)
    yield ""
    shown = ", ".join(f"[`{name}`](../scenarios/catalog/{name}.py)" for name in row.scenarios)
    yield f"Scenarios: {shown}" if shown else f"No scenario: {row.no_scenario}"


def _features(features: tuple[Feature, ...]) -> Iterator[str]:
    yield "| feature | where | tests |"
    yield "|---|---|---|"
    for each in features:
        where = "<br>".join(f"[{Path(name).name}](../{name})" for name in each.files)
        yield f"| {each.does} | {where} | {'<br>'.join(map(_link, each.tests))} |"


def _link(test: str) -> str:
    file, _, name = test.partition("::")
    return f"[{name.replace('::', '.') or Path(file).name}](../tests/{file})"


if __name__ == "__main__":
    DOCUMENT.write_text(render(read()), "utf-8")
