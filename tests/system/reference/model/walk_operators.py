"""The steps of operators in a random walk."""

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tests.system.reference.model.state import Job
from tests.system.reference.model.walk import QUEUES, SECOND, WINDOW_US, Walk

LIMITS: list[dict[str, str | int]] = [
    {},
    {"concurrency": 1},
    {"concurrency": 2, "audit_executions": "1"},
    {"rate_name": "shared", "rate_n": 2, "rate_window_us": 3 * SECOND},
    {"breaker_rate": "0.5", "breaker_min_runs": 2, "breaker_window_us": 20 * SECOND, "breaker_open_us": 2 * SECOND},
]


class Operators(Walk):
    """They name what they saw, which may be old by now."""

    @initialize(of_q=st.sampled_from(LIMITS), of_r=st.sampled_from(LIMITS))
    def queues_are_configured(self, of_q: dict[str, str | int], of_r: dict[str, str | int]) -> None:
        for queue, limits in (("q", of_q), ("r", of_r)):
            said = {"queue": queue, "version": 1, "digest": "d", "place": "d.toml"}
            self.send("register", **said, replaces=0, limits=limits)

    def _operators_turn(self) -> bool:
        """They act less often than slots: else all is paused, superseded or cancelled before it runs."""
        return self.wishes * 2 <= len(self.runs)

    def _seen(self, data: st.DataObject) -> tuple[str, Job]:
        job = data.draw(st.sampled_from(sorted(self.acknowledged)))
        return job, self.state.jobs.get(job, Job("q", "", 0))

    @rule(data=st.data(), keep_s=st.sampled_from([0, 5]))
    @precondition(lambda self: self.acknowledged and self._operators_turn())
    def cancel(self, data: st.DataObject, keep_s: int) -> None:
        self.wishes += 1
        job, record = self._seen(data)
        until_us = self.state.now_us + WINDOW_US
        said = {"queue": record.queue, "job": job, "life": str(record.requeues)}
        self.send("cancel", **said, not_after_us=until_us, keep_s=keep_s)

    def _shut(self) -> list[str]:
        """Queues that grant nothing until they are resumed."""
        queues = self.state.queues.items()
        return sorted(name for name, queue in queues if queue.paused or (queue.breaker and queue.breaker.open))

    @precondition(lambda self: self._operators_turn() or self._shut())
    @rule(data=st.data(), other=st.sampled_from([False, False, False, True]), back=st.sampled_from([0, 0, 0, 1]))
    def control(self, data: st.DataObject, *, other: bool, back: int) -> None:
        """Mostly what makes sense now: a paused or broken queue is resumed, an open one paused."""
        queue = data.draw(st.sampled_from(self._shut() or QUEUES))
        verb = "resume" if (queue in self._shut()) != other else "pause"
        self.wishes += verb == "pause"
        epoch = max(0, self.state.queue(queue).epoch - back)
        self.send(verb, queue=queue, epoch=str(epoch), request=f"r{len(self.effects)}-{self.state.now_us}")

    def _dead(self) -> list[tuple[str, str]]:
        return [(name, job) for name, queue in sorted(self.state.queues.items()) for job in queue.dead]

    @rule(data=st.data(), times_max=st.sampled_from(["", "", "1"]), delay_us=st.sampled_from([0, 0, SECOND]))
    @precondition(lambda self: self._dead())
    def requeue(self, data: st.DataObject, times_max: str, delay_us: int) -> None:
        queue, job = data.draw(st.sampled_from(self._dead()))
        record = self.state.jobs[job]
        until_us = self.state.now_us + WINDOW_US
        late = {"queue": queue, "job": job, "life": str(record.requeues), "not_after_us": until_us, "keep_s": 5}
        self.send("cancel", **late)
        said = {"queue": queue, "job": job, "death": record.settled}
        self.send("requeue", **said | {"death": "another.1 fail"}, times_max=times_max, delay_us=delay_us)
        self.send("requeue", **said, times_max=times_max, delay_us=delay_us)
        self.deliver("cancel", late)

    @rule(data=st.data(), action=st.sampled_from(["discard", "archive", "expire"]), copies=st.integers(1, 2))
    @precondition(lambda self: self._dead())
    def discard(self, data: st.DataObject, action: str, copies: int) -> None:
        queue, job = data.draw(st.sampled_from(self._dead()))
        said = {"queue": queue, "job": job, "death": self.state.jobs[job].settled, "action": action}
        for _ in range(copies):
            self.send("discard", **said)

    @precondition(_operators_turn)
    @rule(
        queue=st.sampled_from(QUEUES),
        version=st.integers(1, 3),
        digest=st.sampled_from(["d", "d", "other"]),
        limits=st.sampled_from(LIMITS),
        activate=st.booleans(),
    )
    def register(self, queue: str, version: int, digest: str, limits: dict[str, str | int], *, activate: bool) -> None:
        self.wishes += 1
        replaces = self.state.queue(queue).version if activate else 0
        said = {"queue": queue, "version": version, "digest": digest, "place": f"{digest}.toml"}
        self.send("register", **said, replaces=replaces, limits=limits)
