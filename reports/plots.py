"""The timeline of a scenario as SVG: arrivals and completions above, backlog below, on one time axis; faults as bands.

    fault labels      kill slot 3.0–4.1 s, fired ×1
    jobs per second   arrivals dashed, completions
    the strip         a tick for each lost job; recovery as an arrow with its limit
    backlog, jobs     filled

Matplotlib draws in sentinel colours, which become custom properties of the page's style sheet afterwards: one
drawing serves light, dark and print. Everything is labelled on the drawing; there is no legend. The canvas
counts in CSS pixels, y downwards, so that panels, bands and labels share one system of coordinates.
"""

import warnings
from collections.abc import Sequence
from typing import Final

import matplotlib as mpl
from matplotlib.patches import Rectangle

from reports.plot_canvas import (
    ARRIVALS,
    BACKLOG,
    COMPLETIONS,
    FAULT,
    INK,
    INK2,
    LOST,
    MET,
    RULE,
    Canvas,
    Panel,
    Size,
    new_canvas,
    text_width,
    to_svg,
)
from reports.plot_labels import Box, fault_labels
from reports.plot_series import Binned, binned, ticks
from reports.run_record import FaultRun, Marks, Recovery, ScenarioRun, Series
from reports.words import seconds

LINE_PX: Final = 13.0
STRIP_PX: Final = 40.0
AXIS_PX: Final = 36.0
PANELS_PX_MIN: Final = 170.0
BINS_SHOWN_MAX: Final = 110
FIRST_SCREEN: Final = Size(816, 352, 34, 808)
SHARED_SCREEN: Final = Size(816, 336, 34, 808)
SECTION: Final = Size(816, 260, 34, 808)
PHONE: Final = Size(358, 340, 26, 354, narrow=True)


def timeline(run: ScenarioRun, size: Size, key: str) -> str:
    """The drawing as an ``<svg>`` element; '' where the run has no series. ``key``: unique in the page, for ids."""
    if run.series is None:
        return ""
    labels = fault_labels(run.faults, narrow=size.narrow)
    marks = run.marks or Marks(load_ends_s=run.series.edges_s[-1])
    with (
        mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": key, "path.simplify": False}),
        warnings.catch_warnings(),
    ):
        # Text stays text: the reader's fonts draw it, so that ours may lack a character.
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        from_s, to_s = run.series.edges_s[0], run.series.edges_s[-1]
        lanes = labels.arrange(
            lambda at_s: size.left + (size.right - size.left) * (at_s - from_s) / (to_s - from_s),
            size.right,
            text_width,
        )
        head = 8 + LINE_PX * max((lane + len(lines) for _, lane, lines, _ in lanes), default=0)
        panels = max(PANELS_PX_MIN, size.height - head - AXIS_PX)
        height = head + panels + AXIS_PX
        canvas = new_canvas(size, height, from_s, to_s)
        bottom = head + panels
        above = (panels - STRIP_PX) * 0.6
        series = binned(run.series, BINS_SHOWN_MAX // 2 if size.narrow else BINS_SHOWN_MAX)
        rate = Panel(head, head + above, max(1.0, 1.3 * max(*series.arrivals_s, *series.completions_s)))
        backlog = Panel(head + above + STRIP_PX, bottom, max(4.0, 1.25 * max(series.backlog)))
        _faults(canvas, lanes, head, bottom)
        _axes(canvas, rate, backlog)
        _rates(canvas, series, rate, marks)
        _backlog(canvas, series, backlog, run.series, marks)
        _strip(canvas, marks, rate.bottom)
        return to_svg(canvas.axes.figure, key, describe(run), run.title, size.width, height)


def describe(run: ScenarioRun) -> str:
    """The drawing in words, for those who do not see it."""
    if run.series is None:
        return ""
    series, marks = run.series, run.marks
    peak = max(series.backlog)
    at_s = series.edges_s[series.backlog.index(peak)]
    says = [
        f"{sum(series.arrivals):,} arrivals and {sum(series.completions):,} completions in {series.edges_s[-1]:.1f} s."
    ]
    says += [f"{fault.label}: {_when(fault)}, fired ×{fault.affected}." for fault in run.faults]
    says.append(f"The backlog peaks at {peak:,} jobs at {at_s:.1f} s and ends at {series.backlog[-1]:,}.")
    if marks and marks.lost_at_s:
        says.append(f"{len(marks.lost_at_s):,} jobs {marks.lost_word}.")
    if marks and marks.recovery:
        says.append(f"{_recovery_text(marks.recovery).capitalize()}.")
    return " ".join(says)


def _when(fault: FaultRun) -> str:
    if fault.inject_s is None:
        return "never injected"
    return f"injected at {fault.inject_s:.1f} s" + (f", healed at {fault.heal_s:.1f} s" if fault.heal_s else "")


def _faults(
    canvas: Canvas, lanes: Sequence[tuple[FaultRun, int, tuple[str, ...], float]], head: float, bottom: float
) -> None:
    for fault, lane, lines, text_x in lanes:
        left = canvas.x(fault.inject_s or 0.0)
        right = canvas.x(fault.heal_s if fault.heal_s is not None else fault.inject_s or 0.0)
        top = 2 + lane * LINE_PX
        if fault.fired:
            canvas.axes.add_patch(
                Rectangle((left, head), right - left, bottom - head, facecolor=FAULT, alpha=0.16, linewidth=0)
            )
        canvas.line((left, left), (top, bottom), FAULT, 1.25, () if fault.fired else (1, 3))
        if right > left + 1:
            canvas.line((right, right), (head, bottom), FAULT, 1.25, (2, 2) if fault.fired else (1, 3))
        for index, each in enumerate(lines):
            canvas.text(text_x, top + 11 + index * LINE_PX, each, FAULT, bold=index == 0)


def _axes(canvas: Canvas, rate: Panel, backlog: Panel) -> None:
    left, right = canvas.size.left, canvas.size.right
    for panel in (rate, backlog):
        for value in ticks(panel.value_max, 2):
            y = panel.y(value)
            if value:
                canvas.line((left, right), (y, y), RULE, 0.75)
            canvas.text(left - 6, y + 4, f"{value:,g}", INK2, align="right")
        canvas.line((left, right), (panel.bottom, panel.bottom), INK2, 1)
    for at_s in ticks(canvas.to_s - canvas.from_s, 3 if canvas.size.narrow else 7):
        x = canvas.x(canvas.from_s + at_s)
        canvas.line((x, x), (backlog.bottom, backlog.bottom + 4), INK2, 1)
        canvas.text(x, backlog.bottom + 17, f"{canvas.from_s + at_s:g}", INK2, align="center")
    canvas.text(right, backlog.bottom + 31, "seconds since the load began", INK2, align="right")
    canvas.text(left + 4, rate.top + 11, "jobs per second", INK, bold=True)
    canvas.text(left + 4, backlog.top, "backlog, jobs", INK, bold=True)


def _rates(canvas: Canvas, series: Binned, rate: Panel, marks: Marks) -> None:
    end_x = canvas.x(marks.load_ends_s)
    canvas.line(*canvas.steps(series.edges_s, series.arrivals_s, rate), ARRIVALS, 1.25, (4, 2.5))
    canvas.line(*canvas.steps(series.edges_s, series.completions_s, rate), COMPLETIONS, 2)
    if marks.load_ends_s < canvas.to_s:
        canvas.line((end_x, end_x), (rate.top, rate.bottom), INK2, 1, (1, 3))
        canvas.label(
            f"load ends {marks.load_ends_s:.1f} s", INK2, [(end_x + 5, rate.top + 11), (end_x + 5, rate.top + 24)]
        )
    top_value = max(series.completions_s)
    peak = series.completions_s.index(top_value)
    x, y = canvas.x(series.edges_s[peak]), rate.y(top_value) - 5
    canvas.label(
        "completions", COMPLETIONS, [(x, y), (x - 34, y), (x + 10, y), (x - 80, y + 6), (x, y - LINE_PX)], bold=True
    )
    level = rate.y(max(series.arrivals_s)) - 6
    says = "arrivals, dashed" if canvas.size.narrow else "arrivals (planned), dashed"
    width = canvas.size.right - canvas.size.left
    spots = [
        (canvas.size.left + width * share, level + shift)
        for shift in (-6, -16, 22, 34)
        for share in (0.14, 0.3, 0.45, 0.02, 0.6)
    ]
    canvas.label(says, ARRIVALS, spots)


def _backlog(canvas: Canvas, series: Binned, panel: Panel, raw: Series, marks: Marks) -> None:
    xs, ys = canvas.steps(series.edges_s, series.backlog, panel)
    canvas.axes.fill([xs[0], *xs, xs[-1]], [panel.bottom, *ys, panel.bottom], facecolor=BACKLOG, alpha=0.2, linewidth=0)
    canvas.line(xs, ys, BACKLOG, 1.5)
    peak = max(series.backlog)
    if peak:
        x, y = canvas.x(series.edges_s[series.backlog.index(peak)]), panel.y(peak)
        canvas.label(
            f"peak {max(raw.backlog):,}",
            BACKLOG,
            [(x + 14, y + 2), (x, y - 5), (x - 54, y + 2), (x + 30, y + 2), (x + 60, y - 5)],
            bold=True,
        )
    left = raw.backlog[-1]
    if left:
        jobs = f"{left:,} job{'s' if left > 1 else ''}"
        says = f"{jobs} never leave{'' if left > 1 else 's'}" if marks.lost_at_s else f"{jobs} left at the end"
        width = text_width(says, bold=True)
        y = panel.y(left) - 6
        canvas.label(
            says,
            BACKLOG,
            [(canvas.size.right - width - 20, y), *((canvas.size.right - width, y - LINE_PX * k) for k in (1, 2, 3))],
            bold=True,
        )


def _strip(canvas: Canvas, marks: Marks, top: float) -> None:
    """Between the panels: what was lost, and how long recovery took."""
    if marks.lost_at_s:
        xs = sorted({round(canvas.x(at_s), 1) for at_s in marks.lost_at_s})
        for x in xs:
            canvas.line((x, x), (top + 7, top + 21), LOST, 1.25 if canvas.size.narrow else 2)
        says = f"{len(marks.lost_at_s):,} {marks.lost_word} ✗"
        canvas.label(
            says, LOST, [(xs[0] - 6 - text_width(says, bold=True), top + 18), (xs[-1] + 6, top + 18)], bold=True
        )
    if marks.recovery:
        _recovery(canvas, marks.recovery, top)


def _recovery(canvas: Canvas, recovery: Recovery, top: float) -> None:
    took_s = recovery.to_s - recovery.from_s
    over = recovery.limit_s is not None and took_s > recovery.limit_s
    colour = LOST if over else MET
    y = top + 18
    left, right = canvas.x(recovery.from_s), canvas.x(recovery.to_s)
    canvas.line((left, left), (y - 5, y + 5), colour, 1.75)
    canvas.line((left, right), (y, y), colour, 1.75)
    canvas.line((right - 6, right - 1, right - 6), (y - 4, y, y + 4), colour, 1.75)
    canvas.space.take(Box(left, y - 5, right, y + 5))
    took = _took_text(recovery)
    width = text_width(took, bold=True)
    above, beside = (left + 9, y - 6), (right + 6, y + 4)
    limit_s = recovery.limit_s
    if limit_s is not None and recovery.from_s + limit_s <= canvas.to_s:
        x = canvas.x(recovery.from_s + limit_s)
        canvas.line((x, x), (y - 8, y + 8), colour, 3)
        canvas.space.take(Box(x - 3, y - 8, x + 3, y + 8))
        canvas.label(
            took,
            colour,
            [above, beside] if right - left > width + 16 else [beside, (left - 8 - width, y + 4)],
            bold=True,
        )
        says = f"limit {limit_s:g} s"
        canvas.label(
            says,
            colour,
            [(x + 5, y - 6 if over else y + 4), (x + 5, y + 16), (x - 8 - text_width(says, bold=True), y + 16)],
            bold=True,
        )
        return
    says = took if limit_s is None else f"{took}, limit {limit_s:g} s"
    width = text_width(says, bold=True)
    room = right + 6 + width <= canvas.size.right
    canvas.label(says, colour, [beside if room else (left - 8 - width, y + 4), above], bold=True)


def _took_text(recovery: Recovery) -> str:
    return f"recovery {'> ' if recovery.lower_bound else ''}{seconds(recovery.to_s - recovery.from_s)}"


def _recovery_text(recovery: Recovery) -> str:
    took = _took_text(recovery)
    return took if recovery.limit_s is None else f"{took}, limit {recovery.limit_s:g} s"
