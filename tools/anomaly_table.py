"""docs/anomalies.md from the checkers: what each anomaly is, its smallest history, what is said of it, what it means.

python -m tools.anomaly_table
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from scenarios.checkers import Anomaly
from scenarios.checkers.registry import CHECKERS
from tests.scenarios.smallest import find

ROOT: Final = Path(__file__).parent.parent
DOCUMENT: Final = ROOT / "docs" / "anomalies.md"
HEAD: Final = """# Anomalies

What Stormproof may find in a queue's history, checker by checker: what the history shows, the smallest history that
shows it, what Stormproof says of it, and what it means for who uses the queue. `python -m tools.anomaly_table` makes
this of the checkers; a test judges every history and holds the document in step.

A finding accuses somebody, so a checker speaks only where it holds for every value that an unknown time may have: a
history with any lawful explanation is none of these. A clause that the target does not promise, with a source, can't be
broken.

The histories are written as in `tests/scenarios/histories.py`: seconds since the load's begin; workers `w1` and `w2`
with two slots each live from the start; keys are read at 100 s. The promise there is a lease of 2 s, renewed every
0.67 s, at most 0.2 s from a grant to the body's first line and from its end to the queue's knowing; three attempts, a
timeout of 1 s with 0.5 s of grace. `acked(job, at)`: an enqueue that was acknowledged. `run(job, at, until, outcome)`:
a body; without `until` it wrote no end. `state(job, state)`: where the queue's keys had the job in the end.
"""


def declared() -> Mapping[str, Mapping[str, Anomaly]]:
    """Checker → the anomalies that its module declares, in the registry's order."""
    return {name: getattr(sys.modules[each.check.__module__], "ANOMALIES", {}) for name, each in CHECKERS.items()}


def render() -> str:
    """The document."""
    parts = [HEAD, *_index()]
    for checker, anomalies in declared().items():
        parts += ["", f"## {checker}: {CHECKERS[checker].looks_at}"]
        for name, anomaly in anomalies.items():
            parts += _section(checker, name, anomaly)
    return "\n".join(parts) + "\n"


def _index() -> Iterator[str]:
    yield "| anomaly | checker | clause |"
    yield "|---|---|---|"
    for checker, anomalies in declared().items():
        for name in anomalies:
            yield f"| [{name}](#{name.replace(' ', '-').replace(chr(39), '')}) | {checker} | {_clause(checker, name)} |"


def _clause(checker: str, name: str) -> str:
    return find(checker, declared()[checker][name]).findings[0].clause


def _section(checker: str, name: str, anomaly: Anomaly) -> Iterator[str]:
    finding = find(checker, anomaly).findings[0]
    yield from ("", f"### {name}", "", anomaly.definition, "", "```python", anomaly.smallest)
    if anomaly.under:
        yield f"# under {anomaly.under}"
    yield from ("```", "", f"Stormproof says: {finding.says}", "")
    if finding.causes_rejected:
        yield from (f"- {cause}" for cause in finding.causes_rejected)
        yield ""
    yield f"**For you:** {anomaly.means}"


if __name__ == "__main__":
    DOCUMENT.write_text(render(), "utf-8")
