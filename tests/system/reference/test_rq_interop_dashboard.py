"""rq-dashboard, its own program over HTTP, beside a real worker: what its pages show and what its buttons do."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from system.reference import Queue, connect
from system.reference.operations import Operations
from tests.system.reference import jobs
from tests.system.reference.server import Client, RedisServer, free_port
from tests.system.reference.workers import Worker, lines, wait_until

Spawn = Callable[..., AbstractContextManager[Worker]]
PROGRAM = Path(sys.executable).with_name("rq-dashboard")


@dataclass(frozen=True, slots=True)
class Dashboard:
    port: int

    def page(self, path: str, method: str = "GET") -> str:
        request = Request(f"http://127.0.0.1:{self.port}{path}", method=method)  # loopback, ours
        with urlopen(request, timeout=10) as answer:  # noqa: S310
            return str(answer.read().decode())

    def data(self, path: str, method: str = "GET") -> dict[str, Any]:
        told = json.loads(self.page(path, method))
        assert isinstance(told, dict)
        return told

    def listed(self, registry: str) -> list[str]:
        return [job["id"] for job in self.data(f"/0/data/jobs/default/{registry}/8/asc/1.json")["jobs"]]

    def answers(self) -> bool:
        try:
            return bool(self.page("/"))
        except URLError:
            return False


@pytest.fixture
def dashboard(redis_server: RedisServer, tmp_path: Path) -> Iterator[Dashboard]:
    port = free_port()
    command = [str(PROGRAM), "--bind", "127.0.0.1", "--port", str(port), "--redis-url", redis_server.stock_url]
    with (tmp_path / "dashboard.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            it = Dashboard(port)
            wait_until(lambda: process.poll() is not None or it.answers())
            assert process.poll() is None, (tmp_path / "dashboard.log").read_text()
            yield it
        finally:
            process.kill()
            process.wait()


def test_rq_dashboard_shows_a_job_in_every_state(
    dashboard: Dashboard, worker: Spawn, queue: Queue, redis_server: RedisServer, notes: Path
) -> None:
    redis = redis_server.client()
    queue.enqueue(jobs.add, 1, 2, job_id="done", description="a sum")
    queue.enqueue(jobs.fail, str(notes) + ".fail", job_id="dead", max_attempts=1)
    queue.enqueue(jobs.add, 1, 2, job_id="delayed", delay_s=600)
    queue.enqueue(jobs.add, 1, 2, job_id="cancelled", delay_s=600)
    Operations(connect(redis_server.url_of("operator"))).cancel("cancelled", "no longer wanted")
    with worker(extra=("--name", "our-worker"), lease_s=30, heartbeat_s=0.5):
        wait_until(lambda: redis.zcard("rq:finished:default") == redis.zcard("rq:sp:dead:default") == 1)
        queue.enqueue(jobs.nap, str(notes), 60, job_id="running")
        wait_until(lambda: redis.zcard("rq:wip:default"))
        queue.enqueue(jobs.add, 1, 2, job_id="waiting")
        in_registry = {
            "queued": ["waiting"],
            "started": ["running"],
            "finished": ["done"],
            "failed": ["dead"],
            "scheduled": ["delayed"],
            "canceled": ["cancelled"],
            "deferred": [],
        }
        assert {registry: dashboard.listed(registry) for registry in in_registry} == in_registry
        (shown,) = dashboard.data("/0/data/queues.json")["queues"]
        assert (shown["name"], shown["count"]) == ("default", 1)
        counts = {name: value for name, value in shown.items() if name.endswith("_count") and "deferred" not in name}
        assert set(counts.values()) == {1}
        (of_worker,) = dashboard.data("/0/data/workers.json")["workers"]
        assert (of_worker["name"], of_worker["queues"], of_worker["pid"] > 0) == ("our-worker", ["default"], True)
        done = dashboard.data("/0/data/job/done.json")
        assert (done["status"], done["result"], done["description"]) == ("finished", 3, "a sum")
        dead = dashboard.data("/0/data/job/dead.json")
        assert (dead["status"], dead["origin"]) == ("failed", "default")
        assert "ValueError: as asked" in dead["exc_info"]
        assert dashboard.data("/0/data/job/running.json")["status"] == "started"
        assert dashboard.data("/0/data/job/cancelled.json")["status"] == "canceled"
        for page in ("/", "/0/view/workers", "/0/view/jobs/default/failed/8/asc/1", "/0/view/job/dead"):
            assert "<html" in dashboard.page(page)


def test_rq_dashboard_requeues_dead_letters_and_empties_a_queue(
    dashboard: Dashboard, worker: Spawn, queue: Queue, redis: Client, notes: Path
) -> None:
    """Its buttons: requeue one, requeue all, empty. What it requeued runs, counts afresh and is audited."""
    for job in ("a", "b", "c"):
        queue.enqueue(jobs.fail, str(notes), job_id=job, max_attempts=1)
    with worker():
        wait_until(lambda: redis.zcard("rq:sp:dead:default") == 3)
    assert dashboard.data("/job/b/requeue", "POST") == {"status": "OK"}
    assert dashboard.listed("queued") == ["b"]
    assert dashboard.data("/requeue/default", "POST") == {"status": "OK", "count": 2}
    with worker():
        wait_until(lambda: len(lines(notes)) == 6 and redis.zcard("rq:failed:default") == 3)
    assert {redis.hget(f"rq:job:{job}", "requeues") for job in ("a", "b", "c")} == {"1"}
    audited = [fields for _, fields in redis.xrange("rq:sp:audit")]
    assert sorted(each["job"] for each in audited if each["actor"] == "rq") == ["a", "b", "c"]
    queue.enqueue(jobs.tell, str(notes), job_id="unwanted")
    assert dashboard.data("/queue/default/queued/empty", "POST") == {"status": "OK"}
    assert dashboard.listed("queued") == []
    assert not redis.exists("rq:job:unwanted")
