"""How queues and workers are, as a Python call and as a program with exit codes that probes can use."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
import rq
from redis import Redis

from system.reference import Queue, SettingsError, connect
from system.reference.config_file import load_config
from system.reference.health import EXIT_CODES, Bounds, health, liveness, readiness
from system.reference.operations import Operations
from tests.system.reference import jobs
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.test_registration import Configured, config_file, configured, registered, stormq, wait_until
from tests.system.reference.workers import Worker, lines


def us(redis: Client, ago_s: float = 0.0) -> int:
    seconds, micros = redis.time()
    return int(seconds * 1_000_000 + micros - ago_s * 1e6)


def frozen(worker: Configured) -> Worker:
    """The same processes, to be frozen and thawed."""
    found = Worker.__new__(Worker)
    found.pid = worker.process.pid
    return found


def program(url: str, *arguments: str, code: int) -> dict[str, object]:
    done = stormq(url, "health", "--json", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def test_a_queue_that_works_is_healthy(redis: Client, redis_server: RedisServer, tmp_path: Path, notes: Path) -> None:
    config = config_file(tmp_path, "one", 3)
    producer = Queue("email", redis_server.url_of("producer"))
    with configured(redis_server.url_of("worker"), config) as worker:
        wait_until(lambda: registered(redis) == "3")
        for number in range(4):
            producer.enqueue(jobs.nap, str(notes), 60, job_id=f"j{number}")
        producer.enqueue(jobs.nothing, delay_s=600)
        wait_until(lambda: any(line.startswith("start") for line in lines(notes)))
        found = health(connect(redis_server.url_of("operator")), load_config(config, {}))
        assert (found.status, found.problems, found.exit_code) == ("healthy", (), 0)
        email, reports = found.queues
        assert (email.queue, email.waiting, email.active, email.delayed, email.dead, email.stalled) == (
            ("email", 3, 1, 1, 0, 0)
        )
        assert email.oldest_age_s is not None
        assert 0 <= email.oldest_age_s < 60
        assert (email.version, email.paused, email.breaker, email.foreign_workers) == ("3", "", "", ())
        assert len(email.workers) == 1
        assert (reports.waiting, reports.oldest_age_s) == (0, None)
        shown = program(redis_server.url_of("operator"), "--config", str(config), code=0)
        assert shown["status"] == "healthy"
        assert {queue["queue"]: queue["waiting"] for queue in shown["queues"]} == {"email": 3, "reports": 0}  # type: ignore[attr-defined]
        assert worker.process.poll() is None


def test_a_queue_that_nobody_serves_is_unhealthy(redis: Client, redis_server: RedisServer, tmp_path: Path) -> None:
    config = config_file(tmp_path, "one", 3)
    client = connect(redis_server.url_of("operator"))
    found = health(client, load_config(config, {}))
    assert found.status == "unhealthy"
    assert [problem.partition(":")[0] for problem in found.problems] == ["email", "reports"]
    assert health(client).status == "healthy"  # nothing is known, so nothing is missing
    Queue("email", client).enqueue(jobs.nothing)
    found = health(client)
    assert (found.status, found.problems) == ("unhealthy", ("email: no worker serves it (1 waiting, 0 delayed)",))
    program(redis_server.url_of("operator"), code=1)
    with configured(redis_server.url_of("worker"), config) as worker:
        wait_until(lambda: health(client).status == "healthy")
        worker.process.kill()
        worker.process.wait()
        redis.pexpire(next(redis.scan_iter("rq:worker:*")), 25_000)  # 35 of its 60 s are over
        assert health(client, queues=["email"]).queues[0].workers == ()


def test_what_needs_a_look_is_degraded_and_says_why(redis: Client, redis_server: RedisServer, tmp_path: Path) -> None:
    config = config_file(tmp_path, "one", 3)
    raw = connect(redis_server.url_of("operator"))
    with configured(redis_server.url_of("worker"), config):
        wait_until(lambda: registered(redis) == "3" and health(raw).status == "healthy")
        Operations(raw).pause("email", "maintenance")
        redis.zadd("rq:sp:lease:away", {"job": us(redis, ago_s=5), "held": us(redis, ago_s=-60)})
        redis.hset("rq:sp:breaker:reports", mapping={"open": "ValueError", "seen": "9 of 10"})
        default = Redis.from_url(redis_server.stock_url)
        stock = rq.Worker([rq.Queue("reports", connection=default)], connection=default, name="stock")
        stock.register_birth()  # type: ignore[no-untyped-call]
        redis.set("rq:scheduler-lock:email", "somebody")
        found = health(raw, queues=["email", "reports", "away"])
        assert found.status == "unhealthy"  # away has no worker: the worst counts
        text = "\n".join(found.problems)
        for said in (
            "email: paused: maintenance (",
            "email: stock RQ works on it: an RQ scheduler",
            "away: 1 leases are past their deadline",
            "away: no worker serves it",
            "reports: its breaker is open: ValueError in 9 of 10 runs",
            "reports: stock RQ works on it: stock",
        ):
            assert said in text
        assert found.queues[1].foreign_workers == ("stock",)
        shown = program(redis_server.url_of("operator"), "email", "reports", code=3)
        assert shown["status"] == "degraded"
        assert "stock RQ works on it: stock" in stormq(redis_server.url_of("operator"), "health", "reports").stdout
        newer = load_config(config_file(tmp_path, "new", 4), {})
        assert "reports: version 3 holds, not 4" in health(raw, newer).problems


def test_more_than_a_queue_may_hold_is_degraded(redis: Client, redis_server: RedisServer, tmp_path: Path) -> None:
    with configured(redis_server.url_of("worker"), config_file(tmp_path, "one", 3)):
        wait_until(
            lambda: health(connect(redis_server.url_of("operator"))).status == "healthy" and registered(redis) == "3"
        )
        Operations(connect(redis_server.url_of("operator"))).pause("reports", "so that jobs stay")
        for _ in range(3):
            Queue("reports", redis_server.url_of("producer")).enqueue(jobs.nothing)
        redis.zadd("rq:sp:dead:email", {"a": 1, "b": 2})
        bounds = Bounds(waiting=2, dead=2, oldest_age_s=1e-6)
        problems = health(connect(redis_server.url_of("operator")), queues=["email", "reports"], bounds=bounds).problems
        assert "reports: waiting is 3, more than 2" in problems
        assert any(problem.startswith("reports: oldest_age_s is") for problem in problems)
        assert not any(problem.startswith("email") for problem in problems)  # two dead letters are allowed
        shown = program(redis_server.url_of("operator"), "email", "--dead-max", "1", code=3)
        assert shown["problems"] == ["email: dead is 2, more than 1"]
        program(
            redis_server.url_of("operator"),
            "email",
            "--dead-max",
            "2",
            "--waiting-max",
            "0",
            "--age-max-s",
            "9",
            code=0,
        )


def test_readiness_is_a_job_that_ran(redis_server: RedisServer, tmp_path: Path) -> None:
    path = config_file(tmp_path, "one", 3)
    config, client = load_config(path, {}), connect(redis_server.url_of("operator"))
    with configured(redis_server.url_of("worker"), path, "--name", "w1") as worker:
        assert readiness(client, config).ready is True
        found = readiness(client, worker="w1")  # its version is known by its name
        assert (found.ready, found.status, found.exit_code) == (True, "healthy", 0)
        assert readiness(client, config, worker="w1").ready is True
        assert program(redis_server.url_of("operator"), "--ready", "--config", str(path), code=0)["ready"] is True
        assert readiness(client, worker="other").problems == ("no worker other with a configuration is known",)
        next_one = load_config(config_file(tmp_path, "new", 4), {})
        assert readiness(client, next_one, timeout_s=0.3).ready is False  # a worker of version 3 is none of 4
        processes = frozen(worker)
        processes.freeze()
        try:
            shown = program(redis_server.url_of("operator"), "--ready", "--worker", "w1", "--timeout-s", "0.5", code=1)
        finally:
            processes.thaw()
        assert shown["ready"] is False
        assert "no worker has run a health job within 0.5 s" in str(shown["problems"])


def test_a_queue_full_of_hung_jobs_is_no_reason_to_be_unready(
    redis: Client, redis_server: RedisServer, tmp_path: Path, notes: Path
) -> None:
    path = config_file(tmp_path, "one", 3)
    with configured(redis_server.url_of("worker"), path):
        Queue("email", redis_server.url_of("producer")).enqueue(jobs.nap, str(notes), 60)
        wait_until(lambda: redis.zcard("rq:sp:lease:email") == 1)
        assert readiness(connect(redis_server.url_of("operator")), load_config(path, {})).ready is True


def test_a_worker_whose_slots_cannot_start_is_not_ready(redis_server: RedisServer, tmp_path: Path) -> None:
    path = config_file(tmp_path, "one", 3)
    path.write_text(path.read_text().replace("[worker]\n", '[worker]\npreload = ["no_such_module"]\n'))
    with configured(redis_server.url_of("worker"), path) as worker:
        wait_until(lambda: "died before it was ready" in worker.text)
        assert readiness(connect(redis_server.url_of("operator")), load_config(path, {}), timeout_s=0.5).ready is False


def test_a_probe_leaves_nothing_behind(redis: Client, redis_server: RedisServer, tmp_path: Path) -> None:
    config, client = load_config(config_file(tmp_path, "one", 3), {}), connect(redis_server.url_of("operator"))
    for _ in range(3):
        assert readiness(client, config, timeout_s=0.2).ready is False
    queue = "stormq.health.v3"
    assert redis.llen(f"rq:queue:{queue}") == 0
    assert redis.zcard(f"rq:sp:dead:{queue}") == 0
    for key in redis.scan_iter("rq:job:*"):
        assert 0 < redis.ttl(key) <= 70
    health_jobs = [fields["action"] for _, fields in redis.xrange("rq:sp:audit")]
    assert health_jobs == ["cancel"] * 3


def test_a_health_job_that_dies_is_told_and_discarded(
    redis: Client, redis_server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("system.reference.readiness.HEALTH_JOB", "system.reference.no_such.job")
    path = config_file(tmp_path, "one", 3)
    with configured(redis_server.url_of("worker"), path):
        found = readiness(connect(redis_server.url_of("operator")), load_config(path, {}))
        assert found.problems == ("stormq.health.v3: the health job ended as a dead letter: unserialisable",)
        assert redis.zcard("rq:sp:dead:stormq.health.v3") == 0


def test_liveness_asks_redis_and_the_worker(redis: Client, redis_server: RedisServer, tmp_path: Path) -> None:
    assert program(redis_server.url_of("operator"), "--live", code=0)["status"] == "healthy"
    assert program(redis_server.url_of("operator"), "--live", "--worker", "w1", code=1)["status"] == "unhealthy"
    with configured(redis_server.url_of("worker"), config_file(tmp_path, "one", 3), "--name", "w1"):
        wait_until(lambda: liveness(connect(redis_server.url_of("operator")), "w1").status == "healthy")
        redis.pexpire("rq:worker:w1", 20_000)
        assert "has not said for 30 s" in liveness(connect(redis_server.url_of("operator")), "w1").problems[0]


def test_a_redis_that_is_away_is_unreachable_and_no_traceback(tmp_path: Path) -> None:
    gone = "redis://127.0.0.1:1/0"
    path = config_file(tmp_path, "one", 3)
    for arguments in ((), ("--live",), ("--ready", "--config", str(path), "--timeout-s", "0.2")):
        assert program(gone, *arguments, code=4)["status"] == "unreachable"
    assert EXIT_CODES == {"healthy": 0, "unhealthy": 1, "degraded": 3, "unreachable": 4}


def test_wrong_usage_of_health(redis_server: RedisServer, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--config FILE"):
        readiness(connect(redis_server.url_of("operator")))
    path = config_file(tmp_path, "one", 3)
    for arguments, said in (
        (("--ready",), "allowed: --config FILE"),
        (("--live", "--ready"), "not allowed with"),
        (("emial", "--config", str(path)), "did you mean email?"),
        (("--ready", "--worker", "w", "--timeout-s", "0"), "--timeout-s is 0"),
    ):
        done = stormq(redis_server.url_of("operator"), "health", *arguments)
        assert done.returncode == 2
        assert said in done.stderr


def test_health_queues_are_not_shown_among_the_others(redis_server: RedisServer, tmp_path: Path) -> None:
    path = config_file(tmp_path, "one", 3)
    client = connect(redis_server.url_of("operator"))
    with ExitStack() as stack:
        stack.enter_context(configured(redis_server.url_of("worker"), path))
        assert readiness(client, load_config(path, {})).ready is True
        Queue("email", client).enqueue(jobs.nothing)
        assert [queue.queue for queue in health(client).queues] == ["email"]
