"""The protocol between the harness and a target's program, and the base class that speaks it in Python.

A program has three verbs:

    describe            prints one JSON object: name, version, libraries, abilities, promise, sustainable_rate_s, ...
    produce SOCKET      listens on a Unix socket; answers one JSON object a line (see ``producer.py``)
    worker              becomes the worker: the process that the harness spawned is the supervisor

An adapter subclasses ``Target`` and ends with ``if __name__ == "__main__": MyTarget.main()``.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from .promise import Promise
from .setup import ADAPTER_VARIABLE, Setup

PROTOCOL: Final = 1
ABILITIES: Final = {
    "delay": "an enqueue may ask for a delay",
    "retries": "a failed job is run again, up to a number of attempts",
    "backoff": "the delay between attempts follows the asked policy",
    "attempt_numbers": "the body is told which attempt it is",
    "dead_letters": "a job that failed for good is kept, with its reason",
    "soft_timeout": "a body that runs too long in Python is ended",
    "hard_timeout": "a body that blocks in C or swallows exceptions is killed within the grace period",
    "crash_bound": "a job that kills its slot each time ends as a dead letter",
    "stall_bound": "a job that takes its whole worker with it each time ends as a dead letter",
    "concurrency": "a queue gives at most so many leases at once, over all workers",
    "rate": "a queue gives at most so many leases in any window of time, over all workers",
    "grants": "its keys tell when a queue of a limited rate gave its last leases",
    "releases": "workers of a newer release take the place of those of an older one, and back",
    "pause": "an operator can have a queue start no job for a while",
    "cancel": "an operator can end a job that has no outcome yet",
    "scripts": "its clients call scripts that Redis keeps for them, and may forget",
    "slot_processes": "the process that runs the body is not the worker's first process",
    "self_fencing": "a worker that cannot renew its leases stops its bodies before they end",
}


class Rejected(Exception):  # noqa: N818  # an outcome, named as the ledger names it
    """The enqueue provably changed nothing: refused before a byte was sent, or by the server before it ran."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Jobs of one queue by state, read from raw keys."""

    waiting: int
    delayed: int
    running: int
    dead: int


@dataclass(frozen=True, slots=True)
class JobState:
    """Where one job is, read from raw keys, not from what the library says.

    ``found_in``: the keys that hold the job's id, one entry an occurrence (a job listed twice stands here twice).
    ``state``: one of absent, waiting, delayed, running, finished, dead, cancelled, failed (no dead letter: failed and
    forgotten by retries). ``history``: attempts that its dead letter tells of (None: it does not say). ``result_sum``:
    checksum of the stored result's text. ``ttl_ms`` of the job's own key: -1 none, -2 absent.
    """

    job: str
    found_in: tuple[str, ...]
    state: str
    reason: str = ""
    history: int | None = None
    result_sum: str = ""
    ttl_ms: int = -2


@dataclass(frozen=True, slots=True)
class Description:
    """What ``describe`` prints."""

    name: str
    version: str
    promise: Promise
    abilities: frozenset[str]
    sustainable_rate_s: float | None = None
    slots_per_worker: int | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)
    interpreter: str = ""
    title: str = ""


class Target:
    """One queue library, spoken for. Override what is below; methods are called from many threads at once."""

    name: ClassVar[str]
    title: ClassVar[str] = ""  # what people call it, where that is not its name
    abilities: ClassVar[frozenset[str]] = frozenset()
    sustainable_rate_s: ClassVar[float | None] = None  # jobs/s that the recommended set-up keeps up with
    slots_per_worker: ClassVar[int | None] = None  # bodies that one worker program can run at once (None: any number)
    libraries: ClassVar[
        Sequence[str]
    ] = ()  # distributions whose versions make the result what it is; the first names it

    def __init__(self, setup: Setup) -> None:
        """``setup`` is what the harness wants; connect lazily, since ``describe`` has no server."""
        self.setup = setup

    def promise(self) -> Promise:
        """What this library promises under ``self.setup.policy``, each clause with its source."""
        raise NotImplementedError

    def worker(self) -> None:
        """Become the worker for ``self.setup``: run it here, or ``os.exec`` it."""
        raise NotImplementedError

    def enqueue(self, job: str, queue: str, payload: str, delay_s: float) -> str:
        """Send the task ``stormproof_adapter.task(payload)``; returns the queue's receipt.

        Raises ``Rejected`` where nothing can have changed; any other exception means that nobody knows.
        """
        raise NotImplementedError

    def pause(self, queue: str) -> None:
        """As an operator does: when it returns, the queue grants nothing until ``resume``. Waits out a short outage."""
        raise NotImplementedError

    def resume(self, queue: str) -> None:
        """As an operator does: jobs are started again. Done again, it has no effect."""
        raise NotImplementedError

    def roll_back(self, release: int) -> None:
        """What an operator does so that workers of an older release may take the place of newer ones again."""
        raise NotImplementedError

    def cancel(self, job: str) -> str:
        """As an operator does, to the job that was enqueued as the harness's ``job``. Waits out a short outage.

        ``cancelled``: it was waiting or delayed and is not started any more; ``requested``: it runs, and may be ended;
        ``refused``: it has an outcome, or the queue does not know it.
        """
        raise NotImplementedError

    def counts(self) -> Mapping[str, Counts]:
        """Counts a queue, from raw keys over ``self.setup.direct_url``."""
        raise NotImplementedError

    def grants(self) -> Mapping[str, Sequence[int]]:
        """When each queue gave its last leases: µs of the server's time, from raw keys; empty where it keeps none."""
        return {}

    def states(self, jobs: Mapping[str, str]) -> Iterable[JobState]:
        """The state of each harness job (to its receipt, '' where none came back), from raw keys."""
        raise NotImplementedError

    def describe(self) -> Description:
        """Name, version, promise, abilities: no server is touched."""
        from importlib.metadata import version  # 20 ms that a worker's start need not pay

        versions = {library: version(library) for library in self.libraries}
        return Description(
            name=self.name,
            version=next(iter(versions.values()), ""),
            promise=self.promise(),
            abilities=self.abilities,
            sustainable_rate_s=self.sustainable_rate_s,
            slots_per_worker=self.slots_per_worker,
            libraries=versions,
            title=self.title,
            interpreter=f"Python {sys.version.split()[0]}",
        )

    @classmethod
    def main(cls) -> None:
        """Speak the verb that the command line names."""
        parser = argparse.ArgumentParser(prog=Path(sys.argv[0]).name, description=f"Target {cls.name}")
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("describe", help="print what the target is and promises, as JSON")
        verbs.add_parser("produce", help="serve enqueues on a Unix socket").add_argument("socket")
        verbs.add_parser("worker", help="become a worker")
        arguments = parser.parse_args()
        os.environ.setdefault(ADAPTER_VARIABLE, str(Path(sys.argv[0]).resolve()))
        target = cls(Setup.from_environment())
        if arguments.verb == "describe":
            sys.stdout.write(json.dumps(_as_dict(target.describe())) + "\n")
        elif arguments.verb == "produce":
            from .producer import serve  # threads and sockets that other verbs do without

            serve(target, arguments.socket)
        else:
            target.worker()


def _as_dict(description: Description) -> dict[str, object]:
    return {
        "protocol": PROTOCOL,
        "name": description.name,
        "version": description.version,
        "promise": description.promise.to_dict(),
        "abilities": sorted(description.abilities),
        "sustainable_rate_s": description.sustainable_rate_s,
        "slots_per_worker": description.slots_per_worker,
        "libraries": dict(description.libraries),
        "interpreter": description.interpreter,
        "title": description.title,
    }


def description_from_dict(data: Mapping[str, object]) -> Description:
    """Read what a program printed. Raises ``ValueError`` naming everything that is wrong with it."""
    wrong = []
    if data.get("protocol") != PROTOCOL:
        wrong.append(f"protocol is {data.get('protocol')!r}; {PROTOCOL} is spoken here")
    wrong += [f"{key}: a non-empty string is needed" for key in ("name", "version") if not _is_text(data.get(key))]
    abilities, raw, libraries = data.get("abilities", []), data.get("promise"), data.get("libraries", {})
    if not isinstance(abilities, list) or not set(map(str, abilities)) <= set(ABILITIES):
        wrong.append(f"abilities: a list of {', '.join(ABILITIES)} is needed")
    rate, slots = data.get("sustainable_rate_s"), data.get("slots_per_worker")
    if not (rate is None or (isinstance(rate, int | float) and rate > 0)):
        wrong.append("sustainable_rate_s: a positive number or null is needed")
    if not (slots is None or (isinstance(slots, int) and slots > 0)):
        wrong.append("slots_per_worker: a positive whole number or null is needed")
    if not isinstance(libraries, dict):
        wrong.append("libraries: an object is needed")
    promise = Promise()
    if not isinstance(raw, dict):
        wrong.append("promise: an object is needed")
    else:
        try:
            promise = Promise.from_dict(raw)
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError("; ".join(wrong))
    return Description(
        name=str(data["name"]),
        version=str(data["version"]),
        promise=promise,
        abilities=frozenset(map(str, abilities)),  # type: ignore[call-overload]
        sustainable_rate_s=rate,  # type: ignore[arg-type]
        slots_per_worker=slots,  # type: ignore[arg-type]
        libraries=libraries,  # type: ignore[arg-type]
        interpreter=str(data.get("interpreter", "")),
        title=str(data.get("title", "")),
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)
