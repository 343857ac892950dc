"""Pause, resume and cancel: their effect on real jobs, told by the jobs' own notes and by the raw keys."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from system.reference import Queue, connect
from system.reference.errors import UnreachableError
from system.reference.operations import Actor, Control, Operations, RefusedError, this_actor
from tests.system.reference import jobs
from tests.system.reference.letters import bury, claim, store
from tests.system.reference.relay import relaying
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.workers import Worker, lines, wait_until

Spawn = Callable[..., AbstractContextManager[Worker]]
ALICE = Actor("alice", "host 7 test")


@pytest.fixture
def operations(redis_server: RedisServer) -> Operations:
    return Operations(connect(redis_server.url_of("operator")), actor=ALICE)


def audited(redis: Client) -> list[tuple[str, ...]]:
    names = ("actor", "origin", "action", "queue", "job", "reason", "before", "outcome")
    return [tuple(fields[name] for name in names) for _, fields in redis.xrange("rq:sp:audit")]


def test_pause_lets_the_running_job_finish_and_starts_no_other(
    worker: Spawn, queue: Queue, redis: Client, operations: Operations, notes: Path
) -> None:
    queue.enqueue(jobs.nap, str(notes), 0.8, job_id="first")
    with worker():
        wait_until(lambda: lines(notes))
        operations.pause("default", "maintenance")
        queue.enqueue(jobs.tell, str(notes), job_id="second")
        wait_until(lambda: redis.hget("rq:job:first", "status") == "finished")
        swept = int(redis.hget("rq:sp:sweep:default", "last"))
        wait_until(lambda: int(redis.hget("rq:sp:sweep:default", "last")) > swept + 1_500_000)  # polls went by
        assert [line.split()[:2] for line in lines(notes)] == [["start", "first"], ["end", "first"]]
        assert redis.lrange("rq:queue:default", 0, -1) == ["second"]
        operations.resume("default", "done")
        wait_until(lambda: redis.hget("rq:job:second", "status") == "finished")
    assert lines(notes)[2].startswith("second 1 ")
    assert audited(redis) == [
        ("alice", "host 7 test", "pause", "default", "", "maintenance", "open", "applied"),
        ("alice", "host 7 test", "resume", "default", "", "done", "paused", "applied"),
    ]


def test_who_paused_and_why_is_seen(operations: Operations) -> None:
    assert operations.control("q") == Control("q", 0, paused=False, paused_by="", paused_reason="", broken_by="")
    assert operations.pause("q", "why not") == 1
    assert operations.control("q") == Control("q", 1, True, "alice", "why not", "")  # noqa: FBT003


def test_second_pause_and_needless_resume_are_refused_and_audited(operations: Operations, redis: Client) -> None:
    with pytest.raises(RefusedError, match="resume q: not paused"):
        operations.resume("q", "r")
    operations.pause("q", "one")
    with pytest.raises(RefusedError, match="already paused"):
        operations.pause("q", "two")
    assert [entry[-1] for entry in audited(redis)] == ["refused: not paused", "applied", "refused: already paused"]


def test_two_operators_at_once_one_of_them_is_refused(
    operations: Operations, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Operations(connect(redis_server.url_of("operator")), actor=Actor("bob", "elsewhere"))
    seen = operations.control("q")
    other.pause("q", "bob's")
    other.resume("q", "bob's")
    monkeypatch.setattr(operations, "control", lambda _queue: seen)  # read before bob's steps
    with pytest.raises(RefusedError, match="changed since"):
        operations.pause("q", "alice's")


def test_cancel_of_a_waiting_and_of_a_delayed_job(
    queue: Queue, redis: Client, operations: Operations, worker: Spawn, notes: Path
) -> None:
    queue.enqueue(jobs.tell, str(notes), job_id="waiting")
    queue.enqueue(jobs.tell, str(notes), job_id="delayed", delay_s=0.3)
    queue.enqueue(jobs.tell, str(notes), job_id="other", delay_s=0.6)
    assert operations.cancel("waiting", "r") == "cancelled"
    assert operations.cancel("delayed", "r") == "cancelled"
    assert sorted(redis.zrange("rq:canceled:default", 0, -1)) == ["delayed", "waiting"]
    assert redis.llen("rq:queue:default") == 0
    with worker():
        wait_until(lambda: redis.hget("rq:job:other", "status") == "finished")
    assert [line.split()[0] for line in lines(notes)] == ["other"]
    assert [entry[2:] for entry in audited(redis)] == [
        ("cancel", "default", "waiting", "r", "queued", "cancelled"),
        ("cancel", "default", "delayed", "r", "scheduled", "cancelled"),
    ]


def test_cancel_of_a_leased_job_is_a_request_and_its_end_wins(redis: Client, operations: Operations) -> None:
    store(redis, "j")
    claim(redis)
    assert operations.cancel("j", "r") == "requested"
    assert redis.hget("rq:job:j", "cancel_request").startswith("86400 ")
    assert operations.cancel("j", "again") == "requested"
    assert len(audited(redis)) == 1, "the same wish again is no second step"


def test_cancel_of_a_running_job_ends_it(
    worker: Spawn, queue: Queue, redis: Client, operations: Operations, notes: Path
) -> None:
    queue.enqueue(jobs.nap, str(notes), 60, job_id="long")
    with worker():
        wait_until(lambda: lines(notes))
        assert operations.cancel("long", "not needed") == "requested"
        wait_until(lambda: redis.hget("rq:job:long", "status") == "canceled")
        queue.enqueue(jobs.tell, str(notes), job_id="next")
        wait_until(lambda: redis.hget("rq:job:next", "status") == "finished")
    assert [line.split()[:2] for line in lines(notes)] == [["start", "long"], ["next", "1"]]
    assert redis.zrange("rq:sp:lease:default", 0, -1) == []
    assert redis.zrange("rq:canceled:default", 0, -1) == ["long"]


@pytest.mark.parametrize(("job", "why"), [("absent", "no such job"), ("dead", "dead")])
def test_what_cannot_be_cancelled_is_said_and_audited(
    redis: Client, operations: Operations, job: str, why: str
) -> None:
    bury(redis, "dead")
    with pytest.raises(RefusedError) as caught:
        operations.cancel(job, "r")
    assert caught.value.why == why
    assert audited(redis)[-1][-1] == f"refused: {why}"


def test_lost_replies_change_nothing(redis_server: RedisServer, redis: Client) -> None:
    store(redis, "j")
    with relaying(redis_server.port) as relay:
        operations = Operations(connect(relay.url), actor=ALICE)
        for lost in (1, 2):
            relay.replies_to_lose = lost
            assert operations.pause("q", "r") == 2 * lost - 1
            relay.replies_to_lose = lost
            assert operations.resume("q", "r") == 2 * lost
        relay.replies_to_lose = 2
        assert operations.cancel("j", "r") == "cancelled"
        relay.replies_to_lose = 3
        with pytest.raises(UnreachableError, match="unknown whether it was done"):
            operations.pause("q", "r")
    actions = [entry[2] for entry in audited(redis)]
    assert actions == ["pause", "resume", "pause", "resume", "cancel", "pause"]
    assert redis.hget("rq:sp:ctl:q", "epoch") == "5"


@pytest.mark.parametrize("known", [False, True])
def test_what_a_script_refuses_is_told_alike_whether_the_server_knew_it(
    redis: Client, operations: Operations, *, known: bool
) -> None:
    redis.script_flush()
    if known:
        operations.pause("other", "r")
    redis.set("rq:sp:audit", "of another type")
    with pytest.raises(UnreachableError, match=r"pause: .*WRONGTYPE"):
        operations.pause("q", "r")


def test_actor_is_user_and_host_unless_named() -> None:
    assert "@" in this_actor().name
    assert this_actor("ann").name == "ann"
    assert this_actor(program="stormq cli").origin.endswith("stormq cli")
