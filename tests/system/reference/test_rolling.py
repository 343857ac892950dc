"""A rolling deploy under load: a newer version takes over, and an older one takes over again. Nothing is lost."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from system.reference import Queue
from tests.system.reference import jobs
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.test_registration import config_file, configured, registered, stormq, wait_until
from tests.system.reference.workers import lines

WAY_BACK_MAX_S = 300  # what the audit allows for a roll-back


@contextmanager
def load(url: str, notes: Path, every_s: float = 0.02) -> Iterator[list[str]]:
    """Enqueues jobs into both queues until the end; yields the ids that were acknowledged."""
    acknowledged: list[str] = []
    over = threading.Event()

    def send() -> None:
        queues = [Queue("email", url), Queue("reports", url)]
        number = 0
        while not over.wait(every_s):
            name = f"job-{number}"
            queues[number % 2].enqueue(jobs.nap, str(notes), 0.05, job_id=name, result_ttl_s=600)
            acknowledged.append(name)
            number += 1

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield acknowledged
    finally:
        over.set()
        thread.join()


def test_forward_and_back_under_load_loses_nothing(
    redis: Client, redis_server: RedisServer, tmp_path: Path, notes: Path
) -> None:
    old, new = config_file(tmp_path, "old", 3), config_file(tmp_path, "new", 4, timeout_s=21)
    with ExitStack() as stack, load(redis_server.url_of("producer"), notes) as acknowledged:
        old_workers = [stack.enter_context(configured(redis_server.url_of("worker"), old)) for _ in range(2)]
        wait_until(lambda: redis.zcard("rq:finished:email") > 10)

        new_workers = [stack.enter_context(configured(redis_server.url_of("worker"), new)) for _ in range(2)]
        assert [each.ends() for each in old_workers] == [0, 0]
        assert all("superseded" in each.text for each in old_workers)
        assert registered(redis) == "4"
        ran = len(acknowledged)
        wait_until(lambda: len(acknowledged) > ran + 20)
        assert all(each.process.poll() is None for each in new_workers)

        begun_s = time.monotonic()
        done = stormq(
            redis_server.url_of("operator"), "activate", str(old), "--reason", "version 4 fails", "--actor", "alice"
        )
        assert done.returncode == 0, done.stderr
        back = [stack.enter_context(configured(redis_server.url_of("worker"), old)) for _ in range(2)]
        assert [each.ends() for each in new_workers] == [0, 0]
        first = len(acknowledged)
        wait_until(lambda: redis.hget(f"rq:job:job-{first}", "status") == "finished")
        way_back_s = time.monotonic() - begun_s
        print(f"the way back took {way_back_s:.1f} s of {WAY_BACK_MAX_S} s")  # noqa: T201  # a measured fact
        assert way_back_s < WAY_BACK_MAX_S
        assert registered(redis) == "3"
        assert all(each.process.poll() is None for each in back)
        again = stack.enter_context(
            configured(redis_server.url_of("worker"), new)
        )  # as a deployment would that is not stopped yet
        assert again.ends() == 2
        assert "version 4" in again.text
        assert registered(redis) == "3"
        assert all(each.process.poll() is None for each in back)
    names = ("email", "reports")
    with configured(redis_server.url_of("worker"), old):
        wait_until(lambda: sum(redis.zcard(f"rq:finished:{name}") for name in names) == len(acknowledged))
    assert len(acknowledged) > 100
    assert not any(redis.zcard(f"rq:sp:{kind}:{name}") for kind in ("lease", "dead") for name in names)
    runs = Counter(line.split()[1] for line in lines(notes) if line.startswith("end"))
    assert runs == Counter(acknowledged)  # and since every worker drained in time, none ran twice
