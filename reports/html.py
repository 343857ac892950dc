"""One self-contained HTML file: no request, readable without JavaScript, light, dark, print and phone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from reports import view
from reports.order import folded, leading_finding, leading_part, leading_run, runs_in_order
from reports.plot_canvas import Size
from reports.plots import FIRST_SCREEN, PHONE, SECTION, SHARED_SCREEN, timeline
from reports.run_record import FindingRecord, Part, RunRecord, ScenarioRun
from reports.sentence import headline, outcome
from reports.tiles import tiles
from reports.verdict import Verdict

_TEMPLATES: Final = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class RunView:
    """A scenario and its drawing."""

    run: ScenarioRun
    anchor: str
    plot: Markup


@dataclass(frozen=True, slots=True)
class PartView:
    """A part in the order of the page. ``anchor`` '' where it is the only one."""

    part: Part
    index: int
    runs: tuple[RunView, ...]
    outcome: str

    @property
    def findings(self) -> Iterator[tuple[RunView, FindingRecord, tuple[FindingRecord, ...]]]:
        """The first of each anomaly with the others like it, the worst scenario's first."""
        return ((each, alike[0], alike[1:]) for each in self.runs for alike in folded(each.run))


@dataclass(frozen=True, slots=True)
class Lead:
    """What the first screen shows below the band: one part, its worst scenario, and the finding that says most."""

    view: PartView
    run: RunView
    wide: Markup
    narrow: Markup
    finding: FindingRecord | None
    finding_part: PartView
    finding_run: RunView


def render(record: RunRecord) -> str:
    """The report's text. The same record gives the same bytes."""
    parts = tuple(_part_view(part, index) for index, part in enumerate(record.parts))
    lead = _lead(record, parts)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            record=record,
            parts=parts,
            lead=lead,
            headline=headline(record),
            css=Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),  # noqa: S704  # our own file
            script=Markup((_TEMPLATES / "report.js").read_text(encoding="utf-8")),  # noqa: S704  # our own file
            view=view,
            tiles=tiles(lead.view.part),
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = code
    environment.filters["cls"] = lambda verdict: view.CLASSES[Verdict(verdict)]
    return environment


def code(text: str) -> Markup:
    """Escaped text in which `` `words` `` are set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped just here


def _part_view(part: Part, index: int) -> PartView:
    return PartView(part, index, tuple(_run_view(run, index) for run in runs_in_order(part)), outcome(part))


def _run_view(run: ScenarioRun, index: int) -> RunView:
    anchor = view.anchor(index, run.name)
    return RunView(run, anchor, _plot(run, SECTION, f"{anchor}-plot"))


def _lead(record: RunRecord, parts: tuple[PartView, ...]) -> Lead:
    """Where the leading part has no finding, it comes from what was found elsewhere."""
    first = next(each for each in parts if each.part is leading_part(record))
    run = next(each for each in first.runs if each.run is leading_run(first.part))
    told = (first, *sorted(parts, key=lambda each: ("as found", "as declared", "planted bug").index(each.part.kind)))
    chosen, found = next(
        ((each, leading_finding(each.part)) for each in told if leading_finding(each.part)), (first, None)
    )
    finding_run = next((each for each in chosen.runs if found and each.run is found[0]), run)
    return Lead(
        view=first,
        run=run,
        wide=_plot(run.run, FIRST_SCREEN if len(parts) == 1 else SHARED_SCREEN, "lead-wide"),
        narrow=_plot(run.run, PHONE, "lead-narrow"),
        finding=found[1] if found else None,
        finding_part=chosen,
        finding_run=finding_run,
    )


def _plot(run: ScenarioRun, size: Size, key: str) -> Markup:
    return Markup(timeline(run, size, key))  # noqa: S704  # matplotlib and we escape what we write into it
