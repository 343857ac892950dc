"""`stormq` as a program: what it prints, and its exit codes. Never a traceback."""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from system.reference import Queue
from tests.system.reference import jobs
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.workers import Worker, wait_until

EXAMPLE = Path(__file__).parents[3] / "system" / "reference" / "audit_queues.toml"
Spawn = Callable[..., AbstractContextManager[Worker]]


class Stormq:
    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Standard output, or standard error where another code than 0 is expected."""
        command = [sys.executable, "-m", "system.reference.cli", *arguments]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=60, env={"STORMQ_REDIS_URL": self.url}
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr if code else done.stdout


@pytest.fixture
def stormq(redis_server: RedisServer) -> Stormq:
    return Stormq(redis_server.url)


def test_enqueue_run_and_look(worker: Spawn, stormq: Stormq, redis: Client, tmp_path: Path) -> None:
    told = stormq("enqueue", "default", "tests.system.reference.jobs.add", "1", "2", "--job-id", "sum")
    assert told == "sum applied\n"
    assert stormq("enqueue", "default", "operator.add", "1", "2", "--job-id", "sum") == "sum known\n"
    bad = str(tmp_path / "notes")
    stormq("enqueue", "default", "tests.system.reference.jobs.fail", bad, "--job-id", "bad", "--max-attempts", "1")
    stormq("enqueue", "other", "operator.add", "1", "2", "--delay-s", "600")
    with worker():
        wait_until(lambda: redis.zcard("rq:sp:dead:default") == 1 and redis.zcard("rq:finished:default") == 1)
    rows = {row["queue"]: row for row in json.loads(stormq("info", "--json"))}
    default = {name: rows["default"][name] for name in ("waiting", "delayed", "running", "finished", "dead")}
    assert default == {"waiting": 0, "delayed": 0, "running": 0, "finished": 1, "dead": 1}
    assert rows["other"]["delayed"] == 1
    assert rows["default"]["swept_s_ago"] is not None
    assert "never" in stormq("info", "other")
    (letter,) = json.loads(stormq("dead", "list", "--json"))
    assert (letter["job_id"], letter["reason"], letter["attempts"]) == ("bad", "exhausted", 1)
    assert "bad  exhausted" in stormq("dead", "list", "default")
    assert "ValueError: as asked" in stormq("dead", "show", "bad")
    assert "ValueError: as asked" in json.loads(stormq("dead", "show", "bad", "--json"))["history"][0]["trace"]


def test_what_is_no_dead_letter(stormq: Stormq, queue: Queue) -> None:
    queue.enqueue(jobs.nothing, job_id="waiting")
    for name in ("waiting", "absent"):
        assert f"{name} is no dead letter" in stormq("dead", "show", name, code=1)
    assert stormq("dead", "list") == "no dead letters\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("worker", "q", "--lease-s", "0.01", "--slots", "x"), ("slots is 'x'", "lease_s is 0.01", "heartbeat_s is 4")),
        (("worker", "q", "--config", "/nowhere.toml"), ("/nowhere.toml",)),
        (("worker", "q", "--lua", "/nowhere"), ("/nowhere does not exist",)),
        (("worker", "a queue"), ("queue 'a queue'",)),
        (("worker", "a queue", "--name", "my worker"), ("--name is 'my worker'", "queue 'a queue'")),
        (("worker", "q", "--redis-url", "http://x"), ("'http'",)),
        (("worker",), ("QUEUE",)),
        (("enqueue", "a queue", "operator.add"), ("queue name 'a queue'",)),
        (("health", "--ready", "--worker", "a b", "--config", str(EXAMPLE)), ("'stormq.health.v1.a b'",)),
        (("cancel", "j", "--reason", "\udcff"), ("UTF-8",)),
        (("dead", "archive", "nosuch://u:hunter2@h", "--reason", "r"), ("nosuch", "***REDACTED***")),
        (("info", "--redis-url", "redis://:hunter2\u2100@h"), ("the Redis URL can't be used",)),
        ((), ("COMMAND",)),
    ],
)
def test_wrong_usage_is_told_all_at_once(stormq: Stormq, arguments: tuple[str, ...], said: tuple[str, ...]) -> None:
    shown = stormq(*arguments, code=2)
    assert all(each in shown for each in said)
    assert "hunter2" not in shown


def test_rejection_and_absence_have_codes_of_their_own(stormq: Stormq) -> None:
    assert "rejected" in stormq("enqueue", "default", "nodots", code=1)
    gone = ("--redis-url", "redis://127.0.0.1:1/0")
    assert "rejected" in stormq("enqueue", "q", "operator.add", "--enqueue-timeout-s", "0.1", *gone, code=1)
    assert "Redis does not answer" in stormq("info", *gone, code=4)


def test_help_names_every_setting(stormq: Stormq) -> None:
    shown = stormq("worker", "--help")
    for option in ("--lease-s", "--heartbeat-s", "--max-stalls", "--backoff-jitter", "--config", "--lua", "--preload"):
        assert option in shown
    assert "exit codes" in stormq("--help")


def test_worker_waits_for_a_redis_that_is_not_there_yet(worker: Spawn, redis_server: RedisServer) -> None:
    redis_server.kill()
    with worker() as it:
        wait_until(lambda: len(it.slots()) == 2)
        redis_server.start()
        redis = redis_server.client()
        Queue("default", redis_server.url).enqueue(jobs.add, 1, 2, job_id="j")
        wait_until(lambda: redis.hget("rq:job:j", "status") == "finished")


def test_preloaded_module_that_fails_is_told_and_does_not_spin(worker: Spawn) -> None:
    with worker(extra=("--preload", "no_such_module")) as it:
        wait_until(lambda: "died before it was ready" in it.log())
        assert it.process.poll() is None
        assert it.terminate() == 0
