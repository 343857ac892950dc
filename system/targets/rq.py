"""Stock RQ: its own worker with its scheduler, its ``Retry``, its ``FailedJobRegistry``."""

import base64
import pickle
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from typing import Final

from redis import BlockingConnectionPool, Redis
from rq import Queue, Retry, get_current_job
from stormproof_target import Counts, JobState, Promise, Setup, Source, Target, run_body
from stormproof_target.ledger import checksum

PREFIX: Final = "rq"
ATTEMPTS_MAX: Final = Setup.from_environment().policy.max_attempts
REGISTRIES: Final = {"scheduled": "delayed", "finished": "finished", "failed": "dead", "canceled": "cancelled"}


def task(payload: str) -> str:
    """What the queue runs. RQ counts retries down."""
    job = get_current_job()
    return run_body(payload, attempt=ATTEMPTS_MAX - (job.retries_left or 0) if job else 0)


class RQTarget(Target):
    """RQ as its documentation sets it up."""

    name = "rq"
    title = "RQ"
    abilities = frozenset(
        {"delay", "retries", "attempt_numbers", "dead_letters", "soft_timeout", "crash_bound", "slot_processes"}
    )
    sustainable_rate_s = 25.0  # measured: 2 cores, 4 workers, 20 ms jobs, a fork a job
    slots_per_worker = 1
    libraries = ("rq", "redis")

    def promise(self) -> Promise:
        """RQ promises no lease, no time to recovery, and not that a job runs once: nothing is held against it there."""
        stored = Source(
            "Every job that doesn’t execute successfully is stored here, along with its exception information"
            " (type, value, traceback).",
            "python-rq.org/docs/exceptions: FailedJobRegistry",
        )
        return Promise(
            lease_s=90.0,  # the job monitoring interval of 30 s and a minute: what its registry of started jobs grants
            start_gap_s=3.0,
            report_s=2.0,
            reconnect_s=62.0,  # it waits up to 60 s between its attempts to reconnect
            lost_reply_repeats=True,
            kill_costs_an_attempt=True,
            sources={
                "delivery": stored,
                "dead_letters": stored,
                "max_attempts": Source(
                    "Retry up to 3 times, failed job will be requeued immediately",
                    "python-rq.org/docs/exceptions: Retrying Failed Jobs",
                ),
                "results": Source(
                    "In RQ, the return value of a job is stored in Redis.", "python-rq.org/docs/results: RQ: Results"
                ),
                "slots": Source(
                    "Each worker will process a single job at a time. Within a worker, there is no concurrent"
                    " processing going on.",
                    "python-rq.org/docs/workers: Starting Workers",
                ),
            },
        )

    def worker(self) -> None:
        """Become ``rq worker --with-scheduler``, the adapter imported before the fork, as its documentation advises."""
        import stormproof_adapter  # noqa: F401  # preloaded: each work horse forks from here
        from rq.cli.cli import main  # only the worker needs the command line

        sys.argv = ["rq", "worker", "--with-scheduler", "--url", self.setup.redis_url, *self.setup.queues]
        main()

    @cached_property
    def _connection(self) -> Redis:
        return Redis(
            connection_pool=BlockingConnectionPool.from_url(
                self.setup.redis_url, max_connections=64, timeout=20, socket_timeout=5, socket_connect_timeout=5
            )
        )

    @cached_property
    def _direct(self) -> Redis:
        return Redis.from_url(self.setup.direct_url, decode_responses=True)

    @cached_property
    def _retry(self) -> Retry | None:
        """The asked policy in whole seconds, since RQ counts in those."""
        policy = self.setup.policy
        delays_s = [max(1, round(policy.backoff.bounds_s(k)[1])) for k in range(1, policy.max_attempts)]
        return Retry(max=len(delays_s), interval=delays_s) if delays_s else None

    def enqueue(self, job: str, queue: str, payload: str, delay_s: float) -> str:
        """``Queue.enqueue`` or ``enqueue_in``, with the harness's id as RQ's."""
        target = Queue(queue, connection=self._connection)
        options = {
            "job_id": job,
            "retry": self._retry,
            "job_timeout": max(1, round(self.setup.policy.timeout_s)),
            "result_ttl": int(self.setup.policy.result_ttl_s),
        }
        if delay_s:
            return target.enqueue_in(timedelta(seconds=delay_s), "stormproof_adapter.task", payload, **options).id
        return target.enqueue("stormproof_adapter.task", payload, **options).id

    def counts(self) -> Mapping[str, Counts]:
        """From list and registries."""
        found = {}
        for queue in self.setup.queues:
            pipe = self._direct.pipeline(transaction=True)
            pipe.llen(f"{PREFIX}:queue:{queue}")
            for registry in ("scheduled", "wip", "failed"):
                pipe.zcard(f"{PREFIX}:{registry}:{queue}")
            found[queue] = Counts(*pipe.execute())
        return found

    def states(self, jobs: Mapping[str, str]) -> Iterable[JobState]:
        """Every key of RQ's that may hold an id, read once; then each job's own hash."""
        places = self._places()
        for chunk in _chunks(list(jobs), 500):
            pipe = self._direct.pipeline(transaction=False)
            for job in chunk:
                pipe.hmget(f"{PREFIX}:job:{job}", "status", "retries_left")
                pipe.pttl(f"{PREFIX}:job:{job}")
                pipe.xrevrange(f"{PREFIX}:results:{job}", count=1)
            answers = iter(pipe.execute())
            for job in chunk:
                (status, left), ttl_ms, results = next(answers), next(answers), next(answers)
                found_in = places[job]
                state = _state(found_in, status)
                history = ATTEMPTS_MAX - int(left or 0) if state == "dead" else None
                yield JobState(job, found_in, state, history=history, result_sum=_sum(results), ttl_ms=ttl_ms)

    def _places(self) -> defaultdict[str, tuple[str, ...]]:
        lists = [f"{PREFIX}:queue:{queue}{end}" for queue in self.setup.queues for end in ("", ":intermediate")]
        sets = [f"{PREFIX}:{name}:{queue}" for queue in self.setup.queues for name in (*REGISTRIES, "wip", "deferred")]
        pipe = self._direct.pipeline(transaction=True)  # a job that moves meanwhile must not be missed in both places
        for key in lists:
            pipe.lrange(key, 0, -1)
        for key in sets:
            pipe.zrange(key, 0, -1)
        places: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
        for key, members in zip(lists + sets, pipe.execute(), strict=True):
            for member in map(str, members):
                places[member.rsplit(":", 1)[0] if ":wip:" in key else member] += (key,)
        return places


def _state(found_in: tuple[str, ...], status: str | None) -> str:
    for key in found_in:
        kind = key.removeprefix(f"{PREFIX}:").split(":")[0]
        if kind in REGISTRIES:
            return REGISTRIES[kind]
    if any(key.startswith(f"{PREFIX}:wip:") for key in found_in):
        return "running"
    if found_in:
        return "waiting"
    return {"finished": "finished", None: "absent"}.get(status, "absent")


def _sum(results: list[tuple[str, dict[str, str]]]) -> str:
    """Of the latest result, which is what ``Job.return_value`` gives."""
    value = results[0][1].get("return_value") if results else None
    return checksum(str(pickle.loads(base64.b64decode(value)))) if value else ""  # noqa: S301  # written by our own task


def _chunks(items: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


if __name__ == "__main__":
    RQTarget.main()
