"""An operator ends jobs that have no outcome yet: some that wait, some that are delayed, some that run."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from random import Random
from typing import Any, ClassVar, Final

from chaos.causes import Cause
from chaos.environment import Environment
from chaos.faults import Effect, Evidence, Injection
from chaos.planned import Plannable

SITUATIONS: Final = ("running", "waiting", "delayed")
ENDED: Final = frozenset({"cancelled", "requested"})


@dataclass(frozen=True, slots=True)
class Cancel(Plannable):
    """Cancels ``jobs`` jobs by the target's own means, as many of each situation as there are; all are told as ``op``.

    ``idle``: only those that wait or are delayed.
    """

    jobs: int = 6
    idle: bool = False

    name: ClassVar[str] = "cancel"
    effect: ClassVar[Effect] = "cancel"
    for_s: ClassVar[float] = 0.0
    needs: ClassVar[frozenset[str]] = frozenset({"cancel"})
    explains: ClassVar[frozenset[Cause]] = frozenset()

    def problems(self) -> Sequence[str]:
        """What is wrong with the settings."""
        return () if self.jobs > 0 else (f"jobs={self.jobs}: 1 or more are needed",)

    def targets(self, env: Environment) -> Sequence[str]:  # noqa: ARG002  # it hits no client
        """Jobs, and so nobody's link."""
        return ()

    def inject(self, env: Environment, rng: Random) -> Injection:
        """Look which jobs there are, and cancel one; so many times. Raises where nobody knows what came of it."""
        at_ns, done = time.monotonic_ns(), []
        for situation in islice(cycle(SITUATIONS[1:] if self.idle else SITUATIONS), self.jobs):
            there = _Jobs.of(env)
            if found := sorted(there.named(situation) or (there.named("waiting") if self.idle else there.all())):
                job = rng.choice(found)
                done.append((job, situation, _cancel(env, job, there.queues[job])))
        return Injection(at_ns, tuple(done))

    def evidence(self, env: Environment, injection: Injection) -> tuple[Evidence, ...]:  # noqa: ARG002
        """Each job that was ended, or whose end was asked for."""
        done = injection.state if isinstance(injection.state, tuple) else ()
        return tuple(
            Evidence("store", f"job {job}, {was}: {outcome}") for job, was, outcome in done if outcome in ENDED
        )

    def heal(self, env: Environment, injection: Injection) -> None:
        """What was cancelled stays so."""


def _cancel(env: Environment, job: str, queue: str) -> str:
    env.tell("op", op="cancel", job=job, queue=queue, phase="invoked")
    outcome = env.operate("cancel", job)
    env.tell("op", op="cancel", job=job, queue=queue, phase="acked", outcome=outcome)
    return outcome


@dataclass(slots=True)
class _Jobs:
    """What the ledgers say of jobs that were acknowledged, have no outcome, and were not cancelled."""

    queues: dict[str, str] = field(default_factory=dict)
    due_ns: dict[str, int] = field(default_factory=dict)  # monotonic: the earliest moment at which it may start
    acked: set[str] = field(default_factory=set)
    begun: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    running: frozenset[str] = frozenset()

    @classmethod
    def of(cls, env: Environment) -> "_Jobs":
        """As they are now."""
        found = cls()
        for event in _events(env):
            found._take(event)
        found.running = frozenset(run.job for run in env.view.open_runs())
        return found

    def named(self, situation: str) -> set[str]:
        """Jobs in this situation, as far as anybody knows who does not look into the queue's keys."""
        if situation == "running":
            return (self.acked & self.running) - self.gone
        now_ns = time.monotonic_ns()
        idle = self.acked - self.begun - self.gone
        return {job for job in idle if (self.due_ns[job] > now_ns) == (situation == "delayed")}

    def all(self) -> set[str]:
        """Jobs in any of the situations."""
        return set().union(*(self.named(situation) for situation in SITUATIONS))

    def _take(self, event: Mapping[str, Any]) -> None:
        job = event["job"]
        match event["e"]:
            case "invoked":
                self.queues[job] = event["queue"]
                self.due_ns[job] = event["t"] + event.get("delay_ns", 0)
            case "acked":
                self.acked.add(job)
            case "started":
                self.begun.add(job)
            case "op":
                self.gone.add(job)


def _events(env: Environment) -> Iterator[Mapping[str, Any]]:
    """Read from the files, once a job: a live count of all jobs would grow with the load, for this fault only."""
    for path in sorted((env.directory / "ledger").glob("*.jsonl")):
        for line in path.read_bytes().split(b"\n")[:-1]:  # what has no end yet is still being written
            if b'"job":' in line:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue  # the history's reader says what is wrong with it
                if event.get("job") and (event["e"] != "op" or event.get("op") == "cancel"):
                    yield event
