"""A random walk over model and Redis: what was sent, what must hold, and copies that arrive at any later time."""

import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from redis import Redis

from tests.system.reference.model.lockstep import Lockstep

SECOND = 1_000_000
ATTEMPTS_MAX, CRASHES_MAX, STALLS_MAX = 2, 2, 2  # low, so that short walks reach the bounds
QUEUES = ["q", "r"]
NAMES = ["s0", "s1", "s2"]
LIVE_MAX = 6
WINDOW_US = 4 * SECOND  # in which an enqueue or a cancel must arrive
REMEMBERED = 40
DONE = ("applied", "claimed")
ONCE = (
    "enqueue",
    "claim",
    "complete",
    "fail",
    "release",
    "abort",
    "slot_dead",
    "cancel",
    "pause",
    "resume",
    "requeue",
    "discard",
)  # commands with an identity


@dataclass(slots=True)
class Client:
    """A slot's process: what it is called, and its last claim."""

    incarnation: str
    seq: int = 0


class Walk(RuleBasedStateMachine):
    """What every kind of step has in common."""

    redis: Redis
    scripts: ClassVar[dict[str, str]] = {}  # changed ones, by name
    heard: ClassVar[set[str]] = set()  # transition and the words of its reply, over all walks

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        for name, text in self.scripts.items():
            (folder / f"{name}.lua").write_text(text, "utf-8")
        self.both = Lockstep(self.redis, folder)
        self.state = self.both.state
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.effects: Counter[str] = Counter()
        self.clients: dict[str, Client] = {}
        self.born = 0
        self.acknowledged: set[str] = set()
        self.ended: set[str] = set()  # finished, cancelled or discarded: their records may go
        self.runs: list[tuple[str, str, str]] = []  # queue, job, exec of every grant
        self.wishes = 0  # of operators
        self.grants: dict[str, list[int]] = {}
        self.fence = 0

    def teardown(self) -> None:
        self._stack.close()

    @initialize()
    def slots_open(self) -> None:
        for name in NAMES:
            self.open(name)

    def open(self, name: str) -> None:
        self.born += 1
        self.clients[name] = Client(f"{name}-{self.born}")

    # -- every command goes through here ----------------------------------------------------------------------------

    def send(self, transition: str, **said: Any) -> list[Any]:  # noqa: ANN401  # each transition's own
        self.sent = [*self.sent[1 - REMEMBERED :], (transition, said)]
        return self.deliver(transition, said)

    def deliver(self, transition: str, said: dict[str, Any]) -> list[Any]:
        reply = self.both.call(transition, **said)
        self.heard.update(f"{transition} {word}" for word in reply[:2] if isinstance(word, str))
        if reply[0] in DONE:
            self.effects[f"{transition} {said}"] += 1
            self._note(transition, said, reply)
        if transition in ONCE:
            assert self.effects[f"{transition} {said}"] <= 1, f"{transition} {said} had an effect twice"
        if reply[0] in ("claimed", "replayed") and transition == "claim":
            assert int(reply[4]) > self.fence, "fences must grow"
            self.fence = int(reply[4])
        return reply

    def _note(self, transition: str, said: dict[str, Any], reply: list[Any]) -> None:
        if transition == "enqueue":
            self.acknowledged.add(said["job"])
        elif transition in ("complete", "discard") or "cancelled" in reply:
            self.ended.add(said["job"]) if "job" in said else self.ended.update(self._cancelled())
        elif transition == "sweep":
            self.ended.update(self._cancelled())
        elif transition == "claim":
            self._granted(*reply[1:4])

    def _cancelled(self) -> set[str]:
        gone = {name for name in self.acknowledged if name not in self.state.jobs}
        return gone | {name for queue in self.state.queues.values() for name in queue.cancelled}

    def _granted(self, name: str, job: str, exec_: str) -> None:
        queue = self.state.queue(name)
        self.runs.append((name, job, exec_))
        assert not queue.paused
        assert len(queue.leases) <= int(queue.limits.get("concurrency", LIVE_MAX)), "more leases than allowed"
        if "rate_name" in queue.limits:
            times = self.grants.setdefault(str(queue.limits["rate_name"]), [])
            times.append(self.state.now_us)
            since = self.state.now_us - int(queue.limits["rate_window_us"])
            assert sum(at >= since for at in times) <= int(queue.limits["rate_n"]), "more grants than allowed"

    @rule(data=st.data(), times=st.integers(1, 2))
    @precondition(lambda self: self.sent)
    def copy_arrives(self, data: st.DataObject, times: int) -> None:
        """Its reply was lost, or a proxy held it: at any time, also after the job is gone."""
        outcomes = [each for each in self.sent if each[0] not in ("sweep", "promote", "clean", "heartbeat")]
        transition, said = data.draw(st.sampled_from([*outcomes[-3:], *outcomes, *self.sent[-2:]]))
        for _ in range(times):
            self.deliver(transition, said)

    # -- what must hold at any time ---------------------------------------------------------------------------------

    @invariant()
    def every_acknowledged_job_is_in_one_place(self) -> None:
        found: Counter[str] = Counter()
        for queue in self.state.queues.values():
            found.update(each for each in queue.waiting if each != "ghost")
            for place in (queue.delayed, queue.leases, queue.dead, queue.finished, queue.cancelled):
                found.update(list(place))
        for job in self.acknowledged:
            assert found[job] == 1 or (job in self.ended and not found[job]), f"{job} is in {found[job]} places"

    @invariant()
    def no_count_exceeds_its_bound(self) -> None:
        for job in self.state.jobs.values():
            assert job.attempts <= ATTEMPTS_MAX
            assert job.timeouts <= job.attempts
            assert job.crashes <= CRASHES_MAX
            assert job.stalls <= STALLS_MAX

    @invariant()
    def dead_letters_are_those_that_must_be(self) -> None:
        dead = {job for queue in self.state.queues.values() for job in queue.dead}
        for name, job in self.state.jobs.items():
            must = (
                job.attempts >= ATTEMPTS_MAX
                or job.crashes >= CRASHES_MAX
                or job.stalls >= STALLS_MAX
                or job.dead_reason in ("unsupported", "unserialisable", "rejected")
            )
            assert (name in dead) == must, f"{name}: {job}"
            assert (name in dead) == bool(job.dead_reason)
