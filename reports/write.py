"""From ``run.json`` alone: ``report.html``, ``junit.xml`` and ``summary.md`` beside it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from reports import html, junit, markdown
from reports.run_record import RunRecord, load

RECORD: Final = "run.json"
RENDERERS: Final[Mapping[str, Callable[[RunRecord], str]]] = {
    "report.html": html.render,
    "junit.xml": junit.render,
    "summary.md": markdown.render,
}


def write_all(run_dir: Path) -> tuple[Path, ...]:
    """Write each report; returns their paths, the HTML first.

    Raises ``RecordError`` for a run.json that can't be read, ``OSError`` where a file can't be read or
    written. Nothing is written unless every report could be rendered.
    """
    record = load(run_dir / RECORD)
    texts = {run_dir / name: render(record) for name, render in RENDERERS.items()}
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return tuple(texts)
