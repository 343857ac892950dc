"""The audit stream: every manual step and, where it is asked for, each run; read back by what one looks for."""

import pytest

from system.reference import connect
from system.reference.audit import Asked, read_audit
from system.reference.dead_letters import DeadLetters
from system.reference.operations import Actor, Operations, RefusedError
from tests.system.reference.letters import bury, call
from tests.system.reference.server import Client, RedisServer


@pytest.fixture
def read(redis_server: RedisServer) -> Client:
    """A client as the tools have it."""
    return connect(redis_server.url_of("operator"))


@pytest.fixture
def story(redis: Client, read: Client) -> None:
    alice = Operations(read, actor=Actor("alice", "desk 1 test"))
    alice.pause("q", "maintenance")
    with pytest.raises(RefusedError):
        alice.pause("q", "twice")
    alice.resume("q", "done")
    bury(redis, "j", "k")
    bob = DeadLetters(read, actor=Actor("bob", "desk 2 test"))
    bob.requeue(bob.get("j"), "mended")
    bob.discard(bob.get("k"), "obsolete")


@pytest.mark.usefixtures("story")
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (Asked(), ["discard", "requeue", "resume", "pause", "pause"]),
        (Asked(job="j"), ["requeue"]),
        (Asked(actor="alice"), ["resume", "pause", "pause"]),
        (Asked(action="pause"), ["pause", "pause"]),
        (Asked(queue="q", actor="bob", action="discard"), ["discard"]),
        (Asked(queue="other"), []),
        (Asked(since_s=4e9), []),
        (Asked(since_s=0), ["discard", "requeue", "resume", "pause", "pause"]),
    ],
)
def test_found_by_what_one_looks_for_the_newest_first(read: Client, asked: Asked, found: list[str]) -> None:
    assert [entry.action for entry in read_audit(read, asked)] == found


@pytest.mark.usefixtures("story")
def test_line_says_who_what_from_where_why_and_what_came_of_it(read: Client) -> None:
    discard, requeue, _, refused, pause = read_audit(read)
    assert (discard.actor, discard.origin, discard.job, discard.reason) == ("bob", "desk 2 test", "k", "obsolete")
    assert (requeue.before, requeue.outcome) == ("dead: exhausted", "applied")
    assert (refused.before, refused.outcome) == ("paused", "refused: already paused")
    assert (pause.before, pause.queue, pause.job) == ("open", "q", "")
    assert pause.at.startswith("20")


@pytest.mark.usefixtures("story")
def test_since_is_the_servers_time(redis: Client, read: Client) -> None:
    middle = int(redis.xrange("rq:sp:audit")[2][0].partition("-")[0]) / 1000
    found = [entry.action for entry in read_audit(read, Asked(since_s=middle))]
    assert found[:3] == ["discard", "requeue", "resume"]


def test_each_run_leaves_its_line_where_it_is_asked_for(redis: Client, read: Client) -> None:
    bury(redis, "unseen")
    redis.hset("rq:sp:ctl:q", "audit_executions", 1)
    bury(redis, "seen")
    (entry,) = read_audit(read)
    assert (entry.action, entry.job, entry.outcome, entry.actor) == ("run", "seen", "dead", "worker-1")
    assert entry.context["message"] == "as asked"


def test_more_than_a_batch_is_read_whole_and_old_lines_go_by_retention(redis: Client, read: Client) -> None:
    pipe = redis.pipeline()
    for number in range(1, 2502):
        pipe.xadd("rq:sp:audit", {"actor": "old", "action": "run", "job": f"j{number}"}, id=f"{number}-1")
    pipe.execute()
    assert [entry.job for entry in read_audit(read)] == [f"j{number}" for number in range(2501, 0, -1)]
    seconds, _ = redis.time()
    call(redis, "clean", "q", 100, "", seconds - 1)  # keeps what is younger than 1 to 2 s after the epoch
    left = [entry.job for entry in read_audit(read)]
    assert left[-1] != "j1", "the oldest went"
    assert left[:502] == [f"j{number}" for number in range(2501, 1999, -1)], "and none that is to be kept"
