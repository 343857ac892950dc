"""Live progress of a campaign: what runs, jobs so far, the fault that is active, the time that is left."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

PLAIN_INTERVAL_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Tick:
    """One look at a running scenario; times in seconds."""

    target: str
    title: str
    phase: str
    planned: int
    acked: int
    ended_ok: int
    active_faults: tuple[str, ...]
    left_s: float

    @property
    def key(self) -> tuple[str, str]:
        """Whose line it is, where several run at once."""
        return self.target, self.title

    def line(self) -> str:
        """As one line of at most a screen's width."""
        fault = f"fault: {', '.join(self.active_faults)}" if self.active_faults else "no fault active"
        return (
            f"{self.target} · {self.title}: {self.phase} · {self.acked}/{self.planned} acknowledged, "
            f"{self.ended_ok} done · {fault} · about {max(0.0, self.left_s):.0f} s left"
        )


class Progress(Protocol):
    """Where a campaign tells what it does."""

    def tick(self, tick: Tick) -> None:
        """The present state; replaces the one before."""

    def note(self, line: str) -> None:
        """A line that stays."""


class Quiet:
    """Says nothing."""

    def tick(self, tick: Tick) -> None:
        """Nothing."""

    def note(self, line: str) -> None:
        """Nothing."""


class PlainProgress:
    """Lines for logs and pipes: one every two seconds, one a note."""

    def __init__(self, stream: TextIO = sys.stderr, clock_s: Callable[[], float] = time.monotonic) -> None:
        """Write to ``stream``."""
        self._stream, self._clock_s = stream, clock_s
        self._last_s: dict[tuple[str, str], float] = {}

    def tick(self, tick: Tick) -> None:
        """At most one line every ``PLAIN_INTERVAL_S``."""
        if self._clock_s() - self._last_s.get(tick.key, float("-inf")) >= PLAIN_INTERVAL_S:
            self._last_s[tick.key] = self._clock_s()
            print(f"  {tick.line()}", file=self._stream, flush=True)

    def note(self, line: str) -> None:
        """Now."""
        print(line, file=self._stream, flush=True)


class LiveProgress:
    """A line for each part that runs, which changes in place, for a terminal."""

    def __init__(self) -> None:
        """Take the terminal's last lines."""
        self._ticks: dict[str, Tick] = {}
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=5, transient=True)
        self._live.start()

    def tick(self, tick: Tick) -> None:
        """Replace the target's line."""
        self._ticks[tick.target] = tick
        lines = "\n".join(each.line() for each in self._ticks.values())
        self._live.update(Text(lines, no_wrap=True, overflow="ellipsis"))

    def note(self, line: str) -> None:
        """Above the lines."""
        self._console.print(line, markup=False, highlight=False)

    def close(self) -> None:
        """Give the terminal back."""
        self._live.stop()


@contextmanager
def for_stream(stream: TextIO = sys.stderr) -> Iterator[Progress]:
    """Live on a terminal, plain elsewhere."""
    if not stream.isatty():
        yield PlainProgress(stream)
        return
    live = LiveProgress()
    try:
        yield live
    finally:
        live.close()
