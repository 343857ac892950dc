"""Each transition: its precondition, its effect, and that repeating it, or a late copy of it, has no further effect."""

from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from tests.system.reference.calls import BY, ISO, LEASE_US, START_US, Calls
from tests.system.reference.server import Client

SECOND = 1_000_000


@pytest.fixture
def calls(redis: Client, tmp_path: Path) -> Calls:
    calls = Calls(redis, tmp_path)
    calls.sweep()  # the first one finds that nobody has swept, and holds for a lease
    return calls


@pytest.fixture
def held(calls: Calls) -> Calls:
    """Job j is leased to s.1."""
    calls.enqueue("j")
    calls.claim("s", 1)
    return calls


class TestEnqueue:
    def test_writes_record_and_waits(self, calls: Calls) -> None:
        assert calls.enqueue("j") == "applied"
        assert calls.waiting() == ["j"]
        assert calls.record("j")["status"] == "queued"
        assert calls.redis.smembers("rq:queues") == {"rq:queue:q"}

    def test_twice_has_one_effect_in_every_state(self, calls: Calls) -> None:
        calls.enqueue("j")
        assert calls.enqueue("j") == "known"
        calls.claim("s", 1)
        assert calls.enqueue("j") == "known"
        calls.complete("j", "s.1")
        assert calls.enqueue("j") == "known"
        assert calls.places("j") == ["finished"]

    def test_id_of_a_stock_job_is_taken(self, calls: Calls) -> None:
        calls.redis.hset("rq:job:j", mapping={"data": "stock", "status": "queued"})
        assert calls.enqueue("j") == "known"
        assert calls.record("j") == {"data": "stock", "status": "queued"}

    @pytest.mark.parametrize("place", ["lease", "dead", "finished", "cancelled"])
    def test_what_a_deleted_job_of_this_id_left_is_gone(self, calls: Calls, place: str) -> None:
        """A stock tool deletes the record only; the next job of that id must be claimed, and stand in one place."""
        calls.enqueue("j")
        calls.claim("s", 1)
        if place == "dead":
            calls.fail("j", "s.1", bound=1)
        elif place == "finished":
            calls.complete("j", "s.1")
        elif place == "cancelled":
            calls.cancel("j")
            calls.give_back("abort", "j", "s.1")
        assert calls.places("j") == [place]
        calls.redis.delete("rq:job:j")
        assert calls.enqueue("j") == "applied"
        assert calls.places("j") == ["waiting"]
        assert calls.claim("t", 1)[2] == "j"
        calls.advance(LEASE_US + 1)
        calls.sweep()
        assert calls.places("j") == ["waiting"]

    def test_late_copy_is_refused_by_its_window(self, calls: Calls) -> None:
        assert calls.enqueue("j", window_us=-1) == "expired"
        assert calls.record("j") == {}
        assert calls.waiting() == []

    def test_record_outlives_a_short_result_until_the_window_is_over(self, held: Calls) -> None:
        """Result kept for 0 s, window 60 s: a copy that was held in a proxy finds the stub."""
        held.complete("j", "s.1", ttl_s=0)
        assert "data" not in held.record("j")
        assert held.places("j") == []
        assert held.enqueue("j", window_us=1) == "known"
        expires_ms = int(held.redis.execute_command("PEXPIRETIME", "rq:job:j"))
        assert expires_ms * 1000 >= START_US + 60 * SECOND

    def test_repeat_extends_the_window_of_a_finished_job(self, held: Calls) -> None:
        held.complete("j", "s.1", ttl_s=1)
        held.enqueue("j", window_us=600 * SECOND)
        assert int(held.redis.execute_command("PEXPIRETIME", "rq:job:j")) * 1000 >= START_US + 600 * SECOND

    def test_delayed_waits_for_its_due_time(self, calls: Calls) -> None:
        calls.enqueue("j", delay_us=5 * SECOND)
        assert calls.places("j") == ["delayed"]
        assert calls.claim("s", 1) == ["none", ""]
        calls.advance(5 * SECOND - 1000)
        assert calls.promote() == (0, "1000")
        calls.advance(1000)
        assert calls.promote() == (1, "")
        assert calls.places("j") == ["waiting"]

    @pytest.mark.parametrize("key", ["rq:job:j", "rq:queue:q", "rq:sp:wake:q", "rq:queues"])
    def test_foreign_type_stops_it_before_its_first_write(self, calls: Calls, key: str) -> None:
        calls.redis.set(key, "foreign")
        before = {name: calls.redis.dump(name) for name in calls.all_keys()}
        with pytest.raises(ResponseError):
            calls.enqueue("j")
        assert {name: calls.redis.dump(name) for name in calls.all_keys()} == before

    def test_wake_tokens_are_bounded(self, calls: Calls) -> None:
        for number in range(100):
            calls.enqueue(f"j{number}")
        assert calls.redis.llen("rq:sp:wake:q") == 16


class TestClaim:
    def test_leases_the_first_to_exec(self, calls: Calls) -> None:
        calls.enqueue("a")
        calls.enqueue("b")
        word, queue, job, exec_, fence, *_ = calls.claim("s", 1)
        assert (word, queue, job, exec_) == ("claimed", "q", "a", "s.1")
        assert int(fence) >= START_US
        assert calls.places("a") == ["lease"]
        assert calls.redis.zscore("rq:sp:lease:q", "a") == START_US + LEASE_US
        assert calls.record("a")["exec"] == "s.1"

    def test_same_seq_answers_the_same_job_with_a_new_fence(self, held: Calls) -> None:
        held.enqueue("other")
        fence = int(held.record("j")["fence"])
        word, _, job, exec_, again, *_ = held.claim("s", 1)
        assert (word, job, exec_) == ("replayed", "j", "s.1")
        assert int(again) > fence
        assert held.waiting() == ["other"]

    def test_same_seq_after_its_lease_is_gone_answers_none(self, held: Calls) -> None:
        held.complete("j", "s.1")
        held.enqueue("other")
        assert held.claim("s", 1) == ["none", ""]

    def test_late_copy_of_an_empty_claim_takes_nothing(self, calls: Calls) -> None:
        assert calls.claim("s", 1) == ["none", ""]
        calls.enqueue("j")
        assert calls.claim("s", 1) == ["none", ""]
        assert calls.claim("s", 2)[2] == "j"
        assert calls.claim("s", 1) == ["stale"]

    def test_closed_slot_gets_nothing(self, held: Calls) -> None:
        held.slot_dead("s")
        assert held.claim("s", 2) == ["closed"]

    def test_forgotten_slot_must_take_a_new_incarnation(self, calls: Calls) -> None:
        calls.enqueue("j")
        assert calls.claim("s", 7) == ["closed"]
        assert calls.waiting() == ["j"]

    def test_fence_grows_over_a_clock_that_steps_back(self, calls: Calls) -> None:
        calls.enqueue("a")
        calls.enqueue("b")
        first = int(calls.claim("s", 1)[4])
        calls.advance(-3600 * SECOND)
        assert int(calls.claim("t", 1)[4]) == first + 1

    def test_queues_in_the_order_given(self, calls: Calls) -> None:
        calls.enqueue("low", queue="low")
        calls.enqueue("high", queue="high")
        assert calls.claim("s", 1, "high", "low")[2] == "high"
        assert calls.claim("s", 2, "high", "low")[2] == "low"

    def test_id_pushed_twice_is_leased_once(self, held: Calls) -> None:
        held.redis.rpush("rq:queue:q", "j")
        assert held.claim("t", 1) == ["none", ""]
        assert held.places("j") == ["lease"]

    def test_ids_without_a_record_are_dropped(self, calls: Calls) -> None:
        calls.redis.rpush("rq:queue:q", *(f"ghost{n}" for n in range(5)))
        calls.redis.set("rq:job:foreign", "no hash")
        calls.redis.rpush("rq:queue:q", "foreign")
        calls.enqueue("j")
        assert calls.claim("s", 1)[2] == "j"

    def test_requeue_by_stock_rq_starts_counts_afresh(self, held: Calls) -> None:
        held.fail("j", "s.1", bound=1)
        held.redis.zrem("rq:failed:q", "j")
        held.redis.rpush("rq:queue:q", "j")
        reply = held.claim("t", 1)
        assert reply[2] == "j"
        assert held.places("j") == ["lease"]
        assert not {"attempts", "dead_reason"} & set(held.record("j"))
        assert held.redis.xrange("rq:sp:audit")[0][1]["actor"] == "rq"

    def test_token_is_handed_on_while_jobs_remain(self, calls: Calls) -> None:
        calls.enqueue("a")
        calls.enqueue("b")
        calls.redis.delete("rq:sp:wake:q")
        calls.claim("s", 1)
        assert calls.redis.llen("rq:sp:wake:q") == 1
        calls.redis.delete("rq:sp:wake:q")
        calls.claim("s", 2)
        assert calls.redis.llen("rq:sp:wake:q") == 0


class TestHeartbeat:
    def test_extends_what_matches_and_names_what_is_lost(self, held: Calls) -> None:
        held.enqueue("k")
        held.claim("t", 1)
        held.advance(SECOND)
        assert held.heartbeat(("j", "s.1"), ("k", "s.1"), ("k", "t.1")) == ["applied", [2], []]
        assert held.redis.zscore("rq:sp:lease:q", "j") == START_US + SECOND + LEASE_US
        assert held.redis.zrange("rq:wip:q", 0, -1) == ["j:s.1", "k:t.1"]

    def test_never_shortens(self, held: Calls) -> None:
        held.advance(-SECOND)
        held.heartbeat(("j", "s.1"))
        assert held.redis.zscore("rq:sp:lease:q", "j") == START_US + LEASE_US

    def test_revives_no_lease(self, held: Calls) -> None:
        held.complete("j", "s.1")
        assert held.heartbeat(("j", "s.1")) == ["applied", [1], []]
        assert held.places("j") == ["finished"]


class TestComplete:
    def test_finishes_and_stores_the_result(self, held: Calls) -> None:
        held.heartbeat(("j", "s.1"))
        assert held.complete("j", "s.1", result="cmVzdWx0") == "applied"
        assert held.places("j") == ["finished"]
        assert held.record("j")["status"] == "finished"
        assert held.redis.zcard("rq:wip:q") == 0
        assert held.redis.xrange("rq:results:j")[0][1]["return_value"] == "cmVzdWx0"
        assert held.redis.ttl("rq:results:j") > 0

    def test_none_costs_no_results_entry(self, held: Calls) -> None:
        held.complete("j", "s.1")
        assert not held.redis.exists("rq:results:j")

    def test_repeat_is_replayed(self, held: Calls) -> None:
        held.complete("j", "s.1", result="eA==")
        assert held.complete("j", "s.1", result="eA==") == "replayed"
        assert held.redis.xlen("rq:results:j") == 1

    def test_accepted_after_the_deadline_until_it_is_swept(self, held: Calls) -> None:
        held.advance(LEASE_US + 1)
        assert held.complete("j", "s.1") == "applied"

    def test_refused_once_swept(self, held: Calls) -> None:
        held.advance(LEASE_US + 1)
        assert held.sweep() == [1, 0, 0, 0]
        assert held.complete("j", "s.1") == "lost"
        assert held.places("j") == ["waiting"]

    def test_refused_while_another_runs_it(self, held: Calls) -> None:
        held.advance(LEASE_US + 1)
        held.sweep()
        held.claim("t", 1)
        before = held.record("j")
        assert held.complete("j", "s.1", result="em9tYmll") == "lost"
        assert held.fail("j", "s.1") == ["lost"]
        assert held.record("j") == before
        assert [entry["kind"] for _, entry in held.redis.xrange("rq:results:j")] == ["stalled"]

    def test_needs_both_the_lease_and_its_exec(self, held: Calls) -> None:
        held.redis.zrem("rq:sp:lease:q", "j")
        assert held.complete("j", "s.1") == "lost"
        held.redis.zadd("rq:sp:lease:q", {"j": START_US + LEASE_US})
        assert held.complete("j", "") == "lost"
        assert held.complete("j", "s.1") == "applied"

    def test_kept_for_good_if_asked(self, held: Calls) -> None:
        held.complete("j", "s.1", ttl_s=-1)
        assert held.redis.ttl("rq:job:j") == -1
        assert held.redis.zscore("rq:finished:q", "j") == float("inf")


class TestFail:
    def test_delays_the_next_attempt(self, held: Calls) -> None:
        assert held.fail("j", "s.1", delay_us=3 * SECOND) == ["applied", "retry"]
        assert held.places("j") == ["delayed"]
        assert held.record("j")["attempts"] == "1"
        assert held.redis.zscore("rq:scheduled:q", "j") == pytest.approx((START_US + 3 * SECOND) / 1e6, abs=1e-5)

    def test_without_delay_waits_at_the_tail(self, held: Calls) -> None:
        held.enqueue("k")
        held.fail("j", "s.1")
        assert held.waiting() == ["k", "j"]

    def test_repeat_counts_once(self, held: Calls) -> None:
        held.fail("j", "s.1", delay_us=SECOND)
        assert held.fail("j", "s.1", delay_us=SECOND) == ["replayed"]
        assert held.record("j")["attempts"] == "1"

    @pytest.mark.parametrize(("kind", "reason"), [("error", "exhausted"), ("timeout", "timeout")])
    def test_last_attempt_makes_a_dead_letter(self, held: Calls, kind: str, reason: str) -> None:
        assert held.fail("j", "s.1", kind=kind, bound=1) == ["applied", "dead"]
        assert held.places("j") == ["dead"]
        assert held.record("j")["dead_reason"] == reason
        assert held.record("j")["status"] == "failed"
        assert held.redis.zscore("rq:failed:q", "j") == float("inf")
        assert held.redis.ttl("rq:job:j") == -1

    @pytest.mark.parametrize("kind", ["unsupported", "unserialisable", "rejected"])
    def test_what_can_never_run_dies_at_once_uncounted(self, held: Calls, kind: str) -> None:
        assert held.fail("j", "s.1", kind=kind, bound=9) == ["applied", "dead"]
        assert held.record("j")["dead_reason"] == kind
        assert "attempts" not in held.record("j")

    def test_unknown_kind_is_refused_before_any_write(self, held: Calls) -> None:
        with pytest.raises(ResponseError, match="STORMQ"):
            held.fail("j", "s.1", kind="sideways")
        assert held.places("j") == ["lease"]


@pytest.mark.parametrize("transition", ["release", "abort"])
class TestGivingBack:
    def test_head_of_the_queue_and_uncounted(self, held: Calls, transition: str) -> None:
        held.enqueue("k")
        assert held.give_back(transition, "j", "s.1") == ["applied", "requeued"]
        assert held.waiting() == ["j", "k"]
        assert held.places("j") == ["waiting"]
        assert not {"attempts", "crashes", "stalls"} & set(held.record("j"))

    def test_repeat_is_replayed(self, held: Calls, transition: str) -> None:
        held.give_back(transition, "j", "s.1")
        assert held.give_back(transition, "j", "s.1") == ["replayed"]
        assert held.waiting() == ["j"]

    def test_late_copy_takes_nothing_from_the_next_holder(self, held: Calls, transition: str) -> None:
        held.give_back(transition, "j", "s.1")
        held.claim("t", 1)
        held.give_back(transition, "j", "s.1")
        assert held.places("j") == ["lease"]


class TestSlotDead:
    def test_counts_and_requeues_at_the_head(self, held: Calls) -> None:
        held.enqueue("k")
        assert held.slot_dead("s") == ["applied", "requeued"]
        assert held.waiting() == ["j", "k"]
        assert held.record("j")["crashes"] == "1"

    def test_counts_nothing_where_no_body_ran(self, held: Calls) -> None:
        assert held.slot_dead("s", "") == ["applied", "requeued"]
        assert "crashes" not in held.record("j")

    def test_bound_makes_a_dead_letter(self, held: Calls) -> None:
        assert held.slot_dead("s", bound=1) == ["applied", "dead"]
        assert held.record("j")["dead_reason"] == "crashed"
        assert held.places("j") == ["dead"]

    def test_repeat_counts_once(self, held: Calls) -> None:
        held.slot_dead("s")
        assert held.slot_dead("s") == ["replayed"]
        assert held.record("j")["crashes"] == "1"

    def test_takes_nothing_that_was_answered(self, held: Calls) -> None:
        held.complete("j", "s.1")
        assert held.slot_dead("s") == ["applied", "none"]
        assert held.places("j") == ["finished"]

    def test_takes_nothing_that_another_holds(self, held: Calls) -> None:
        held.advance(LEASE_US + 1)
        held.sweep()
        held.claim("t", 1)
        assert held.slot_dead("s") == ["applied", "none"]
        assert held.record("j")["exec"] == "t.1"


class TestSweep:
    def test_only_what_is_past_its_deadline(self, held: Calls) -> None:
        held.advance(LEASE_US)
        assert held.sweep() == [0, 0, 0, 0]
        held.advance(1)
        assert held.sweep() == [1, 0, 0, 0]
        assert held.places("j") == ["waiting"]
        assert held.record("j")["stalls"] == "1"
        assert held.record("j")["exec"] == ""

    def test_bound_makes_a_dead_letter(self, held: Calls) -> None:
        held.advance(LEASE_US + 1)
        assert held.sweep(stalls_max=1) == [0, 1, 0, 0]
        assert held.record("j")["dead_reason"] == "stalled"

    def test_clears_what_readers_see_without_a_lease(self, held: Calls) -> None:
        held.heartbeat(("j", "s.1"))
        held.redis.zadd("rq:wip:q", {"ghost:x.1": float("inf")})
        held.sweep()
        assert held.redis.zrange("rq:wip:q", 0, -1) == ["j:s.1"]

    def test_deleted_record_leaves_no_lease(self, held: Calls) -> None:
        held.redis.delete("rq:job:j")
        held.advance(LEASE_US + 1)
        assert held.sweep() == [0, 0, 0, 0]
        assert held.redis.zcard("rq:sp:lease:q") == 0
        assert held.waiting() == []

    def test_expired_results_leave_the_registry(self, held: Calls) -> None:
        held.complete("j", "s.1", ttl_s=5)
        held.advance(5 * SECOND)
        assert held.clean() == ["applied", 1, ""]
        assert held.redis.zcard("rq:finished:q") == 0

    def test_counters_that_somebody_filled_with_text_stop_nothing(self, held: Calls) -> None:
        held.redis.hset("rq:job:j", mapping={"stalls": "many", "attempts": "some"})
        held.advance(LEASE_US + 1)
        assert held.sweep() == [1, 0, 0, 0]
        held.claim("t", 1)
        assert held.fail("j", "t.1")[0] == "applied"


def test_promotion_keeps_the_order_of_due_times_and_drops_ghosts(calls: Calls) -> None:
    calls.enqueue("b", delay_us=2 * SECOND)
    calls.enqueue("a", delay_us=SECOND)
    calls.redis.zadd("rq:scheduled:q", {"ghost": 0})
    calls.advance(3 * SECOND)
    assert calls.promote() == (2, "")
    assert calls.waiting() == ["a", "b"]


@pytest.mark.parametrize(
    ("transition", "arguments"),
    [
        ("enqueue", ("q", "j", "soon", 0, ISO, "data", "x")),
        ("enqueue", ("q", "j", 1, 0, ISO, "data")),
        ("claim", ("s", "first", LEASE_US, "w", "", ISO, "q")),
        ("claim", ("s", 1, LEASE_US, "w", "", ISO)),
        ("heartbeat", (LEASE_US, "q", "j")),
        ("complete", ("q", "j", "s.1", "long", ISO, "w", "", "")),
        ("fail", ("q", "j", "s.1", "error", 3, 0, ISO, "w", "", "ValueError")),
        ("slot_dead", ("s", "sins", 1, "crashed", ISO, "w", "", "")),
        ("sweep", ("q", "all", 3, 1, 1, ISO)),
        ("promote", ("q", "all")),
        ("release", ("q", "j")),
        ("abort", ("q", "j")),
        ("cancel", ("q", "j", "0", "soon", 1, ISO, *BY)),
        ("pause", ("q", "first", "r", *BY)),
        ("resume", ("q", "0", "", *BY)),
        ("requeue", ("q", "j", "", "", 0, ISO, *BY)),
        ("requeue", ("q", "j", "d", "often", 0, ISO, *BY)),
        ("discard", ("q", "j", "d", "forget", *BY)),
        ("clean", ("q", "all", "", 1)),
        ("register", ("q", 0, "d", "here", 0, *BY)),
        ("register", ("q", 1, "d", "here", 0, *BY, "colour", "red")),
    ],
)
def test_bad_arguments_are_refused(held: Calls, transition: str, arguments: tuple[str | int, ...]) -> None:
    with pytest.raises(ResponseError, match="STORMQ"):
        held.call(transition, *arguments)
    assert held.places("j") == ["lease"]
