"""Which slot serves which queue, under which settings, and what a worker does when it is told to."""

import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from system.reference import Queue, Settings, connect
from system.reference.plan import Plan
from tests.system.reference import jobs
from tests.system.reference.calls import BY
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.workers import Worker, fast, is_gone, lines, planned, wait_until

Spawn = Callable[..., AbstractContextManager[Worker]]


def queue_of(server: RedisServer, name: str) -> Queue:
    return Queue(name, connect(server.url), Settings())


def status(redis: Client, job: str) -> str:
    return str(redis.hget(f"rq:job:{job}", "status"))


def ended(redis: Client, *names: str) -> bool:
    return all(status(redis, name) == "finished" for name in names)


def test_hung_jobs_of_one_queue_leave_the_seats_of_others_free(
    redis_server: RedisServer, redis: Client, notes: Path
) -> None:
    """Also after their slots were killed and replaced: the seat is the queue's, not the process'."""
    layout = (("slow",), ("email", "slow"))
    plan = Plan(redis_server.url, "w", ("slow", "email"), "", fast(), layout=layout)
    slow, email = queue_of(redis_server, "slow"), queue_of(redis_server, "email")
    with planned(plan):
        for number in range(4):
            slow.enqueue(jobs.nap, str(notes), 60, job_id=f"s{number}")
        wait_until(lambda: len(lines(notes)) == 2)
        slot = int(lines(notes)[1].split()[-1])
        os.kill(slot, signal.SIGKILL)
        wait_until(lambda: len(lines(notes)) == 3)
        assert len(redis.zrange("rq:sp:lease:slow", 0, -1)) == 2
    redis.flushall()
    notes.unlink()
    with planned(Plan(redis_server.url, "w", ("slow", "email"), "", fast(), layout=(("slow",), ("email",)))):
        for number in range(4):
            slow.enqueue(jobs.nap, str(notes), 60, job_id=f"s{number}")
        wait_until(lambda: lines(notes))
        for number in range(3):
            email.enqueue(jobs.exit_with, f"{notes}.email", 1, job_id=f"poison{number}")
            email.enqueue(jobs.add, 1, 2, job_id=f"e{number}")
        wait_until(lambda: ended(redis, "e0", "e1", "e2"))
        wait_until(lambda: redis.zcard("rq:sp:dead:email") == 3)
        assert len(lines(notes)) == 1
        assert redis.llen("rq:queue:slow") == 3


def test_each_queue_has_settings_of_its_own(redis_server: RedisServer, redis: Client, notes: Path) -> None:
    own = (
        ("once", fast(max_attempts=1)),
        ("hasty", fast(timeout_s=0.2, max_attempts=1)),
        ("gone", fast(result_ttl_s=0)),
        ("frail", fast(max_crashes=1)),
    )
    queues = ("default", *(name for name, _ in own))
    plan = Plan(redis_server.url, "w", queues, "", fast(max_attempts=2, max_crashes=2), own)
    with planned(plan):
        queue_of(redis_server, "default").enqueue(jobs.fail, f"{notes}.d", job_id="d")
        queue_of(redis_server, "once").enqueue(jobs.fail, f"{notes}.o", job_id="o")
        queue_of(redis_server, "hasty").enqueue(jobs.nap, f"{notes}.h", 60, job_id="h")
        queue_of(redis_server, "gone").enqueue(jobs.add, 1, 2, job_id="g")
        queue_of(redis_server, "frail").enqueue(jobs.exit_with, f"{notes}.f", 1, job_id="f")
        wait_until(lambda: ended(redis, "g"))
        wait_until(lambda: [status(redis, job) for job in "dohf"] == ["failed"] * 4)
    assert [len(lines(Path(f"{notes}.{job}"))) for job in "dohf"] == [2, 1, 1, 1]
    assert [redis.hget(f"rq:job:{job}", "dead_reason") for job in "dohf"] == [
        "exhausted",
        "exhausted",
        "timeout",
        "crashed",
    ]
    assert redis.hget("rq:job:g", "data") is None


def cancel(queue: Queue, redis: Client, job: str) -> list[str]:
    from system.reference import load

    now_us = int(redis.time()[0]) * 1_000_000
    call = load().call("cancel", queue.name, job, "0", now_us + 60_000_000, 60, "2027-01-15T08:00:00.000000Z", *BY)
    redis.script_load(load().texts["cancel"])
    return [str(each) for each in redis.execute_command(*call)]


def test_running_job_is_cancelled_with_all_that_it_started(
    worker: Spawn, queue: Queue, redis: Client, notes: Path
) -> None:
    with worker() as it:
        queue.enqueue(jobs.hang, str(notes), "gil", job_id="j")
        wait_until(lambda: lines(notes))
        slot, child, folder = lines(notes)[0].split()
        assert cancel(queue, redis, "j") == ["applied", "requested"]
        wait_until(lambda: redis.zscore("rq:canceled:default", "j"))
        wait_until(lambda: is_gone(int(slot)) and is_gone(int(child)) and not Path(folder).parent.exists())
        queue.enqueue(jobs.add, 1, 2, job_id="next")
        wait_until(lambda: ended(redis, "next"))
        assert it.process.poll() is None
    record = redis.hgetall("rq:job:j")
    assert record["status"] == "canceled"
    assert not {"attempts", "crashes", "stalls"} & record.keys()
    assert not redis.exists("rq:queue:default", "rq:sp:lease:default", "rq:scheduled:default")
    assert len(lines(notes)) == 2, "it ran once: start, and what hangs"


def test_slot_asks_again_when_the_rate_allows(redis_server: RedisServer, redis: Client, notes: Path) -> None:
    """Not at the next poll: that is further away than the test waits."""
    settings = fast(poll_s=60, lease_s=120, heartbeat_s=1, sweep_interval_s=30)
    limits = {"q": {"rate_name": "ocr", "rate_n": 1, "rate_window_us": 400_000}}
    queue = queue_of(redis_server, "q")
    with planned(Plan(redis_server.url, "w", ("q",), "", settings, version="1"), limits):
        for number in range(3):
            queue.enqueue(jobs.fail, str(notes), job_id=f"j{number}", max_attempts=1)
        wait_until(lambda: len(lines(notes)) == 3)
    grants_us = sorted(int(each) for each in redis.lrange("rq:sp:rate:ocr", 0, -1))
    assert len(grants_us) == 3
    assert all(later - earlier > 400_000 for earlier, later in pairwise(grants_us))


def test_concurrency_holds_over_workers_and_slots(redis_server: RedisServer, redis: Client, notes: Path) -> None:
    queue = queue_of(redis_server, "q")
    limits = {"q": {"concurrency": 2}}
    plans = [Plan(redis_server.url, f"w{each}", ("q",), "", fast(slots=2), version="1") for each in range(2)]
    with planned(plans[0], limits), planned(plans[1], limits):
        wait_until(lambda: redis.hget("rq:sp:ctl:q", "concurrency") == "2")
        for number in range(12):
            queue.enqueue(jobs.nap, str(notes), 0.1, job_id=f"j{number}")
        wait_until(lambda: redis.zcard("rq:finished:q") == 12)
    running = most = 0
    for line in lines(notes):
        running += 1 if line.startswith("start") else -1
        most = max(most, running)
    assert most == 2


def test_superseded_worker_drains(redis_server: RedisServer, redis: Client, notes: Path) -> None:
    """Its running job ends well, it begins no other, and says by what it was superseded."""
    queue = queue_of(redis_server, "q")
    with planned(Plan(redis_server.url, "old", ("q",), "", fast(drain_s=20), version="1")) as old:
        queue.enqueue(jobs.hold, str(notes), job_id="running")
        wait_until(lambda: lines(notes))
        queue.enqueue(jobs.tell, f"{notes}.new", job_id="waiting")
        with planned(Plan(redis_server.url, "new", ("q",), "", fast(), version="2")) as new:
            wait_until(lambda: redis.hget("rq:sp:ctl:q", "version") == "2")
            Path(f"{notes}.go").touch()
            assert old.process.wait(20) == 0
            wait_until(lambda: ended(redis, "running", "waiting"))
            assert int(lines(Path(f"{notes}.new"))[0].split()[-1]) in new.slots()
        assert "q is configured in version 2 (file of 2)" in old.log()
    assert len(lines(notes)) == 2
    assert not {"attempts", "crashes", "stalls"} & redis.hgetall("rq:job:running").keys()


def test_version_that_cannot_start_supersedes_nobody(
    redis_server: RedisServer, redis: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_module.py").write_text("raise ImportError('as asked')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    queue = queue_of(redis_server, "q")
    with planned(Plan(redis_server.url, "old", ("q",), "", fast(), version="1")) as old:
        wait_until(lambda: redis.hget("rq:sp:ctl:q", "version") == "1")
        broken = Plan(redis_server.url, "new", ("q",), "", fast(preload=("broken_module",)), version="2")
        with planned(broken) as new:
            wait_until(lambda: new.log().count("died before it was ready") >= 2)
            queue.enqueue(jobs.add, 1, 2, job_id="j")
            wait_until(lambda: ended(redis, "j"))
            assert redis.hget("rq:sp:ctl:q", "version") == "1"
            assert new.terminate() == 0
        assert old.process.poll() is None


def test_refused_configuration_ends_the_worker_before_it_claims(redis_server: RedisServer, redis: Client) -> None:
    redis.hset("rq:sp:ctl:q", mapping={"version": "1", "digest": "another", "place": "elsewhere.toml"})
    queue_of(redis_server, "q").enqueue(jobs.add, 1, 2, job_id="j")
    with planned(Plan(redis_server.url, "w", ("q",), "", fast(), version="1")) as it:
        assert it.process.wait(20) == 1
        assert "conflict" in it.log()
        assert list(it.temporary.iterdir()) == []
    assert redis.lrange("rq:queue:q", 0, -1) == ["j"]


def test_worker_whose_heartbeats_have_ended_by_a_fault_leaves(redis_server: RedisServer) -> None:
    """It would run jobs that it can't keep. The fault here: a registration that raises where none may."""
    plan = Plan(redis_server.url, "w", ("q",), "", fast(), version="1")
    with planned(plan, {"q": None}) as it:  # type: ignore[dict-item]  # which is the fault
        wait_until(lambda: it.process.poll() is not None)
        assert it.process.returncode == 1
        assert "the thread that renews leases has ended" in it.log()
        assert list(it.temporary.iterdir()) == []


def test_configuration_that_redis_lost_is_registered_again(redis_server: RedisServer, redis: Client) -> None:
    """A queue of the worker that nobody registers stays so."""
    plan = Plan(redis_server.url, "w", ("q", "health"), "", fast(clean_interval_s=0.2), version="7")
    with planned(plan, {"q": {"concurrency": 3}}) as it:
        for _ in range(2):
            wait_until(lambda: redis.hgetall("rq:sp:ctl:q").get("concurrency") == "3")
            redis.flushall()
        wait_until(lambda: redis.hget("rq:sp:ctl:q", "version") == "7")
        queue_of(redis_server, "health").enqueue(jobs.add, 1, 2, job_id="j")
        wait_until(lambda: ended(redis, "j"))
        wait_until(lambda: it.log().count("Redis has lost the configuration") == 2)
    assert not redis.exists("rq:sp:ctl:health")


def test_finished_jobs_beyond_the_last_n_are_removed(redis_server: RedisServer, redis: Client) -> None:
    settings = fast(clean_interval_s=0.2, keep_finished=2)
    queue = queue_of(redis_server, "q")
    with planned(Plan(redis_server.url, "w", ("q",), "", settings)):
        for number in range(6):
            queue.enqueue(jobs.add, 1, 2, job_id=f"j{number}")
            wait_until(partial(ended, redis, f"j{number}"))
        wait_until(lambda: redis.zrange("rq:finished:q", 0, -1) == ["j4", "j5"])
    assert not redis.exists(*(f"rq:results:j{number}" for number in range(4)))
