"""Dead letters: found by what they have, requeued and discarded exactly once, whoever asks however often.

What was done is read from the jobs' own notes and from the raw keys, never from our own commands.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from system.reference import Queue, connect
from system.reference.dead_letters import DeadLetter, DeadLetters, NoDeadLetterError, Which
from system.reference.operations import Actor, RefusedError
from tests.system.reference import jobs
from tests.system.reference.letters import age, bury, claim, fail
from tests.system.reference.relay import Relay, relaying
from tests.system.reference.server import Client, RedisServer
from tests.system.reference.workers import Worker, lines, wait_until

Spawn = Callable[..., AbstractContextManager[Worker]]
ALICE = Actor("alice", "host 7 test")
DAY_S = 86400.0


@pytest.fixture
def dead(redis_server: RedisServer) -> DeadLetters:
    return DeadLetters(connect(redis_server.url_of("operator")), actor=ALICE)


@pytest.fixture
def relay(redis_server: RedisServer) -> Iterator[Relay]:
    with relaying(redis_server.port) as it:
        yield it


def ids(letters: Iterator[DeadLetter]) -> list[str]:
    return [letter.job_id for letter in letters]


def audited(redis: Client, action: str) -> list[tuple[str, str, str]]:
    entries = [fields for _, fields in redis.xrange("rq:sp:audit")]
    return [(e["actor"], e["job"], e["outcome"]) for e in entries if e["action"] == action]


def test_letter_says_why_it_died_and_after_what(redis: Client, dead: DeadLetters) -> None:
    bury(redis, "j", error_type="KeyError")
    letter = dead.get("j")
    told = (letter.queue, letter.reason, letter.error_type, letter.error_message, letter.attempts, letter.user)
    assert told == ("q", "exhausted", "KeyError", "as asked", 1, "ann")
    (run,) = dead.history("j")
    assert (run.kind, run.error_type, run.worker) == ("error", "KeyError", "worker-1")
    assert run.context["attempts_max"] == 1
    assert run.trace.endswith("KeyError: as asked")
    with pytest.raises(NoDeadLetterError, match="absent"):
        dead.get("absent")


def test_history_has_each_attempt_of_a_real_worker_and_no_secret(
    queue: Queue, redis: Client, dead: DeadLetters, worker: Spawn, notes: Path
) -> None:
    queue.enqueue(jobs.fail_in_first_life, str(notes), job_id="j", max_attempts=3, user="ann")
    with worker(backoff_base_s=0.01, backoff_cap_s=0.01) as it:
        wait_until(lambda: redis.zcard("rq:sp:dead:default") == 1)
        log = it.log()
    runs, letter = dead.history("j"), dead.get("j")
    assert [run.context["attempt"] for run in runs] == [1, 2, 3]
    assert {run.context["attempts_max"] for run in runs} == {3}
    for run in runs:
        assert (run.kind, run.error_type, run.context["user"]) == ("error", "ConnectionError", "ann")
        assert run.context["name"] == "tests.system.reference.jobs.fail_in_first_life"
        assert "j: the service is down, password=***REDACTED***" in run.trace
    assert letter.error_message == "j: the service is down, password=***REDACTED***"
    assert (letter.reason, letter.attempts) == ("exhausted", 3)
    assert "hunter2" not in f"{runs}{letter}{log}"


@pytest.mark.parametrize(
    ("which", "found"),
    [
        (Which(), ["old", "a1", "a2", "late", "wrong", "b1"]),
        (Which(queues=("b",)), ["b1"]),
        (Which(error_type="KeyError"), ["a2", "b1"]),
        (Which(reason="timeout"), ["late"]),
        (Which(reason="rejected"), ["wrong"]),
        (Which(older_than_s=DAY_S), ["old"]),
        (Which(("a",), "exhausted", "KeyError"), ["a2"]),
        (Which(error_type="Key"), []),
    ],
)
def test_found_by_queue_error_type_reason_and_age(
    redis: Client, dead: DeadLetters, which: Which, found: list[str]
) -> None:
    bury(redis, "a1", "old", queue="a")
    bury(redis, "a2", queue="a", error_type="KeyError")
    bury(redis, "late", queue="a", kind="timeout", error_type="SoftTimeout")
    bury(redis, "wrong", queue="a", kind="rejected", error_type="Reject")
    bury(redis, "b1", queue="b", error_type="KeyError")
    age(redis, "old", 2 * DAY_S, queue="a")
    assert ids(dead.find(which)) == found


def test_more_than_a_batch_is_found_whole(redis: Client, dead: DeadLetters) -> None:
    bury(redis, "pattern")
    record = redis.hgetall("rq:job:pattern")
    pipe = redis.pipeline()
    for number in range(1203):
        pipe.hset(f"rq:job:m{number}", mapping=record)
        pipe.zadd("rq:sp:dead:q", {f"m{number}": number})
    pipe.execute()
    assert ids(dead.find()) == [*(f"m{number}" for number in range(1203)), "pattern"]
    assert ids(dead.find(newest_first=True))[:2] == ["pattern", "m1202"]


def test_requeued_letters_run_once_each_however_often_and_by_how_many_it_is_asked(
    redis_server: RedisServer, redis: Client, queue: Queue, worker: Spawn, notes: Path
) -> None:
    """Two operators at once, one of them over a network that loses replies; each job has one more run."""
    names = [f"j{number}" for number in range(30)]
    for name in names:
        queue.enqueue(jobs.fail_in_first_life, str(notes), job_id=name, max_attempts=1)
    with worker(slots=2):
        wait_until(lambda: redis.zcard("rq:sp:dead:default") == 30)
    notes.with_suffix(".mended").touch()
    with relaying(redis_server.port) as relay:
        operators = [
            DeadLetters(connect(redis_server.url_of("operator")), actor=Actor("alice", "here")),
            DeadLetters(connect(relay.url), actor=Actor("bob", "there")),
        ]
        relay.replies_to_lose = 1
        seen = [list(operator.find()) for operator in operators]  # both see all thirty before either acts
        threads = [
            threading.Thread(target=operator.requeue_all, args=(letters, "mended"))
            for operator, letters in zip(operators, seen, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for operator, letters in zip(operators, seen, strict=True):
        assert operator.requeue_all(letters, "again, late").refused == {}, "each is known as done"
    assert sorted(redis.lrange("rq:queue:default", 0, -1)) == sorted(names)
    assert redis.zcard("rq:sp:dead:default") == redis.zcard("rq:failed:default") == 0
    applied = Counter(job for _, job, outcome in audited(redis, "requeue") if outcome == "applied")
    assert applied == Counter(names)
    with worker(slots=2):
        wait_until(lambda: redis.zcard("rq:finished:default") == 30)
    runs = Counter(line.split()[0] for line in lines(notes))
    assert runs == Counter(names * 2), "one run before, one after"
    assert len({line.split()[1] for line in lines(notes)}) == 60, "each by a lease of its own"
    assert redis.zcard("rq:sp:lease:default") == 0


def test_late_requeue_of_an_earlier_death_is_refused(redis: Client, dead: DeadLetters) -> None:
    bury(redis, "j")
    first = dead.get("j")
    dead.requeue(first, "r")
    fail(redis, "j", claim(redis))
    second = dead.get("j")
    assert second.death != first.death
    assert (second.requeues, second.attempts) == (1, 1), "its counts began anew"
    dead.requeue(second, "r")
    fail(redis, "j", claim(redis))
    with pytest.raises(RefusedError, match="another death"):
        dead.requeue(first, "late")
    dead.requeue(second, "late")  # the last step again: known, and without effect
    assert redis.zcard("rq:sp:dead:q") == 1
    assert redis.llen("rq:queue:q") == 0


def test_rule_gives_no_more_lives_than_it_allows(redis: Client, dead: DeadLetters) -> None:
    bury(redis, "j", "k")
    assert dead.requeue_all(dead.find(), "rule", times_max=0).refused == {"requeued often enough": 2}
    for life in (1, 2):
        tally = dead.requeue_all([dead.get("j")], "rule", times_max=2)
        assert tally.done == 1, life
        fail(redis, "j", claim(redis))
    tally = dead.requeue_all(dead.find(), "rule", times_max=2)
    assert (tally.done, tally.refused) == (1, {"requeued often enough": 1})
    assert redis.lrange("rq:queue:q", 0, -1) == ["k"]
    assert audited(redis, "requeue")[-1] in {
        ("alice", "j", "refused: requeued often enough"),
        ("alice", "k", "applied"),
    }


def test_rate_is_kept_and_what_is_refused_costs_none_of_it(redis: Client, dead: DeadLetters) -> None:
    bury(redis, "a", "b", "c", "d")
    letters = list(dead.find())
    dead.discard(letters[1], "not this one")
    now_s, done = 100.0, []

    def sleep(for_s: float) -> None:
        nonlocal now_s
        now_s += for_s

    def told(letter: DeadLetter, outcome: str) -> None:
        done.append((letter.job_id, outcome, now_s))

    tally = dead.requeue_all(letters, "rule", per_minute=30, told=told, sleep=sleep, clock=lambda: now_s)
    assert tally.done == 3
    assert done == [("a", "", 100.0), ("b", "not dead", 102.0), ("c", "", 102.0), ("d", "", 104.0)]


def test_slow_step_is_no_reason_for_a_burst_behind_it(redis: Client, dead: DeadLetters) -> None:
    bury(redis, "a", "b", "c")
    now_s, starts = 0.0, []

    def clock() -> float:
        return now_s

    def sleep(for_s: float) -> None:
        nonlocal now_s
        now_s += for_s

    def told(letter: DeadLetter, _outcome: str) -> None:
        nonlocal now_s
        starts.append(now_s)
        now_s += 50.0 if letter.job_id == "a" else 0.0

    dead.requeue_all(list(dead.find()), "rule", per_minute=6, told=told, sleep=sleep, clock=clock)
    assert starts == [0.0, 50.0, 60.0]


def test_requeue_with_a_delay_waits_in_the_schedule(redis: Client, dead: DeadLetters) -> None:
    bury(redis, "j")
    dead.requeue(dead.get("j"), "later", delay_s=600)
    seconds, _ = redis.time()
    assert 590 < redis.zscore("rq:scheduled:q", "j") - seconds < 610
    assert redis.zscore("rq:sp:dead:q", "j") is None


def test_discard_leaves_nothing_but_a_stub_that_knows_late_copies(
    redis: Client, dead: DeadLetters, relay: Relay
) -> None:
    bury(redis, "j", args=("needle",))
    letter = dead.get("j")
    relay.replies_to_lose = 2
    DeadLetters(connect(relay.url), actor=ALICE).discard(letter, "obsolete")
    dead.discard(letter, "again, late")
    mentions = [key for key in redis.scan_iter() if "job:j" in key or "results:j" in key]
    assert mentions == ["rq:job:j"]
    assert set(redis.hgetall("rq:job:j")) == {"discarded", "not_after", "origin"}
    assert redis.ttl("rq:job:j") > 0
    assert redis.zcard("rq:sp:dead:q") == redis.zcard("rq:failed:q") == 0
    assert audited(redis, "discard") == [("alice", "j", "applied")]
    with pytest.raises(NoDeadLetterError):
        dead.get("j")


def test_requeue_and_discard_of_one_letter_one_of_them_wins(redis: Client, dead: DeadLetters) -> None:
    bury(redis, "j")
    letter = dead.get("j")
    dead.requeue(letter, "r")
    with pytest.raises(RefusedError, match="not dead"):
        dead.discard(letter, "r")
    assert redis.lrange("rq:queue:q", 0, -1) == ["j"]
    assert redis.hexists("rq:job:j", "data")


def test_letter_whose_record_is_gone_is_told_and_holds_up_no_other(redis: Client, dead: DeadLetters) -> None:
    bury(redis, "gone", "there")
    redis.delete("rq:job:gone")
    tally = dead.requeue_all(dead.find(), "r")
    assert (tally.done, tally.refused) == (1, {"its record is gone": 1})
    assert redis.lrange("rq:queue:q", 0, -1) == ["there"]
    assert dead.discard_all(dead.find(), "r").done == 1
    assert redis.zcard("rq:sp:dead:q") == redis.zcard("rq:failed:q") == 0


def test_secret_in_the_description_of_a_stock_job_is_not_shown(redis: Client, dead: DeadLetters) -> None:
    bury(redis, "j")
    redis.hset("rq:job:j", "description", "jobs.login('ann', password='hunter2')")
    assert dead.get("j").description == "jobs.login('ann', password='***REDACTED***')"
