"""An adapter on one screen: a queue that is two Redis lists."""

import contextlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from redis import Redis
from stormproof_target import Counts, JobFailed, JobState, Promise, Source, Target, run_body


class ListQueue(Target):
    name = "list-queue"
    slots_per_worker = 1  # bodies that one worker runs at once: the harness starts as many workers as it needs
    libraries = ("redis",)

    def promise(self) -> Promise:
        said = Source("Every job that was pushed is run.", "docs/examples/list_queue.py")
        return Promise(recovery_s=5, lost_reply_repeats=True, sources={"delivery": said})

    @cached_property
    def redis(self) -> Any:
        return Redis.from_url(self.setup.redis_url, decode_responses=True)

    @cached_property
    def direct(self) -> Any:  # past the proxies: to read raw keys
        return Redis.from_url(self.setup.direct_url, decode_responses=True)

    def enqueue(self, job: str, queue: str, payload: str, delay_s: float) -> str:
        self.redis.lpush("waiting", payload)  # whatever this raises, nobody knows whether the job was taken
        return job

    def worker(self) -> None:
        while True:
            payload = self.redis.blmove("waiting", "running", 1, "RIGHT", "LEFT")
            if payload:
                with contextlib.suppress(JobFailed):
                    run_body(payload)  # does what the job's spec says, and writes the ledger
                self.redis.lrem("running", 1, payload)

    def counts(self) -> dict[str, Counts]:
        return {"default": Counts(self.direct.llen("waiting"), 0, self.direct.llen("running"), 0)}

    def states(self, jobs: Mapping[str, str]) -> list[JobState]:
        places = {key: "".join(self.direct.lrange(key, 0, -1)) for key in ("waiting", "running")}
        where = {job: tuple(key for key, all_of_it in places.items() if f'"{job}"' in all_of_it) for job in jobs}
        return [JobState(job, keys, keys[0] if keys else "absent") for job, keys in where.items()]


if __name__ == "__main__":
    ListQueue.main()
