"""Connections as the endpoint asks for them, and what a producer does while Redis is away."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError

from system.reference import Buffered, Endpoint, Enqueued, Queue, Rejected, Settings, Unknown, connect, load
from system.reference.dial import dial
from system.reference.endpoint import parse
from system.reference.link import Link, LinkDown
from system.reference.outage import Attempts
from tests.system.reference import jobs
from tests.system.reference.relay import relaying
from tests.system.reference.server import PASSWORD, Client, RedisServer, free_port
from tests.system.reference.workers import wait_until


@contextlib.contextmanager
def deaf() -> Iterator[int]:
    """A port that accepts, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def producer(server: RedisServer, **changes: Any) -> Endpoint:  # noqa: ANN401  # as replace takes them
    return replace(parse(server.url_of("producer")), **changes)


def test_nothing_is_connected_before_the_first_command() -> None:
    port = free_port()
    client = connect(f"redis://127.0.0.1:{port}/0?connect_retries=0")
    Queue("default", client)
    Link(f"redis://127.0.0.1:{port}/0", "test", load(), 1.0)
    with pytest.raises(RedisConnectionError, match="refused"):
        client.ping()


def test_an_idle_connection_is_probed_by_the_kernel(redis_server: RedisServer) -> None:
    with dial(replace(parse(redis_server.stock_url), keepalive_s=7), 2.0) as connection:
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 7
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3
    with dial(replace(parse(redis_server.stock_url), keepalive_s=0), 2.0) as connection:
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


def test_each_answer_has_a_timeout_of_its_own() -> None:
    with deaf() as port:
        queue = Queue("default", Endpoint(port=port, command_timeout_s=0.05), Settings(enqueue_timeout_s=0.2))
        with pytest.raises(Rejected, match="no connection: TimeoutError"):
            queue.enqueue(jobs.nothing)


def test_connecting_is_tried_again_a_bounded_number_of_times() -> None:
    """Each try reaches a listener that hangs up at once; nothing was sent, so trying again is safe."""
    tries = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    tries.append(connection)
                    connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        tls = replace(parse(f"rediss://127.0.0.1:{port}/0"), connect_retries=3, retry_cap_s=0.02)
        with pytest.raises(RedisConnectionError):
            connect(tls).ping()
        wait_until(lambda: len(tries) >= 4)
        assert len(tries) == 4
        listener.shutdown(socket.SHUT_RDWR)


def test_a_password_that_can_not_be_read_leaves_nobody_logged_in(redis_server: RedisServer, tmp_path: Path) -> None:
    login = replace(producer(redis_server).login, password_file=str(tmp_path / "absent"))
    client: Client = connect(producer(redis_server, login=login, connections_max=1))
    for _ in range(2):  # the second finds what the first has left in the pool
        with pytest.raises(RedisConnectionError, match=r"no password: .*No such file"):
            client.ping()
    (tmp_path / "absent").write_text("")
    with pytest.raises(LinkDown, match="there is no password in the file"):
        Link(f"{redis_server.stock_url}?password_file={tmp_path / 'absent'}", "test", load(), 2.0).exchange([("PING",)])
    with pytest.raises(LinkDown, match="there is no password in the environment's ABSENT"):
        Link(f"{redis_server.stock_url}?password_env=ABSENT", "test", load(), 2.0).exchange([("PING",)])
    with pytest.raises(LinkDown, match="WRONGPASS"):
        Link(f"redis://stormq-worker@127.0.0.1:{redis_server.port}/0", "test", load(), 2.0).exchange([("PING",)])
    (tmp_path / "absent").write_text(PASSWORD)
    assert client.ping()
    with pytest.raises(NoPermissionError):
        client.execute_command("FLUSHALL")


def test_a_pool_has_a_bound_and_who_waits_too_long_is_told(redis_server: RedisServer, redis: Client) -> None:
    client: Any = connect(producer(redis_server, connections_max=2, connection_wait_s=0.05))
    held = [client.connection_pool.get_connection() for _ in range(2)]
    with pytest.raises(Rejected, match="No connection available"):
        Queue("default", client, Settings(enqueue_timeout_s=0.2)).enqueue(jobs.nothing)
    names = [each["name"] for each in redis.client_list() if ":producer:" in each["name"]]
    assert len(names) == 2
    for each in held:
        client.connection_pool.release(each)


def test_a_connection_that_idled_is_tried_before_it_is_used(redis_server: RedisServer, redis: Client) -> None:
    """A dead one that the kernel has not noticed would otherwise make an enqueue doubtful for no reason."""
    with relaying(redis_server.port) as relay:
        endpoint = producer(redis_server, port=relay.server_address[1], health_check_s=0.05)
        client: Any = connect(endpoint)
        queue = Queue("default", client)
        queue.enqueue(jobs.nothing)
        before = redis.info("commandstats").get("cmdstat_ping", {"calls": 0})["calls"]
        time.sleep(0.1)
        queue.enqueue(jobs.nothing)
        assert redis.info("commandstats")["cmdstat_ping"]["calls"] == before + 1


@pytest.mark.parametrize("refusal", ["READONLY", "MASTERDOWN", "NOREPLICAS"])
def test_server_that_takes_no_writes_is_a_rejection_until_it_does(
    redis_server: RedisServer, redis: Client, refusal: str
) -> None:
    queue = Queue("default", redis_server.url_of("producer"), Settings(enqueue_timeout_s=0.2))
    queue.enqueue(jobs.nothing, job_id="a")
    if refusal == "NOREPLICAS":
        redis.config_set("min-replicas-to-write", 1)
    else:
        redis.config_set("replica-serve-stale-data", "no" if refusal == "MASTERDOWN" else "yes")
        redis.replicaof("127.0.0.1", 1)
    try:
        with pytest.raises(Rejected):
            queue.enqueue(jobs.nothing, job_id="b")
    finally:
        redis.replicaof("NO", "ONE")
        redis.config_set("replica-serve-stale-data", "yes")
        redis.config_set("min-replicas-to-write", 0)
    assert queue.enqueue(jobs.nothing, job_id="b").outcome == "applied"
    assert redis.lrange("rq:queue:default", 0, -1) == ["a", "b"]


def test_server_that_still_loads_is_a_rejection_not_a_doubt(redis_server: RedisServer, redis: Client) -> None:
    pipe = redis.pipeline()
    for number in range(200):
        pipe.set(f"filler{number}", os.urandom(500))  # of a size that compression can't lessen
    pipe.execute()
    redis.bgrewriteaof()
    wait_until(lambda: not redis.info("persistence")["aof_rewrite_in_progress"])
    redis_server.kill()
    options = redis_server.options
    redis_server.options = (*options, "--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024")
    loading = threading.Thread(target=redis_server.start)
    loading.start()
    try:
        wait_until(lambda: _loads(redis_server))
        queue = Queue("default", redis_server.url_of("producer"), Settings(enqueue_timeout_s=0.2))
        with pytest.raises(Rejected, match="oading"):
            queue.enqueue(jobs.nothing, job_id="j")
        patient = Queue("default", redis_server.url_of("producer"), Settings(enqueue_timeout_s=20))
        assert patient.enqueue(jobs.nothing, job_id="j").outcome == "applied"
    finally:
        loading.join()
        redis_server.options = options
        redis_server.client().config_set("key-load-delay", 0)


def _loads(server: RedisServer) -> bool:
    try:
        with server.client() as client:
            return bool(client.info("persistence")["loading"])
    except RedisConnectionError:
        return False


def test_outage_raise_tries_once(redis_server: RedisServer) -> None:
    with relaying(redis_server.port) as relay:
        endpoint = producer(redis_server, port=relay.server_address[1], outage="raise")
        queue = Queue("default", endpoint)
        queue.enqueue(jobs.nothing, job_id="a")
        relay.replies_to_lose = 1
        with pytest.raises(Unknown):
            queue.enqueue(jobs.nothing, job_id="b")
        assert queue.enqueue(jobs.nothing, job_id="b").outcome == "known"
    with pytest.raises(Rejected):
        Queue("default", Endpoint(port=free_port(), outage="raise")).enqueue(jobs.nothing)


@pytest.fixture
def away(redis_server: RedisServer) -> Iterator[RedisServer]:
    """A server that is down, and is up again afterwards."""
    redis_server.kill()
    yield redis_server
    assert redis_server.process
    if redis_server.process.poll() is not None:
        redis_server.start()


def test_outage_buffer_acknowledges_nothing_and_delivers_in_order(away: RedisServer) -> None:
    queue = Queue("default", producer(away, outage="buffer"))
    kept = [queue.enqueue(jobs.nothing, job_id=f"j{number}") for number in range(20)]
    assert all(isinstance(each, Buffered) and each.outcome == "buffered" for each in kept)
    assert queue.flush(0.01) == 20
    with pytest.raises(TimeoutError):
        kept[0].result(0.01)  # type: ignore[union-attr]
    away.start()
    assert queue.flush(20) == 0
    assert [each.result(1) for each in kept] == [  # type: ignore[union-attr]
        Enqueued(f"j{number}", "applied") for number in range(20)
    ]
    assert away.client().lrange("rq:queue:default", 0, -1) == [f"j{number}" for number in range(20)]
    assert queue.enqueue(jobs.nothing, job_id="after") == Enqueued("after", "applied")
    wait_until(lambda: "stormq-outbox" not in {each.name for each in threading.enumerate()})


def test_a_full_buffer_rejects(away: RedisServer) -> None:
    queue = Queue("default", producer(away, outage="buffer", buffer_jobs=2))
    queue.enqueue(jobs.nothing)
    queue.enqueue(jobs.nothing)
    with pytest.raises(Rejected, match="the buffer is full: 2 jobs"):
        queue.enqueue(jobs.nothing)
    small = Queue("default", producer(away, outage="buffer", buffer_bytes=10_000))
    small.enqueue(jobs.add, 1, 2)
    with pytest.raises(Rejected, match="the buffer is full: 1 jobs"):
        small.enqueue(jobs.add, os.urandom(20_000), 2)
    assert (queue.close(), small.close()) == (2, 1)


def test_job_that_cannot_be_sent_holds_up_no_other_of_the_buffer(away: RedisServer) -> None:
    queue = Queue("default", producer(away, outage="buffer"))
    first = queue.enqueue(jobs.nothing)
    assert isinstance(first, Buffered)
    odd = Attempts(queue._storing, "default", "odd", 0, 60, ["user", "\udcff"], window_moves=False)
    broken = queue._outbox.put(odd)
    last = queue.enqueue(jobs.nothing)
    assert isinstance(broken, Buffered)
    assert isinstance(last, Buffered)
    away.start()
    with pytest.raises(Unknown, match="odd: UnicodeEncodeError"):
        broken.result(20)
    assert (first.result(20).outcome, last.result(20).outcome) == ("applied", "applied")


def test_a_closed_buffer_tells_each_job_its_end(away: RedisServer) -> None:
    queue = Queue("default", producer(away, outage="buffer"))
    kept = queue.enqueue(jobs.nothing, job_id="j")
    assert isinstance(kept, Buffered)
    assert queue.close() == 1
    with pytest.raises(Rejected, match="closed"):
        kept.result(0)
    with pytest.raises(Rejected, match="closed"):
        queue.enqueue(jobs.nothing)
    away.start()
    assert away.client().exists("rq:queue:default") == 0


def test_a_buffered_job_is_not_stored_after_its_window(away: RedisServer) -> None:
    queue = Queue("default", producer(away, outage="buffer"))
    late = queue.enqueue(jobs.nothing, job_id="late", window_s=0.3)
    kept = queue.enqueue(jobs.nothing, job_id="kept", window_s=60)
    time.sleep(0.4)
    away.start()
    assert queue.flush(20) == 0
    assert isinstance(late, Buffered)
    assert isinstance(kept, Buffered)
    with pytest.raises(Rejected, match="its window has passed"):
        late.result(0)
    assert kept.result(0).outcome == "applied"
    assert away.client().lrange("rq:queue:default", 0, -1) == ["kept"]


def test_a_doubtful_try_and_its_buffered_copy_have_one_effect(redis_server: RedisServer, redis: Client) -> None:
    """The first try was stored and its reply lost; the copy must carry its window, or it could run the job again."""
    with relaying(redis_server.port) as relay:
        endpoint = producer(redis_server, port=relay.server_address[1], outage="buffer")
        queue = Queue("default", endpoint)
        queue.enqueue(jobs.nothing, job_id="before")
        relay.replies_to_lose = 3
        kept = queue.enqueue(jobs.nothing, job_id="j")
        first = redis.hget("rq:job:j", "not_after")
        assert isinstance(kept, Buffered)
        assert kept.result(20).outcome == "known"
    assert redis.hget("rq:job:j", "not_after") == first
    assert redis.lrange("rq:queue:default", 0, -1) == ["before", "j"]


def test_a_delay_counts_from_the_call_not_from_the_delivery(away: RedisServer) -> None:
    queue = Queue("default", producer(away, outage="buffer"))
    called_s = time.time()
    queue.enqueue(jobs.nothing, job_id="j", delay_s=100)
    time.sleep(1.0)
    away.start()
    assert queue.flush(20) == 0
    due_s = away.client().zscore("rq:scheduled:default", "j")
    assert called_s + 99.9 < due_s < called_s + 100.9


def test_user_and_description_are_stored_without_secrets(queue: Queue, redis: Client) -> None:
    queue.enqueue(jobs.nothing, job_id="j", user="alice", description="send with password=hunter2 to bob")
    record = redis.hgetall("rq:job:j")
    assert record["user"] == "alice"
    assert "hunter2" not in record["description"]
    assert "to bob" in record["description"]
    with pytest.raises(Rejected, match="user has 201 characters"):
        queue.enqueue(jobs.nothing, user="x" * 201)
