"""The reference queue, run in our own environment: `stormq worker` with the policy that the harness asks for."""

import base64
import os
import pickle
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from stormproof_target import ABILITIES, Counts, JobState, KeyPattern, Promise, Source, Target, run_body
from stormproof_target import Rejected as NothingHappened
from stormproof_target.ledger import checksum

import system.reference
from system.reference import Backoff, Settings, current_job
from system.reference.keys import PREFIX, job_key, results_key, rq_key, sp_key
from system.reference.mirror import TTL_S as WORKER_TTL_S
from system.targets.reference_config import OF_A_QUEUE, OF_A_WORKER, needs_config, write_config

if TYPE_CHECKING:
    from system.reference import Queue, Scripts

PROMISES: Final = Path(system.reference.__file__).with_name("PROMISES.md")
INSIST_S_MAX: Final = 8.0
INSIST_PAUSE_S: Final = 0.05
CLOCK_SLACK_S: Final = 5.0  # a producer reckons its window by what it last heard of the server's clock
SLOT_TTL_S: Final = 86_400  # as ``lua/prelude.lua`` has it
RATE_SPARE_S: Final = 61  # as ``lua/claim.lua`` has it, rounded up


def task(payload: str) -> str:
    """What the queue runs."""
    job = current_job()
    return run_body(payload, attempt=job.attempt, fence=job.fence) if job else run_body(payload)


class ReferenceTarget(Target):
    """``overlay``: a folder of scripts that take the place of the queue's own (a variant under test)."""

    name = "reference"
    abilities = frozenset(ABILITIES)
    libraries = ("stormproof", "redis")
    overlay: ClassVar[Path | None] = None
    program: ClassVar[str] = "system.reference.cli"  # the module that is `stormq`

    def promise(self) -> Promise:
        """The promises of PROMISES.md, under the policy that was asked for."""
        policy, settings = self.setup.policy, self._settings
        numbered = {
            1: ("delivery",),
            2: ("repeats",),
            3: ("overlap", "fenced"),
            4: ("prefetch",),
            5: ("slots", "concurrency"),
        }
        numbered |= {6: ("lost_reply_repeats",), 7: ("rate",)}
        listed = {
            "A job is one slot's": ("lease_s",),
            "A worker that can't renew": ("self_fencing",),
            "A lease that ended": ("sweep_s", "recovery_s", "hold_s"),
            "A body that passes": ("timeout",),
            "A retry waits": ("backoff", "promote_s"),
            "A job stands": ("states",),
            "A worker that is asked to stop": ("stop_grace_s",),
            "A run is told": ("attempt_numbers",),
            "A lease has a fence": ("fences",),
            "A paused queue": ("pause",),
            "Jobs of a queue": ("order",),
            "An idle slot takes": ("claim_s",),
            "An enqueue that Redis": ("rejections",),
            "A delayed job": ("early",),
            "A job that is cancelled": ("cancel", "cancel_requested"),
            "What a job returned": ("results",),
            "What is over": ("residue",),
            "A process of a worker": ("leaks", "growth_mib"),
            "Each bound": ("dead_letters", "max_attempts", "max_crashes", "max_stalls"),
        }
        heads = {clause: f"{number}. " for number, clauses in numbered.items() for clause in clauses}
        heads |= {clause: f"- {begin}" for begin, clauses in listed.items() for clause in clauses}
        return Promise(
            lease_s=policy.lease_s,
            heartbeat_s=policy.heartbeat_s,
            margin_s=settings.lease_s - settings.fence_after_s,
            start_gap_s=1.0,
            report_s=1.0,
            reconnect_s=2 * settings.io_timeout_s + 0.5,
            sweep_s=policy.lease_s + policy.sweep_interval_s + 0.5,  # after an outage holders may renew first
            promote_s=0.5,
            hold_s=policy.lease_s,
            claim_s=settings.poll_s + 0.5,
            slots=self.setup.slots,
            stop_grace_s=settings.drain_s,
            recovery_s=2 * policy.lease_s + policy.sweep_interval_s + policy.heartbeat_s + 1.5,
            growth_mib=8.0,
            fenced=True,
            self_fencing=True,
            max_crashes=policy.max_crashes,
            max_stalls=policy.max_stalls,
            concurrency=policy.concurrency,
            rate_n=policy.rate_n,
            rate_window_s=policy.rate_window_s,
            keys=tuple(self._keys()),
            sources={clause: Source(_sentence(head), "system/reference/PROMISES.md") for clause, head in heads.items()},
        )

    def _keys(self) -> Iterator[KeyPattern]:
        """Those of PROMISES.md. What a job leaves is kept as long as its result, and as late copies may come."""
        kept_s = max(self.setup.policy.result_ttl_s, self._settings.window_s) + CLOCK_SLACK_S
        yield KeyPattern(f"{PREFIX}:job:*", kept_s, "job")
        yield KeyPattern(f"{PREFIX}:results:*", kept_s, "job")
        yield KeyPattern(f"{PREFIX}:worker:*", WORKER_TTL_S)
        yield KeyPattern(f"{PREFIX}:sp:slot:*", SLOT_TTL_S)
        yield KeyPattern(f"{PREFIX}:sp:rate:*", self.setup.policy.rate_window_s + RATE_SPARE_S)
        for kind in ("queue", "scheduled", "finished", "failed", "canceled", "wip", "workers"):
            yield KeyPattern(f"{PREFIX}:{kind}:*")
        for kind in ("lease", "dead", "wake", "sweep", "ctl", "breaker"):
            yield KeyPattern(f"{PREFIX}:sp:{kind}:*")
        for name in ("queues", "workers", "sp:fence", "sp:audit"):
            yield KeyPattern(f"{PREFIX}:{name}")

    @cached_property
    def _settings(self) -> Settings:
        policy, delays = self.setup.policy, self.setup.policy.backoff
        return Settings(
            max_attempts=policy.max_attempts,
            backoff=Backoff(delays.kind, delays.base_s, delays.cap_s, delays.jitter),  # type: ignore[arg-type]  # checked there
            timeout_s=policy.timeout_s,
            grace_s=policy.grace_s,
            lease_s=policy.lease_s,
            heartbeat_s=policy.heartbeat_s,
            sweep_interval_s=policy.sweep_interval_s,
            poll_s=min(1.0, policy.lease_s / 2),
            max_stalls=policy.max_stalls,
            max_crashes=policy.max_crashes,
            result_ttl_s=int(policy.result_ttl_s),
            drain_s=2.0,
            slots=self.setup.slots,
            preload=("stormproof_adapter",),
        )

    def worker(self) -> None:
        """Become `stormq worker`: the supervisor must not have imported what its slots run."""
        options: dict[str, object] = {"name": self.setup.worker, "redis_url": self.setup.redis_url}
        options |= {"lua": self.overlay} if self.overlay else {}
        options |= self._config() if needs_config(self.setup) else self._flags()
        flags = [part for name, value in options.items() for part in ("--" + name.replace("_", "-"), str(value))]
        command = [sys.executable, "-m", self.program, "worker", *flags, *self.setup.queues]
        os.execv(sys.executable, command)  # noqa: S606  # no shell: an argument list of ours

    def _config(self) -> dict[str, object]:
        return {"config": write_config(self.setup, self._settings)}

    def _flags(self) -> dict[str, object]:
        settings = self._settings
        delays = {f"backoff_{name}": getattr(settings.backoff, name) for name in ("kind", "base_s", "cap_s", "jitter")}
        plain = {name: getattr(settings, name) for name in (*OF_A_WORKER, *OF_A_QUEUE)}
        return plain | delays | {"preload": ",".join(settings.preload)}

    def roll_back(self, release: int) -> None:
        """``stormq activate`` of that release's file."""
        from system.reference.commands_config import activate_config
        from system.reference.config_file import load_config

        config = load_config(write_config(replace(self.setup, release=release), self._settings), os.environ)
        self._insist(lambda: activate_config(self._redis, config, "stormproof", "", "the scenario asks for it"))

    @cached_property
    def _queues(self) -> "dict[str, Queue]":
        from system.reference import Queue  # with redis-py, which a worker's processes do without

        return {queue: Queue(queue, self._redis, self._settings, self._scripts) for queue in self.setup.queues}

    @cached_property
    def _redis(self) -> Any:  # noqa: ANN401  # as below
        from system.reference import connect

        return connect(self.setup.redis_url)

    @cached_property
    def _scripts(self) -> "Scripts":
        from system.reference import load

        return load(self.overlay)

    @cached_property
    def _direct(self) -> Any:  # noqa: ANN401  # redis-py types every reply as either of its two clients would give it
        from redis import Redis

        return Redis.from_url(self.setup.direct_url, decode_responses=True)

    def enqueue(self, job: str, queue: str, payload: str, delay_s: float) -> str:
        """``Queue.enqueue`` under the harness's id."""
        from system.reference import Rejected

        try:
            return self._queues[queue].enqueue("stormproof_adapter.task", payload, job_id=job, delay_s=delay_s).job_id
        except Rejected as error:
            raise NothingHappened(str(error)) from error

    def pause(self, queue: str) -> None:
        """``Operations.pause``."""
        self._operate("pause", queue)

    def resume(self, queue: str) -> None:
        """``Operations.resume``."""
        self._operate("resume", queue)

    def _operate(self, step: str, queue: str) -> None:
        """A step that took effect though its answer was lost is known by the queue's state."""
        from system.reference.operations import Operations, this_actor

        operations = Operations(self._redis, self._scripts, this_actor("stormproof"))

        def once() -> None:
            if operations.control(queue).paused != (step == "pause"):
                getattr(operations, step)(queue, "the scenario asks for it")

        self._insist(once)

    def cancel(self, job: str) -> str:
        """``Operations.cancel``. A step that took effect though its answer was lost is refused the second time."""
        from system.reference.operations import Operations, RefusedError, this_actor

        operations = Operations(self._redis, self._scripts, this_actor("stormproof"))
        told: list[str] = []
        keep_s = int(self.setup.policy.result_ttl_s)

        def once() -> None:
            try:
                told.append(operations.cancel(job, "the scenario asks for it", keep_s=keep_s))
            except RefusedError:
                told.append("refused")

        self._insist(once)
        return told[-1]

    def _insist(self, act: Callable[[], object]) -> None:
        """An outage is waited out; ``act`` may have been done already, and knows what to do then."""
        from redis.exceptions import ConnectionError as RedisConnectionError
        from redis.exceptions import TimeoutError as RedisTimeoutError

        from system.reference.errors import UnreachableError

        end_s = time.monotonic() + INSIST_S_MAX
        while True:
            try:
                act()
            except (UnreachableError, RedisConnectionError, RedisTimeoutError):
                if time.monotonic() > end_s:
                    raise
                time.sleep(INSIST_PAUSE_S)
            else:
                return

    def counts(self) -> Mapping[str, Counts]:
        """From the list and the sets themselves."""
        found = {}
        for queue in self.setup.queues:
            pipe = self._direct.pipeline(transaction=True)
            pipe.llen(rq_key("queue", queue))
            for key in (rq_key("scheduled", queue), sp_key("lease", queue), sp_key("dead", queue)):
                pipe.zcard(key)
            found[queue] = Counts(*pipe.execute())
        return found

    def grants(self) -> Mapping[str, list[int]]:
        """The ring that each rate looks at; here a queue's rate has the queue's name."""
        queues = self.setup.queues if self.setup.policy.rate_n is not None else ()
        return {queue: list(map(int, self._direct.lrange(sp_key("rate", queue), 0, -1))) for queue in queues}

    def states(self, jobs: Mapping[str, str]) -> Iterable[JobState]:
        """Every key that may hold an id, read once; then each job's record and last result."""
        places = self._places()
        names = list(jobs)
        for start in range(0, len(names), 500):
            chunk = names[start : start + 500]
            pipe = self._direct.pipeline(transaction=False)
            for job in chunk:
                pipe.hmget(job_key(job), "dead_reason", "attempts")
                pipe.pttl(job_key(job))
                pipe.xrevrange(results_key(job), count=1)
            answers = iter(pipe.execute())
            for job in chunk:
                (reason, attempts), ttl_ms, results = next(answers), next(answers), next(answers)
                found_in = tuple(key for key, _ in places[job])
                state = next((state for _, state in places[job]), "absent")
                history = int(attempts or 0) if state == "dead" else None
                yield JobState(job, found_in, state, reason or "", history, _sum(results), ttl_ms)

    def _places(self) -> defaultdict[str, list[tuple[str, str]]]:
        places: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        keys = [each for queue in self.setup.queues for each in _keys(queue)]
        pipe = self._direct.pipeline(transaction=True)  # a job that moves meanwhile must not be missed in both places
        for key, state in keys:
            (pipe.lrange if state == "waiting" else pipe.zrange)(key, 0, -1)
        for (key, state), jobs in zip(keys, pipe.execute(), strict=True):
            for job in jobs:
                places[job].append((key, state))
        return places


def _keys(queue: str) -> Iterator[tuple[str, str]]:
    """The most final first. RQ's mirrors (``failed``, ``wip``) are copies for its readers and no places."""
    yield sp_key("dead", queue), "dead"
    for kind, state in {"finished": "finished", "canceled": "cancelled"}.items():
        yield rq_key(kind, queue), state
    yield sp_key("lease", queue), "running"
    yield rq_key("scheduled", queue), "delayed"
    yield rq_key("queue", queue), "waiting"


def _sum(results: list[tuple[str, dict[str, str]]]) -> str:
    value = results[0][1].get("return_value") if results else None
    return checksum(str(pickle.loads(base64.b64decode(value)))) if value else ""  # noqa: S301  # written by our own task


def _sentence(head: str) -> str:
    """The line of PROMISES.md that begins with ``head``: a clause quotes it, so it must be there."""
    return next(line.removeprefix("- ") for line in PROMISES.read_text("utf-8").splitlines() if line.startswith(head))


if __name__ == "__main__":
    ReferenceTarget.main()
