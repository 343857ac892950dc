"""What the history says of one run and one job, for the code that looks at few of them closely.

Times are monotonic nanoseconds. A time that is not known exactly is an interval ``[lo, hi]``; ``FOREVER``
is a time that never came.
"""

import math
from dataclasses import dataclass
from typing import Final

from stormproof_target import JobSpec

FOREVER: Final = 2**61
FAILED: Final = frozenset({"error", "timeout"})


def ns(seconds: float) -> int:
    """Seconds as nanoseconds; infinity (a promise not made) as ``FOREVER``."""
    return FOREVER if math.isinf(seconds) else int(seconds * 1e9)


def s(nanoseconds: float) -> float:
    """Nanoseconds as seconds."""
    return nanoseconds / 1e9


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a job's body.

    ``outcome``: ok error timeout cancelled; ``exit`` where its process died first; ``open`` where nobody saw an end.
    Its end lies in ``[end_lo, end_hi]``. ``writer`` is the process, ``life`` counts its worker's restarts from 1.
    ``enqueued``: when its job's enqueue was begun (0: nobody enqueued it).
    """

    run: str
    job: str
    worker: str
    writer: str
    pid: int
    life: int
    start: int
    end_lo: int
    end_hi: int
    outcome: str
    attempt: int
    fence: int
    enqueued: int = 0

    @property
    def closed(self) -> bool:
        """Whether the body itself wrote its end."""
        return self.outcome not in {"exit", "open"}

    @property
    def failed(self) -> bool:
        """Whether the body itself told of an error or a timeout."""
        return self.outcome in FAILED


@dataclass(frozen=True, slots=True)
class Job:
    """One enqueue and what became of it.

    ``outcome``: acked, rejected, unknown. ``answered`` is ``FOREVER`` where no answer came. ``state`` '' where nobody
    looked; ``state_at`` is when it was written down. ``runs`` in order of their grants as far as that is known.
    """

    job: str
    outcome: str
    intended: int
    invoked: int
    answered: int
    delay: int
    spec: JobSpec
    runs: tuple[Run, ...]
    state: str
    found_in: tuple[str, ...]
    reason: str
    told_attempts: int | None
    state_at: int

    @property
    def pairs(self) -> list[tuple[Run, Run]]:
        """Neighbours in order."""
        return list(zip(self.runs, self.runs[1:], strict=False))

    @property
    def ok_runs(self) -> list[Run]:
        """Runs that ended well."""
        return [run for run in self.runs if run.outcome == "ok"]


@dataclass(frozen=True, slots=True)
class Died:
    """A process that ended within ``[lo, hi]``, with so many bodies open in it."""

    lo: int
    hi: int
    bodies: int
