"""A braced prefix keeps a deployment on one slot of a Cluster: all that a queue does works there."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.reference.server import Client, RedisServer, free_port
from tests.system.reference.workers import lines, running, wait_until

PREFIX = "{stormq}"
JOBS = "tests.system.reference.jobs"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """One shard, which serves no slot yet. The prefix is read when a program starts, so producers are programs here."""
    monkeypatch.setenv("RQ_KEY_PREFIX", PREFIX)
    server = RedisServer(tmp_path, "--cluster-enabled", "yes", "--cluster-port", str(free_port()), prefix=PREFIX)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def stormq(cluster: RedisServer) -> Callable[..., Any]:
    def run(role: str, *arguments: str, code: int = 0) -> Any:  # noqa: ANN401  # what the command prints
        command = [
            sys.executable,
            "-m",
            "system.reference.cli",
            *arguments,
            "--redis-url",
            cluster.url_of(role),
            "--json",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if done.stdout else done.stderr

    return run


def test_a_queue_on_a_cluster(cluster: RedisServer, stormq: Callable[..., Any], tmp_path: Path) -> None:
    notes, redis = tmp_path / "notes", cluster.client()
    nobody = stormq("producer", "enqueue", "default", "operator.add", "1", "2", "--enqueue-timeout-s", "0.2", code=1)
    assert "ClusterDownError" in nobody

    redis.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    wait_until(lambda: redis.cluster("info")["cluster_state"] == "ok")
    stormq("producer", "enqueue", "default", "operator.add", "1", "2", "--job-id", "good")
    stormq(
        "producer",
        "enqueue",
        "other",
        f"{JOBS}.fail",
        str(notes.with_name("bad")),
        "--job-id",
        "bad",
        "--delay-s",
        "0.2",
    )
    stormq("producer", "enqueue", "other", f"{JOBS}.nap_once", str(notes), "60", "--job-id", "stalls")

    def status(job: str) -> str:
        return str(redis.hget(f"{PREFIX}:job:{job}", "status"))

    with running(cluster.url_of("worker"), "default", "other", max_attempts=2, slots=2) as worker:
        wait_until(lambda: status("good") == "finished" and status("bad") == "failed" and lines(notes))
        worker.kill_tree()
    with running(cluster.url_of("worker"), "default", "other", max_attempts=2):
        wait_until(lambda: status("stalls") == "finished")
    assert redis.hget(f"{PREFIX}:job:stalls", "stalls") == "1"
    (letter,) = stormq("operator", "dead", "list")
    assert (letter["job_id"], letter["reason"], letter["attempts"]) == ("bad", "exhausted", 2)
    assert_one_slot(redis)


def assert_one_slot(redis: Client) -> None:
    keys = list(redis.scan_iter())
    assert all(key.startswith(PREFIX) for key in keys)
    assert len({redis.execute_command("CLUSTER", "KEYSLOT", key) for key in keys}) == 1
