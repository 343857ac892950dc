"""What a scenario runs in, as faults and the runner see it: a Redis, a link a client, workers, and a live view of runs.

``native`` starts all of it on this machine; ``docker`` takes its Redis from a container; ``external`` is a server that
we did not start, and which faults may touch only with the user's consent.

    producer ── link "producer" ──┐
    worker-0 ── link "worker-0" ──┼── Toxiproxy ── Redis ── canary (direct)
    worker-1 ── link "worker-1" ──┘

A link of its own a client: what is done to a link, or seen on it, is that client's.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from chaos.binaries import Binary
from chaos.campaign import Campaign

Durability = Literal["always", "everysec", "no"]
"""Redis' ``appendfsync``: what of the acknowledged writes is declared to outlive a crash of the machine."""


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that wrote ``started`` and not yet ``ended``; ``pid`` is the slot's, ``started_ns`` monotonic."""

    job: str
    run: str
    worker: str
    pid: int
    started_ns: int


class Link(Protocol):
    """One client's way to Redis, through a proxy of its own. Changes are read back; ``HarnessError`` if they failed."""

    name: str

    @property
    def url(self) -> str:
        """Redis URL through the proxy."""

    def cut(self, by: str) -> None:
        """Drop all connections and refuse new ones, until everybody who cut it has mended it."""

    def mend(self, by: str) -> None:
        """Take back what ``by`` cut; idempotent."""

    def poison(self, by: str, kind: str, attributes: Mapping[str, int]) -> None:
        """Add a toxic (``latency``, ``reset_peer``, ``limit_data``) to both directions or where it belongs."""

    def cure(self, by: str) -> None:
        """Remove the toxics that ``by`` added; idempotent."""

    def connections(self) -> frozenset[int]:
        """The open connections of its client, each by the client's port."""

    def probe(self, timeout_s: float = 1.0) -> float | None:
        """Seconds that a PING through it takes on a fresh connection; None: no answer."""


class Worker(Protocol):
    """One worker program that we spawned, and spawn again 1 s after it exited."""

    name: str
    held: threading.Lock
    """Held by the fault that acts on its processes: two at once would undo each other's stops."""
    variables: dict[str, str]
    """The target's variables of its next life."""

    @property
    def pid(self) -> int:
        """The supervisor's pid, of its present or last life."""

    @property
    def lives(self) -> int:
        """How often it was spawned."""

    @property
    def alive(self) -> bool:
        """Whether its supervisor runs (or is stopped)."""

    def tree(self) -> Sequence[int]:
        """Pids of the worker and everything below it, the supervisor first, orphans of former lives included."""

    def signal(self, pids: Sequence[int], name: str) -> None:
        """Send SIG``name`` (KILL STOP CONT TERM), each told in the ledger before the call.

        One that has exited is no error.
        """


class Store(Protocol):
    """The Redis server."""

    name: str
    url: str  # direct, past the proxies
    version: str

    @property
    def alive(self) -> bool:
        """Whether its process exists."""

    def kill(self) -> None:
        """SIGKILL, and wait for its end; idempotent."""

    def start(self) -> None:
        """Start it on the data that it left, and wait until it answers; idempotent."""

    def client_list(self) -> list[dict[str, str]]:
        """CLIENT LIST over the direct link; empty when it does not answer."""

    def back_up(self) -> int:
        """Copy what it has on the disk, while it runs, in place of an earlier copy; how many bytes."""

    def restore(self) -> None:
        """Put the copy in the place of its data; it must not run. Raises ``HarnessError`` if there is none."""


class OwnStore(Store, Protocol):
    """A store that an environment starts and ends: the binary of this machine, or a container."""

    port: int  # of loopback
    binary: Binary

    def check(self) -> None:
        """Raise ``HarnessError`` if it is down and nobody asked for that."""

    def close(self) -> None:
        """End it for good; idempotent."""


MakeStore = Callable[[Campaign, Path, int, Durability], OwnStore]
"""(campaign, the scenario's folder, port, durability): a store that is not started yet."""


class View(Protocol):
    """What the ledger says so far, read while it is written. Bounded memory: open runs and counters only."""

    @property
    def started(self) -> int:
        """Runs started so far."""

    @property
    def first_started(self) -> int:
        """Runs that were a job's first attempt, or whose attempt is not known."""

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


Operate = Callable[[str, str], str]
"""(step, on what): ``pause`` or ``resume`` a queue, ``roll_back`` to a release, ``cancel`` a job, by its own means.

Returns what came of a step that has more than one outcome, else ''. Raises if nobody knows that it was done.
"""


class Environment(Protocol):
    """All of it. Entering starts everything; leaving, on whatever way, heals and ends everything."""

    @property
    def directory(self) -> Path:
        """Where its ledgers, logs and data lie."""

    @property
    def links(self) -> Mapping[str, Link]:
        """By client: ``producer`` and each worker's name."""

    @property
    def workers(self) -> Mapping[str, Worker]:
        """Those that were started, by name."""

    @property
    def store(self) -> Store:
        """The Redis."""

    @property
    def view(self) -> View:
        """The live view."""

    @property
    def operate(self) -> Operate:
        """What an operator of the target can do."""

    def tell(self, event: str, **fields: Any) -> int:  # noqa: ANN401  # a ledger line's fields
        """Write one event into the harness's own ledger; returns its time in monotonic ns."""

    def check(self) -> None:
        """Raise ``HarnessError`` if the ground gave way: a ledger is broken, a server of ours died by itself."""
