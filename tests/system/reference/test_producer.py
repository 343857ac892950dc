"""What an enqueue says must be true: applied, known, rejected (nothing happened), unknown (anything else)."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from system.reference import Queue, Rejected, Settings, SoftTimeout, Unknown, connect, one_try
from tests.system.reference import jobs
from tests.system.reference.relay import Relay, relaying
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.workers import Worker, lines, wait_until

Spawn = Callable[..., AbstractContextManager[Worker]]


@pytest.fixture
def relay(redis_server: RedisServer) -> Iterator[Relay]:
    with relaying(redis_server.port) as it:
        it.url = redis_server.url_of("producer").replace(f":{redis_server.port}/", f":{it.server_address[1]}/")
        yield it


def test_description_of_a_file_whose_name_is_no_text_is_stored(queue: Queue, redis: Client) -> None:
    queue.enqueue(jobs.echo, "\udcff", job_id="j", description="\udcff")
    assert redis.hget("rq:job:j", "description") == "?"


def test_answer_that_a_timeout_left_behind_is_nobody_elses(
    queue: Queue, redis: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that enqueues may be interrupted between its command and the answer."""
    queue.enqueue(jobs.nothing, job_id="before")

    def interrupted(connection: Any, command: tuple[Any, ...]) -> NoReturn:  # noqa: ANN401  # as what it stands for
        connection.send_packed_command(connection.pack_command(*command), check_health=False)
        raise SoftTimeout

    redis.client_pause(400, all=False)
    with monkeypatch.context() as patch:
        patch.setattr(one_try, "_call", interrupted)
        with pytest.raises(SoftTimeout):
            queue.enqueue(jobs.nothing, job_id="before")
    assert queue.enqueue(jobs.nothing, job_id="after").outcome == "applied", "not the other's: known"


def test_known_enqueue_is_told(queue: Queue, redis: Client) -> None:
    assert queue.enqueue(jobs.nothing, job_id="j").outcome == "applied"
    assert queue.enqueue(jobs.nothing, job_id="j").outcome == "known"
    assert redis.lrange("rq:queue:default", 0, -1) == ["j"]


def test_lost_reply_is_made_good_by_trying_again(relay: Relay, redis: Client) -> None:
    queue = Queue("default", connect(relay.url), Settings())
    relay.replies_to_lose = 1
    assert queue.enqueue(jobs.nothing, job_id="j").outcome == "known"
    assert redis.lrange("rq:queue:default", 0, -1) == ["j"]


def test_reply_that_never_comes_is_unknown_not_rejected(relay: Relay, redis: Client) -> None:
    queue = Queue("default", connect(relay.url), Settings(enqueue_timeout_s=0.3))
    relay.replies_to_lose = 10**6
    with pytest.raises(Unknown):
        queue.enqueue(jobs.nothing, job_id="j")
    assert redis.lrange("rq:queue:default", 0, -1) == ["j"], "unknown was the truth: it had been stored"


def test_one_doubtful_try_makes_a_later_refusal_unknown(relay: Relay) -> None:
    """First a reply is lost, then every connection is refused, which alone would be a rejection."""
    queue = Queue("default", connect(relay.url), Settings(enqueue_timeout_s=0.5))
    queue.enqueue(jobs.nothing)
    relay.replies_to_lose, relay.leaves = 1, True
    with pytest.raises(Unknown):
        queue.enqueue(jobs.nothing, job_id="j")
    with pytest.raises(Rejected):
        queue.enqueue(jobs.nothing, job_id="k")


@pytest.mark.parametrize(("setting", "value"), [("maxmemory", "1"), ("min-replicas-to-write", "1")])
def test_server_that_refuses_writes_is_a_rejection(
    redis: Client, redis_server: RedisServer, setting: str, value: str
) -> None:
    queue = Queue("default", redis_server.url, Settings(enqueue_timeout_s=0.2))
    redis.config_set(setting, value)
    try:
        with pytest.raises(Rejected):
            queue.enqueue(jobs.nothing, job_id="j")
    finally:
        redis.config_set(setting, "0")
    assert redis.keys() == []


def test_foreign_key_is_a_rejection(queue: Queue, redis: Client) -> None:
    redis.set("rq:queue:default", "foreign")
    with pytest.raises(Rejected, match="WRONGTYPE"):
        queue.enqueue(jobs.nothing, job_id="j")
    assert redis.keys() == ["rq:queue:default"]


@pytest.mark.parametrize(
    ("func", "options"),
    [
        ("no_dots", {}),
        ("__main__.task", {}),
        (lambda: None, {}),
        (jobs.Greeter("x"), {}),
        (jobs.nothing, {"job_id": "with:colon"}),
        (jobs.nothing, {"job_id": "x" * 201}),
        (jobs.nothing, {"delay_s": -1}),
        (jobs.nothing, {"delay_s": float("nan")}),
        (jobs.nothing, {"timeout_s": 0}),
        (jobs.nothing, {"max_attempts": 0}),
        (jobs.nothing, {"max_attempts": 5_000_000_000}),
        (jobs.nothing, {"result_ttl_s": -2}),
        (jobs.nothing, {"result_ttl_s": float("inf")}),
        (jobs.nothing, {"window_s": float("nan")}),
        (jobs.nothing, {"window_s": 0}),
        (jobs.nothing, {"user": "\udcff"}),
        (jobs.nothing, {"argument": threading.Lock()}),
    ],
)
def test_bad_calls_are_rejected_before_a_byte_is_sent(func: object, options: dict[str, object]) -> None:
    queue = Queue("default", "redis://127.0.0.1:1/0", Settings(enqueue_timeout_s=60, window_s=200))
    started_s = time.monotonic()
    with pytest.raises(Rejected):
        queue.enqueue(func, **options)  # type: ignore[arg-type]
    assert time.monotonic() - started_s < 30, "it tried to connect"


def test_server_clock_that_jumps_ahead_costs_a_retry_not_the_job(queue: Queue, redis: Client) -> None:
    queue.enqueue(jobs.nothing, job_id="a")
    assert queue._storing._clock._seen
    server_us, at_s = queue._storing._clock._seen
    queue._storing._clock._seen = server_us - 3_600_000_000, at_s  # as if the server had jumped an hour ahead since
    assert queue.enqueue(jobs.nothing, job_id="b").outcome == "applied"
    assert redis.lrange("rq:queue:default", 0, -1) == ["a", "b"]


def test_body_knows_who_it_is(worker: Spawn, queue: Queue, redis: Client, notes: Path) -> None:
    queue.enqueue(jobs.tell, str(notes), job_id="j")
    with worker(max_attempts=7):
        wait_until(lambda: redis.hget("rq:job:j", "status") == "finished")
    job, attempt, attempts_max, fence, exec_, _ = lines(notes)[0].split()
    assert (job, attempt, attempts_max) == ("j", "1", "7")
    assert redis.hget("rq:job:j", "fence") == fence
    assert redis.hget("rq:job:j", "settled") == f"{exec_} complete"


def test_attempts_are_numbered_and_delayed(worker: Spawn, queue: Queue, redis: Client, notes: Path) -> None:
    queue.enqueue(jobs.fail, str(notes), job_id="j")
    with worker(max_attempts=3, backoff_kind="fixed", backoff_base_s=0.3, backoff_cap_s=1, backoff_jitter="none"):
        wait_until(lambda: redis.zscore("rq:sp:dead:default", "j"))
    runs = [line.split() for line in lines(notes)]
    assert [attempt for attempt, _ in runs] == ["1", "2", "3"]
    times = [float(at_s) for _, at_s in runs]
    assert all(b - a >= 0.3 for a, b in itertools.pairwise(times))


def test_several_queues_are_served_in_the_order_given(
    worker: Spawn, redis_server: RedisServer, redis: Client, notes: Path
) -> None:
    connection = connect(redis_server.url)
    for name in ("low", "high"):
        for number in range(5):
            Queue(name, connection).enqueue(jobs.tell, str(notes), job_id=f"{name}{number}")
    with worker("high", "low"):
        wait_until(lambda: redis.zcard("rq:finished:low") == 5)
    assert [line.split()[0].rstrip("01234") for line in lines(notes)] == ["high"] * 5 + ["low"] * 5
