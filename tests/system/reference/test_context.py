"""What is told of a failure: enough to find its cause, and no secret."""

import json
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import pytest

from system.reference import Queue, context, worker_log
from system.reference.board import TOLD_MAX
from system.reference.payload import decode_trace
from system.reference.plan import Plan
from tests.system.reference import jobs
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.workers import Worker, fast, lines, planned, wait_until

Spawn = Callable[..., AbstractContextManager[Worker]]
MASK = "***REDACTED***"
LEAK: Callable[..., None] = jobs.leak
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def entries(redis: Client, job: str) -> list[dict[str, str]]:
    return [fields for _, fields in redis.xrange(f"rq:results:{job}")]


def told(entry: dict[str, str]) -> dict[str, Any]:
    found = json.loads(entry["context"])
    assert isinstance(found, dict)
    return found


def is_dead(redis: Client, job: str) -> bool:
    return redis.zscore("rq:sp:dead:default", job) is not None


def test_failure_tells_who_what_where_and_no_secret(queue: Queue, redis: Client, redis_server: RedisServer) -> None:
    settings = fast(max_attempts=2, environment="production")
    with planned(Plan(redis_server.url, "w-1", ("default",), "", settings)) as it:
        queue.enqueue(jobs.leak, "bob", "hunter2", {"api_key": "k-123", "retries": 3}, job_id="j", timeout_s=20)
        wait_until(lambda: is_dead(redis, "j"))
        log = it.log()
        assert it.terminate() == 0
    first, last = entries(redis, "j")
    assert (first["kind"], first["error_type"]) == ("error", "PermissionError")
    one, two = told(first), told(last)
    assert (one["attempt"], two["attempt"], two["attempts_max"]) == (1, 2, 2)
    assert one["name"] == "tests.system.reference.jobs.leak"
    assert (one["job"], one["queue"], one["worker"], one["environment"]) == ("j", "default", "w-1", "production")
    assert one["arguments"] == {"account": "bob", "password": MASK, "options": {"api_key": MASK, "retries": 3}}
    assert one["message"] == f"refused: bob token={MASK}"
    assert {"host", "slot", "started_at", "duration_ms", "user", "enqueued_at"} <= one.keys()
    trace = decode_trace(first["exc_string"].encode())
    assert "PermissionError: refused: bob" in trace
    assert redis.hget("rq:job:j", "error_message") == one["message"]
    assert "tests.system.reference.jobs.leak j attempt 2/2 after " in log
    assert f"login with password={MASK}" in log, "what a body logs goes the same way"
    shown = [
        log,
        trace,
        *(entry["context"] for entry in (first, last)),
        str(redis.hgetall("rq:job:j")["error_message"]),
    ]
    for secret in ("hunter2", "k-123"):
        assert not [text for text in shown if secret in text]


@pytest.mark.parametrize("how", ["timeout", "crash"])
def test_killed_run_tells_the_same(worker: Spawn, queue: Queue, redis: Client, notes: Path, how: str) -> None:
    """It can't tell anything itself: its supervisor read what the slot had noted."""
    with worker(timeout_s=0.3, grace_s=0.2, max_attempts=1, max_crashes=1) as it:
        if how == "timeout":
            queue.enqueue(jobs.hang_in_c, str(notes), 60, job_id="j")
        else:
            queue.enqueue(jobs.exit_with, str(notes), 7, job_id="j")
        wait_until(lambda: is_dead(redis, "j"))
        log = it.log()
    (entry,) = entries(redis, "j")
    one = told(entry)
    assert entry["kind"] == {"timeout": "timeout", "crash": "crashed"}[how]
    assert one["name"].endswith({"timeout": "jobs.hang_in_c", "crash": "jobs.exit_with"}[how])
    assert one["arguments"]["path"] == str(notes)
    assert one["attempt"] == 1
    assert one["duration_ms"] >= (300 if how == "timeout" else 0)
    assert f"{one['name']} j attempt 1/1 after {one['duration_ms']} ms: {entry['kind']}" in log


def test_rejecting_body_ends_its_job_at_once(worker: Spawn, queue: Queue, redis: Client, notes: Path) -> None:
    with worker(max_attempts=5):
        queue.enqueue(jobs.reject, str(notes), job_id="j")
        wait_until(lambda: is_dead(redis, "j"))
    record = redis.hgetall("rq:job:j")
    assert (record["dead_reason"], record["error_type"]) == ("rejected", "system.reference.errors.Reject")
    assert record["error_message"] == f"the account password={MASK} is closed"
    assert "attempts" not in record
    assert lines(notes) == ["run"]


@pytest.mark.unit
class TestArguments:
    def shown(self, *args: object, **kwargs: object) -> Any:  # noqa: ANN401  # whatever JSON holds
        told: context.Told = {}
        context.add_call(told, partial(LEAK, *args, **kwargs))
        return json.loads(context.ended_badly(context.from_board(context.to_board(told)), 5, ""))["arguments"]

    def test_more_than_the_function_takes_is_shown_all_the_same(self) -> None:
        assert self.shown("a", "b", {}, "more")["*"] == ["more"]

    def test_wrong_keywords_too(self) -> None:
        assert self.shown(nothing=1, secret=2) == {"nothing": 1, "secret": MASK}

    def test_what_is_large_is_cut(self) -> None:
        huge = {"list": list(range(10_000)), "text": "x" * 10_000, "bytes": b"x" * 10_000, "number": 10**5000}
        assert len(json.dumps(self.shown(huge, "b", {"deep": [[[[[[1]]]]]]}))) < TOLD_MAX

    def test_half_a_pair_as_in_a_files_name_is_no_part_of_it(self) -> None:
        assert self.shown("a\udcff", notes={"b\udcff": 1}) == {"account": "a?", "notes": {"b?": 1}}
        assert context.message_of(FileNotFoundError("'a\udcff'")) == "'a?'"

    def test_what_has_no_form_is_named(self) -> None:
        assert self.shown(jobs.Greeter("you"))["account"] == "<tests.system.reference.jobs.Greeter>"

    def test_what_breaks_when_looked_at_breaks_nothing(self) -> None:
        class Trap(dict[str, object]):
            def items(self) -> NoReturn:
                raise RuntimeError

        assert self.shown(Trap(a=1)) == "can't be shown"

    def test_text_beyond_ascii_fits_the_board(self) -> None:
        told: context.Told = {"user": "é" * 200}
        context.add_call(told, partial(LEAK, "\U0001f600" * 3000, {"\U0001f600" * 300: "\x00" * 500}))
        assert len(context.to_board(told).encode()) <= TOLD_MAX


@pytest.mark.unit
class TestLog:
    def line(self, message: str, *args: object, exc_info: ExcInfo | None = None) -> str:
        record = logging.LogRecord("x", logging.INFO, "x.py", 1, message, args, exc_info)
        assert worker_log.Redacting().filter(record)
        return logging.Formatter().format(record)

    def test_secret_among_the_arguments_of_a_line(self) -> None:
        assert self.line("%s of %s", {"password": "hunter2"}, "bob") == f"{{'password': '{MASK}'}} of bob"

    def test_secret_in_a_traceback(self) -> None:
        error = ValueError("token=abc")
        text = self.line("failed", exc_info=(ValueError, error, None))
        assert f"ValueError: token={MASK}" in text
        assert "abc" not in text

    def test_line_whose_arguments_do_not_fit(self) -> None:
        assert self.line("%d of %s", "x") == "%d of %s"
