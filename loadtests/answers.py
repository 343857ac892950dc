"""What a producer answers, read from JSON.

Whatever does not fit raises ``ValueError``, ``KeyError``, ``TypeError`` or ``AttributeError``, of which the client
makes a ``NonsenseError``.
"""

from dataclasses import dataclass
from typing import Any, Literal

from stormproof_target import Counts, JobState

Outcome = Literal["acked", "rejected", "unknown"]


@dataclass(frozen=True, slots=True)
class Answer:
    """How an enqueue ended; ``detail`` is the receipt if acked, else why. ``answered_ns`` is monotonic."""

    outcome: Outcome
    detail: str
    answered_ns: int


class NonsenseError(Exception):
    """A line that is no answer to a request; the message quotes it."""

    def __init__(self, line: bytes) -> None:
        super().__init__(f"it answered what is no answer to a request: {line[:200]!r}")


def answer_of(data: dict[str, Any]) -> Answer:
    """How an enqueue ended."""
    outcome: Outcome = data["outcome"]
    if outcome not in {"acked", "rejected", "unknown"}:
        raise ValueError(outcome)
    return Answer(outcome, str(data["receipt" if outcome == "acked" else "why"]), data["answered_ns"])


def counts_of(data: dict[str, Any]) -> dict[str, Counts]:
    """Counts a queue."""
    return {queue: Counts(**counts) for queue, counts in data["counts"].items()}


def grants_of(data: dict[str, Any]) -> dict[str, list[int]]:
    """Times of grants a queue, in µs of the server's time."""
    return {queue: [int(time) for time in times] for queue, times in data["grants"].items()}


def states_of(data: dict[str, Any]) -> list[JobState]:
    """One state a job."""
    return [JobState(**state | {"found_in": tuple(state["found_in"])}) for state in data["states"]]
