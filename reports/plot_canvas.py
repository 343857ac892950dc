"""What a plot is drawn on: pixels, y downwards, in sentinel colours that become the page's custom properties.

One drawing so serves light, dark and print. Text stays text, in the page's font.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from reports.plot_labels import Box, LabelSpace

FONT_PX: Final = 11.5
# Sentinel colours and what they stand for in the page's style sheet.
INK, INK2, RULE, ARRIVALS, COMPLETIONS, BACKLOG, FAULT, LOST, MET = (f"#0000{index}1" for index in "123456789")
_PROPERTIES: Final = {
    INK: "--ink",
    INK2: "--ink-2",
    RULE: "--rule",
    ARRIVALS: "--p-arr",
    COMPLETIONS: "--p-com",
    BACKLOG: "--p-back",
    FAULT: "--p-fault",
    LOST: "--p-lost",
    MET: "--pass",
}
Align = Literal["left", "right", "center"]


@dataclass(frozen=True, slots=True)
class Size:
    """A drawing's size in CSS pixels; it grows in ``height`` where fault labels leave the panels too little."""

    width: float
    height: float
    left: float
    right: float
    narrow: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """A value axis between two heights of the canvas, from 0 to ``value_max``."""

    top: float
    bottom: float
    value_max: float

    def y(self, value: float) -> float:
        """The height at which ``value`` stands."""
        return self.bottom - (self.bottom - self.top) * value / self.value_max


@dataclass(slots=True)
class Canvas:
    """One drawing in the making: seconds to pixels, and which boxes labels have taken."""

    axes: Axes
    size: Size
    from_s: float
    to_s: float
    space: LabelSpace = field(default_factory=LabelSpace)

    def x(self, at_s: float) -> float:
        """Where a moment stands; moments outside the axis stand at its ends."""
        share = (min(max(at_s, self.from_s), self.to_s) - self.from_s) / (self.to_s - self.from_s)
        return self.size.left + (self.size.right - self.size.left) * share

    def line(
        self, xs: Sequence[float], ys: Sequence[float], colour: str, width: float, dash: tuple[float, ...] = ()
    ) -> None:
        """A polyline; ``dash`` in pixels."""
        style = (0, dash) if dash else "-"
        self.axes.plot(xs, ys, color=colour, linewidth=width, linestyle=style, solid_joinstyle="round")

    def steps(self, edges_s: Sequence[float], values: Sequence[float], panel: Panel) -> tuple[list[float], list[float]]:
        """Corner points of steps, never smoothed: each bin is level from edge to edge. Labels keep off the line."""
        xs = [self.x(edge) for low, high in pairwise(edges_s) for edge in (low, high)]
        ys = [panel.y(value) for value in values for _ in range(2)]
        for x, y, next_x, next_y in zip(xs, ys, xs[1:], ys[1:], strict=False):
            self.space.take(Box(min(x, next_x) - 1, min(y, next_y) - 1, max(x, next_x) + 1, max(y, next_y) + 1))
        return xs, ys

    def text(self, x: float, y: float, says: str, colour: str, *, bold: bool = False, align: Align = "left") -> None:
        """One line of text on its base line; a dollar sign is a dollar sign."""
        says = " ".join(says.split())
        self.axes.text(
            x,
            y,
            says,
            color=colour,
            fontsize=FONT_PX,
            ha=align,
            va="baseline",
            fontweight="bold" if bold else "normal",
            parse_math=False,
        )
        width = text_width(says, bold=bold)
        left = x - {"left": 0.0, "right": width, "center": width / 2}[align]
        self.space.take(Box(left, y - FONT_PX, left + width, y + 3))

    def label(self, says: str, colour: str, spots: Sequence[tuple[float, float]], *, bold: bool = False) -> None:
        """Text at the first of ``spots`` where it covers no other text; else where it covers least."""
        width = text_width(says, bold=bold)
        inside = [(min(max(x, self.size.left + 2), self.size.right - width), y) for x, y in spots]
        boxes = [Box(x, y - FONT_PX, x + width, y + 3) for x, y in inside]
        x, y = inside[self.space.best(boxes)]
        self.text(x, y, says, colour, bold=bold)


def text_width(says: str, *, bold: bool = False) -> float:
    """Width in pixels in a wide font, so that the page's own rarely needs more."""
    prop = FontProperties(size=FONT_PX, weight="bold" if bold else "normal")
    width, _, _ = text_to_path.get_text_width_height_descent(" ".join(says.split()), prop, ismath=False)
    return float(width)


def new_canvas(size: Size, height: float, from_s: float, to_s: float) -> Canvas:
    """An empty drawing of ``height`` pixels over a span of seconds."""
    figure = Figure(figsize=(size.width / 72, height / 72), dpi=72)
    FigureCanvasSVG(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, size.width)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    axes.set_autoscale_on(False)
    return Canvas(axes, size, from_s, to_s)


def to_svg(figure: object, key: str, describes: str, title: str, width: float, height: float) -> str:
    """What matplotlib wrote, as an element of the page: its own header, ids and fonts removed, colours by name."""
    buffer = io.StringIO()
    assert isinstance(figure, Figure)  # noqa: S101  # an Axes may also belong to a SubFigure
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    body = text[text.index(">", text.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*">', "<g>", body)
    body = re.sub(r' clip-path="[^"]*"', "", body)
    body = re.sub(r"<defs>.*?</defs>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", body)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    body = re.sub(r"(\d+\.\d\d)\d+", r"\1", body)
    for sentinel, name in _PROPERTIES.items():
        body = body.replace(sentinel, f"var({name})")
    body = re.sub(r"\n\s*", " ", body)
    return (
        f'<svg class="tl" viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="{key}-t {key}-d">'
        f'<title id="{key}-t">{_escape(title)}: arrivals, completions and backlog over time</title>'
        f'<desc id="{key}-d">{_escape(describes)}</desc>{body}'
    )


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
