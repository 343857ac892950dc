"""Tables on standard output: as wide as a terminal, and wide enough where there is none."""

import sys
from typing import Final

from rich.console import Console

WIDTH_WITHOUT_TERMINAL: Final = 160


def console() -> Console:
    """Standard output."""
    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL)
