"""Where the labels of a plot go, so that none covers another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from reports.run_record import FaultRun

GAP_PX: Final = 5.0
NOTE_CHARS_MAX: Final = 34


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def shared(self, other: "Box") -> float:
        """The area that both cover."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, wide) * max(0.0, high)


@dataclass(slots=True)
class LabelSpace:
    """The boxes that are taken."""

    taken: list[Box] = field(default_factory=list)

    def take(self, box: Box) -> None:
        """From now on ``box`` is taken."""
        self.taken.append(box)

    def best(self, boxes: Sequence[Box]) -> int:
        """Index of the box that shares least with what is taken; the first of equals."""
        return min(range(len(boxes)), key=lambda index: sum(boxes[index].shared(each) for each in self.taken))


@dataclass(frozen=True, slots=True)
class FaultLabels:
    """Faults that were injected, in order, each with its label in several lines and in one."""

    faults: tuple[FaultRun, ...]
    tall: tuple[tuple[str, ...], ...]
    flat: tuple[tuple[str, ...], ...]

    def arrange(
        self, x_of: Callable[[float], float], right: float, width: Callable[[str], float]
    ) -> list[tuple[FaultRun, int, tuple[str, ...], float]]:
        """Fault, lane from the top, lines, left end of its text; flat labels unless tall ones fit side by side."""
        side_by_side = self._lanes(self.tall, x_of, right, width)
        if all(lane == 0 for _, lane, _, _ in side_by_side):
            return side_by_side
        return self._lanes(self.flat, x_of, right, width)

    def _lanes(
        self,
        texts: tuple[tuple[str, ...], ...],
        x_of: Callable[[float], float],
        right: float,
        width: Callable[[str], float],
    ) -> list[tuple[FaultRun, int, tuple[str, ...], float]]:
        ends: list[list[tuple[float, float]]] = []
        placed = []
        for fault, lines in zip(self.faults, texts, strict=True):
            x = x_of(fault.inject_s or 0.0)
            wide = max(width(line) for line in lines) * 1.06  # the first line is bold
            start = x + GAP_PX if x + GAP_PX + wide <= right else max(0.0, x - GAP_PX - wide)
            span = (min(start, x), max(start + wide, x))
            free = (n for n, lane in enumerate(ends) if all(span[1] < low or span[0] > high for low, high in lane))
            lane = next(free, len(ends))
            if lane == len(ends):
                ends.append([])
            ends[lane].append((span[0] - GAP_PX, span[1] + GAP_PX))
            placed.append((fault, lane, lines, start))
        return placed


def fault_labels(faults: Sequence[FaultRun], *, narrow: bool) -> FaultLabels:
    """Labels of all faults that were injected."""
    injected = tuple(
        sorted((each for each in faults if each.inject_s is not None), key=lambda each: each.inject_s or 0.0)
    )
    return FaultLabels(
        injected,
        tuple(_tall(each, narrow=narrow) for each in injected),
        tuple(_flat(each, narrow=narrow) for each in injected),
    )


def _fired(fault: FaultRun) -> str:
    note = f": {fault.note[:NOTE_CHARS_MAX]}" if fault.note and not fault.fired else ""
    return f"fired ×{fault.affected}{note}"


def _tall(fault: FaultRun, *, narrow: bool) -> tuple[str, ...]:
    inject = f"{fault.inject_s:.1f} s"
    heal = f"{fault.heal_s:.1f} s" if fault.heal_s is not None and fault.heal_s != fault.inject_s else ""
    if narrow:
        return (fault.name, inject, _fired(fault), *([f"heal {heal}"] if heal else []))
    return (fault.name, f"inject {inject}, {_fired(fault)}", *([f"heal {heal}"] if heal else []))


def _flat(fault: FaultRun, *, narrow: bool) -> tuple[str, ...]:
    heal = f"–{fault.heal_s:.1f}" if fault.heal_s is not None and fault.heal_s != fault.inject_s else ""
    fired = f"×{fault.affected}" if narrow else _fired(fault)
    return (f"{fault.name} {fault.inject_s:.1f}{heal} s, {fired}",)
