"""What a slot is told, by a pipe, since an argument would show a URL's password; and what its exit code tells."""

import base64
import pickle
from dataclasses import dataclass
from typing import Final

from .plan import Plan

CLOSED_EXIT: Final = 3  # its incarnation is closed
SUPERSEDED_EXIT: Final = 4  # its queues are configured in another version


@dataclass(frozen=True, slots=True)
class Briefing:
    """``incarnation``: the slot's name, never given again. ``folder``: for its runs' temporary directories, or ''."""

    incarnation: str
    folder: str
    plan: Plan


def to_line(briefing: Briefing) -> str:
    """One line, as ``from_line`` reads it."""
    return base64.b64encode(pickle.dumps(briefing, pickle.HIGHEST_PROTOCOL)).decode()


def from_line(text: str) -> Briefing:
    """The inverse. Only for a parent's own words: it unpickles."""
    briefing = pickle.loads(base64.b64decode(text))  # noqa: S301  # from the process that spawned this one
    if not isinstance(briefing, Briefing):
        raise TypeError(f"a briefing was expected, not {type(briefing).__name__}")
    return briefing
