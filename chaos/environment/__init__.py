"""What a scenario runs in, as faults and the runner see it: a Redis, a link a worker, workers, and a live view of runs.

``native`` starts all of it on this machine; ``docker`` takes its Redis from a container; ``external`` is a server that we did not start, and which faults
may touch only with the user's consent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol


class EnvironmentError_(Exception):  # noqa: N818  # the builtin of that name is an alias of OSError
    """The harness's own ground gave way (exit code 4). The message says what to do next."""


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that wrote ``started`` and not yet ``ended``; ``pid`` is the slot's."""

    job: str
    run: str
    worker: str
    pid: int
    started_ns: int


class Link(Protocol):
    """One client's way to Redis, through a proxy of its own."""

    name: str

    @property
    def url(self) -> str:
        """Redis URL through the proxy."""


class Worker(Protocol):
    """One worker program that we spawned."""

    name: str
    pid: int  # the supervisor's, of its present life

    def tree(self) -> Sequence[int]:
        """Pids of the worker and everything below it, the supervisor first."""

    def signal(self, pids: Sequence[int], name: str) -> None:
        """Send SIG``name`` (KILL STOP CONT TERM), each told in the ledger before the call."""


class Store(Protocol):
    """The Redis server."""

    url: str  # direct

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""

    def start(self) -> None:
        """Start it on the data that it left, and wait until it answers."""

    def client_list(self) -> list[dict[str, str]]:
        """CLIENT LIST over the direct link; empty when it does not answer."""


class View(Protocol):
    """What the ledger says so far, read while it is written. Bounded memory: open runs and counters only."""

    @property
    def started(self) -> int:
        """Runs started so far."""

    @property
    def ended_ok(self) -> int:
        """Runs that ended ok so far."""

    @property
    def acked(self) -> int:
        """Enqueues acknowledged so far."""

    @property
    def last_run_event_ns(self) -> int:
        """Monotonic time of the newest ``started`` or ``ended`` (0: none)."""

    def open_runs(self, worker: str | None = None) -> Sequence[OpenRun]:
        """Runs that are open now, of one worker or of all. Reads the files to their present end first."""


class Environment(Protocol):
    """All of it. Entering starts everything; leaving, on whatever way, heals and ends everything."""

    directory: Path
    links: Mapping[str, Link]
    workers: Mapping[str, Worker]
    store: Store
    view: View

    def tell(self, event: str, **fields: Any) -> int:  # noqa: ANN401  # a ledger line's fields
        """Write one event into the harness's own ledger; returns its time in monotonic ns."""
