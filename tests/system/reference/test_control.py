"""The transitions of operators and of limits: precondition, effect, and that a repeat or a late copy has none more."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from tests.system.reference.calls import BY, ISO, LEASE_US, Calls, flat
from tests.system.reference.server import Client

SECOND = 1_000_000
WINDOW_US = 10 * SECOND
RATE: dict[str, str | int] = {"rate_name": "mail", "rate_n": 2, "rate_window_us": WINDOW_US}
BREAKER: dict[str, str | int] = {
    "breaker_rate": "0.5",
    "breaker_min_runs": 4,
    "breaker_window_us": 60 * SECOND,
    "breaker_open_us": 5 * SECOND,
}


@pytest.fixture
def calls(redis: Client, tmp_path: Path) -> Calls:
    calls = Calls(redis, tmp_path)
    calls.sweep()
    return calls


@pytest.fixture
def held(calls: Calls) -> Calls:
    """Job j is leased to s.1."""
    calls.enqueue("j")
    calls.claim("s", 1)
    return calls


@pytest.fixture
def dead(held: Calls) -> Calls:
    """Job j is a dead letter, by death `s.1 fail`."""
    held.fail("j", "s.1", bound=1, context='{"message": "no such host"}')
    return held


class TestCancel:
    def test_waiting_job_ends_at_once(self, calls: Calls) -> None:
        calls.enqueue("j")
        assert calls.cancel("j") == ["applied", "cancelled"]
        assert calls.places("j") == ["cancelled"]
        assert calls.record("j")["status"] == "canceled"
        assert calls.claim("s", 1) == ["none", ""]

    def test_delayed_job_ends_at_once(self, calls: Calls) -> None:
        calls.enqueue("j", delay_us=SECOND)
        assert calls.cancel("j") == ["applied", "cancelled"]
        calls.advance(2 * SECOND)
        assert calls.promote() == (0, "")
        assert calls.places("j") == ["cancelled"]

    def test_job_that_a_stock_tool_pushed_twice_does_not_come_back(self, calls: Calls) -> None:
        calls.enqueue("j")
        calls.redis.rpush("rq:queue:q", "j")
        calls.cancel("j")
        assert calls.places("j") == ["cancelled"]
        calls.redis.rpush("rq:queue:q", "j")
        assert calls.claim("s", 1) == ["none", ""]
        assert calls.places("j") == ["cancelled"]

    def test_running_job_is_asked_for_by_the_next_heartbeat(self, held: Calls) -> None:
        assert held.cancel("j") == ["applied", "requested"]
        assert held.places("j") == ["lease"]
        assert held.heartbeat(("j", "s.1")) == ["applied", [], [1]]
        assert held.give_back("abort", "j", "s.1") == ["applied", "cancelled"]
        assert held.places("j") == ["cancelled"]
        assert "cancel_request" not in held.record("j")

    @pytest.mark.parametrize("way", ["fail", "release", "slot_dead", "sweep"])
    def test_request_is_heeded_on_every_way_back_to_the_queue(self, held: Calls, way: str) -> None:
        held.cancel("j")
        if way == "fail":
            assert held.fail("j", "s.1") == ["applied", "cancelled"]
        elif way == "release":
            assert held.give_back("release", "j", "s.1") == ["applied", "cancelled"]
        elif way == "slot_dead":
            assert held.slot_dead("s") == ["applied", "cancelled"]
        else:
            held.advance(LEASE_US + 1)
            assert held.sweep() == [0, 0, 1, 0]
        assert held.places("j") == ["cancelled"]

    def test_outcome_that_comes_first_wins(self, held: Calls) -> None:
        held.cancel("j")
        assert held.complete("j", "s.1") == "applied"
        assert held.places("j") == ["finished"]
        assert held.cancel("j") == ["refused", "finished"]

    def test_last_failure_makes_a_dead_letter_in_spite_of_the_request(self, held: Calls) -> None:
        held.cancel("j")
        assert held.fail("j", "s.1", bound=1) == ["applied", "dead"]
        assert held.places("j") == ["dead"]
        assert "cancel_request" not in held.record("j")

    def test_repeat_is_replayed(self, held: Calls) -> None:
        held.cancel("j")
        assert held.cancel("j") == ["replayed", "requested"]
        held.give_back("abort", "j", "s.1")
        assert held.cancel("j") == ["replayed", "cancelled"]
        assert [line["action"] for line in held.audited()] == ["cancel"]

    def test_late_copy_does_not_touch_a_later_life(self, dead: Calls) -> None:
        dead.requeue("j", "s.1 fail")
        assert dead.cancel("j", life="0") == ["refused", "requeued since"]
        assert dead.places("j") == ["waiting"]
        assert dead.cancel("j", life="1") == ["applied", "cancelled"]

    def test_late_copy_is_refused_by_its_window(self, calls: Calls) -> None:
        calls.enqueue("j")
        assert calls.cancel("j", window_us=-1) == ["refused", "expired"]
        assert calls.places("j") == ["waiting"]

    def test_repeated_enqueue_finds_the_cancelled_job(self, calls: Calls) -> None:
        calls.enqueue("j")
        calls.cancel("j", keep_s=0)
        assert calls.enqueue("j", window_us=1) == "known"
        assert calls.places("j") == ["cancelled"]

    def test_unknown_job_is_refused_and_audited(self, calls: Calls) -> None:
        assert calls.cancel("ghost") == ["refused", "no such job"]
        assert calls.audited()[0]["outcome"] == "refused: no such job"


class TestPause:
    def test_nothing_is_granted_until_resumed(self, held: Calls) -> None:
        held.enqueue("k")
        assert held.control("pause", "0", "r1") == ["applied", "1"]
        assert held.claim("t", 1) == ["none", ""]
        assert held.complete("j", "s.1") == "applied"  # what runs may end
        held.redis.delete("rq:sp:wake:q")
        assert held.control("resume", "1", "r2") == ["applied", "2"]
        assert held.redis.llen("rq:sp:wake:q") == 1
        assert held.claim("t", 2)[2] == "k"

    def test_claim_that_was_granted_before_is_answered_again(self, held: Calls) -> None:
        held.control("pause", "0", "r1")
        assert held.claim("s", 1)[0] == "replayed"

    def test_repeat_is_replayed_and_a_late_copy_refused(self, calls: Calls) -> None:
        calls.control("pause", "0", "r1")
        assert calls.control("pause", "0", "r1") == ["replayed", "1"]
        calls.control("resume", "1", "r2")
        assert calls.control("pause", "0", "r1") == ["refused", "changed since", "2"]
        assert "paused" not in calls.redis.hgetall("rq:sp:ctl:q")

    @pytest.mark.parametrize(("verb", "why"), [("pause", "already paused"), ("resume", "changed since")])
    def test_second_operator_learns_of_the_first(self, calls: Calls, verb: str, why: str) -> None:
        calls.control("pause", "0", "r1")
        assert calls.control(verb, "1" if verb == "pause" else "0", "r2") == ["refused", why, "1"]

    def test_resume_of_an_open_queue_is_refused(self, calls: Calls) -> None:
        assert calls.control("resume", "0", "r") == ["refused", "not paused", "0"]

    def test_who_and_why_are_kept(self, calls: Calls) -> None:
        calls.control("pause", "0", "r1")
        control = calls.redis.hgetall("rq:sp:ctl:q")
        assert (control["paused_by"], control["paused_reason"]) == ("alice", "because")
        assert calls.audited() == [
            {
                "actor": "alice",
                "origin": "cli",
                "action": "pause",
                "queue": "q",
                "job": "",
                "reason": "because",
                "before": "open",
                "outcome": "applied",
            }
        ]


class TestRequeue:
    def test_begins_another_life_at_the_tail(self, dead: Calls) -> None:
        dead.enqueue("k")
        assert dead.requeue("j", "s.1 fail") == ["applied"]
        assert dead.waiting() == ["k", "j"]
        assert dead.places("j") == ["waiting"]
        record = dead.record("j")
        assert record["requeues"] == "1"
        assert not {"attempts", "dead_reason", "error_type", "error_message"} & set(record)
        assert dead.redis.zscore("rq:failed:q", "j") is None

    def test_repeat_is_replayed(self, dead: Calls) -> None:
        dead.requeue("j", "s.1 fail")
        assert dead.requeue("j", "s.1 fail") == ["replayed"]
        assert dead.waiting() == ["j"]

    def test_late_copy_does_not_undo_a_later_death(self, dead: Calls) -> None:
        dead.requeue("j", "s.1 fail")
        dead.claim("t", 1)
        dead.fail("j", "t.1", bound=1)
        assert dead.requeue("j", "s.1 fail") == ["replayed"]
        assert dead.places("j") == ["dead"]
        assert dead.requeue("j", "x.9 fail") == ["refused", "another death"]
        assert dead.requeue("j", "t.1 fail") == ["applied"]
        assert dead.requeue("j", "s.1 fail") == ["refused", "not dead"]

    def test_bound_of_requeues(self, dead: Calls) -> None:
        assert dead.requeue("j", "s.1 fail", times_max="1") == ["applied"]
        dead.claim("t", 1)
        dead.fail("j", "t.1", bound=1)
        assert dead.requeue("j", "t.1 fail", times_max="1") == ["refused", "requeued often enough"]
        assert dead.places("j") == ["dead"]

    def test_delayed(self, dead: Calls) -> None:
        dead.requeue("j", "s.1 fail", delay_us=SECOND)
        assert dead.places("j") == ["delayed"]

    def test_job_that_is_not_dead_is_refused(self, held: Calls) -> None:
        assert held.requeue("j", "s.1 fail") == ["refused", "not dead"]
        assert held.places("j") == ["lease"]


class TestDiscard:
    def test_leaves_nothing_but_a_stub(self, dead: Calls) -> None:
        assert dead.discard("j", "s.1 fail") == ["applied"]
        assert dead.places("j") == []
        assert dead.record("j") == {"discarded": "s.1 fail", "not_after": dead.record("j")["not_after"], "origin": "q"}
        assert dead.redis.ttl("rq:job:j") > 0
        assert not dead.redis.exists("rq:results:j")
        assert dead.enqueue("j", window_us=1) == "known"

    def test_repeat_is_replayed(self, dead: Calls) -> None:
        dead.discard("j", "s.1 fail")
        assert dead.discard("j", "s.1 fail") == ["replayed"]

    def test_another_death_is_refused(self, dead: Calls) -> None:
        assert dead.discard("j", "s.0 fail") == ["refused", "another death"]
        assert dead.places("j") == ["dead"]


def test_dead_letter_tells_type_and_message_of_the_last_error(dead: Calls) -> None:
    record = dead.record("j")
    assert (record["error_type"], record["error_message"]) == ("ValueError", "no such host")
    (entry,) = [fields for _, fields in dead.redis.xrange("rq:results:j")]
    assert (entry["kind"], entry["context"]) == ("error", '{"message": "no such host"}')


class TestConcurrency:
    def test_leases_never_exceed_it(self, calls: Calls) -> None:
        calls.register(1, limits={"concurrency": 2})
        for number in range(3):
            calls.enqueue(f"j{number}")
        assert [calls.claim(slot, 1)[0] for slot in ("a", "b", "c")] == ["claimed", "claimed", "none"]
        calls.advance(LEASE_US + 1)  # a lease past its deadline counts until it is swept
        assert calls.claim("c", 2)[0] == "none"

    def test_lost_reply_is_answered_though_the_limit_is_reached(self, calls: Calls) -> None:
        calls.register(1, limits={"concurrency": 1})
        calls.enqueue("j")
        calls.claim("a", 1)
        assert calls.claim("a", 1)[0] == "replayed"

    def test_end_of_a_lease_wakes_a_slot(self, calls: Calls) -> None:
        calls.register(1, limits={"concurrency": 1})
        calls.enqueue("a")
        calls.enqueue("b")
        calls.claim("s", 1)
        calls.redis.delete("rq:sp:wake:q")
        calls.complete("a", "s.1")
        assert calls.redis.llen("rq:sp:wake:q") == 1

    def test_other_queues_go_on(self, calls: Calls) -> None:
        calls.register(1, limits={"concurrency": 1})
        calls.enqueue("a")
        calls.enqueue("b")
        calls.enqueue("c", queue="other")
        calls.claim("s", 1)
        assert calls.claim("t", 1, "q", "other")[1] == "other"


class TestRate:
    def test_at_most_n_grants_in_every_window(self, calls: Calls) -> None:
        calls.register(1, limits=RATE)
        for number in range(4):
            calls.enqueue(f"j{number}")
        assert calls.claim("s", 1)[0] == "claimed"
        calls.advance(9 * SECOND)
        assert calls.claim("s", 2)[0] == "claimed"
        assert calls.claim("s", 3) == ["none", str(SECOND + 1)]
        calls.advance(SECOND + 1)  # the first grant leaves the window; a fixed window would forget the second, too
        assert calls.claim("s", 4)[0] == "claimed"
        assert calls.claim("s", 5) == ["none", str(9 * SECOND)]

    def test_shared_by_several_queues(self, calls: Calls) -> None:
        calls.register(1, limits=RATE)
        calls.call("register", "other", 1, "d", "here", 0, "a", "o", "r", *flat(RATE))
        for number in range(2):
            calls.enqueue(f"j{number}")
        calls.enqueue("k", queue="other")
        calls.claim("s", 1)
        calls.claim("s", 2)
        assert calls.claim("s", 3, "q", "other") == ["none", str(WINDOW_US + 1)]

    def test_shared_ring_outlives_the_longest_window(self, calls: Calls) -> None:
        calls.register(1, limits={**RATE, "rate_window_us": 3600 * SECOND})
        calls.call("register", "other", 1, "d", "here", 0, "a", "o", "r", *flat(RATE))
        calls.enqueue("j")
        calls.enqueue("k", queue="other")
        calls.claim("s", 1)
        calls.claim("s", 2, "other")
        assert calls.redis.ttl("rq:sp:rate:mail") > 3600

    def test_answer_to_a_lost_reply_is_no_grant(self, calls: Calls) -> None:
        calls.register(1, limits=RATE)
        calls.enqueue("a")
        calls.enqueue("b")
        for _ in range(5):
            calls.claim("s", 1)
        assert calls.claim("t", 1)[0] == "claimed"

    def test_holds_over_a_clock_that_steps_back(self, calls: Calls) -> None:
        calls.register(1, limits=RATE)
        for number in range(3):
            calls.enqueue(f"j{number}")
        calls.claim("s", 1)
        calls.claim("s", 2)
        calls.advance(-3 * SECOND)
        assert calls.claim("s", 3) == ["none", str(13 * SECOND + 1)]


class TestBreaker:
    def run(self, calls: Calls, seq: int, *, well: bool = False, error_type: str = "SMTPError") -> None:
        calls.enqueue(f"r{seq}")
        assert calls.claim("s", seq)[0] == "claimed"
        if well:
            calls.complete(f"r{seq}", f"s.{seq}")
        else:
            calls.fail(f"r{seq}", f"s.{seq}", bound=1, error_type=error_type)

    @pytest.fixture
    def broken(self, calls: Calls) -> Calls:
        """Two of four runs failed with one type: open. Job j waits."""
        calls.register(1, limits=BREAKER)
        self.run(calls, 1, well=True)
        self.run(calls, 2)
        self.run(calls, 3, well=True)
        self.run(calls, 4)
        calls.enqueue("j")
        return calls

    def test_opens_at_its_rate_and_says_why(self, broken: Calls) -> None:
        assert broken.redis.hget("rq:sp:breaker:q", "open") == "SMTPError"
        assert broken.claim("s", 5) == ["none", str(5 * SECOND)]
        assert broken.audited()[-1]["action"] == "breaker_open"
        assert broken.audited()[-1]["reason"] == "SMTPError in 2 of 4 runs"

    def test_error_types_are_counted_apart(self, calls: Calls) -> None:
        calls.register(1, limits=BREAKER)
        for seq, error_type in enumerate(("A", "B", "C", "D"), start=1):
            self.run(calls, seq, error_type=error_type)
        assert not calls.redis.hexists("rq:sp:breaker:q", "open")

    def test_one_probe_closes_it(self, broken: Calls) -> None:
        broken.enqueue("k")
        broken.advance(5 * SECOND)
        assert broken.claim("s", 5)[2] == "j"
        assert broken.claim("t", 1) == ["none", ""]  # one probe at a time
        broken.complete("j", "s.5")
        assert broken.claim("t", 2)[2] == "k"
        assert broken.audited()[-1]["action"] == "breaker_close"

    def test_probe_that_fails_opens_it_again(self, broken: Calls) -> None:
        broken.advance(5 * SECOND)
        broken.claim("s", 5)
        broken.fail("j", "s.5")
        assert broken.claim("s", 6) == ["none", str(5 * SECOND)]

    def test_probe_that_is_given_back_leaves_room_for_another(self, broken: Calls) -> None:
        broken.advance(5 * SECOND)
        broken.claim("s", 5)
        broken.give_back("release", "j", "s.5")
        assert broken.claim("t", 1)[2] == "j"

    def test_runs_that_began_before_change_nothing(self, calls: Calls) -> None:
        calls.register(1, limits=BREAKER)
        calls.enqueue("early")
        calls.claim("e", 1)
        for seq in range(1, 5):
            self.run(calls, seq)
        calls.complete("early", "e.1")
        assert calls.redis.hexists("rq:sp:breaker:q", "open")

    def test_old_runs_are_forgotten_after_the_window(self, calls: Calls) -> None:
        calls.register(1, limits=BREAKER)
        for seq in range(1, 4):
            self.run(calls, seq)
        calls.advance(61 * SECOND)
        self.run(calls, 4)
        assert not calls.redis.hexists("rq:sp:breaker:q", "open")

    def test_clock_that_steps_back_keeps_it_open_no_longer(self, broken: Calls) -> None:
        broken.advance(-3600 * SECOND)
        assert broken.claim("s", 5)[2] == "j"

    def test_is_forgotten_with_its_configuration(self, broken: Calls) -> None:
        broken.register(2)
        broken.register(3, limits=BREAKER)
        broken.enqueue("k")
        assert [broken.claim("s", 5)[0], broken.claim("t", 1)[0]] == ["claimed", "claimed"]

    def test_resume_closes_it(self, broken: Calls) -> None:
        assert broken.control("resume", "0", "r") == ["applied", "1"]
        assert broken.claim("s", 5)[2] == "j"


class TestRegister:
    def test_newer_version_supersedes(self, calls: Calls) -> None:
        assert calls.register(1) == ["applied", "1", "here"]
        calls.enqueue("j")
        assert calls.register(2, "e", place="there") == ["applied", "2", "there"]
        assert calls.claim("s", 1, version="1") == ["superseded", "q"]
        assert calls.waiting() == ["j"]
        assert calls.claim("s", 1, version="2")[2] == "j"

    def test_what_was_granted_before_is_answered_again(self, calls: Calls) -> None:
        calls.register(1)
        calls.enqueue("j")
        calls.claim("s", 1, version="1")
        calls.register(2)
        assert calls.claim("s", 1, version="1")[0] == "replayed"

    def test_same_version_with_another_content_names_the_other_place(self, calls: Calls) -> None:
        calls.register(1, "d", place="a.toml")
        assert calls.register(1, "d", place="b.toml") == ["known", "1", "a.toml"]
        assert calls.register(1, "other", place="b.toml") == ["conflict", "1", "a.toml"]

    def test_older_version_is_told_what_superseded_it(self, calls: Calls) -> None:
        calls.register(2, place="new.toml")
        assert calls.register(1) == ["superseded", "2", "new.toml"]

    def test_rollback_names_the_version_that_it_replaces(self, calls: Calls) -> None:
        calls.register(2)
        assert calls.register(1, replaces=2) == ["applied", "1", "here"]
        assert calls.audited()[-1]["action"] == "activate"
        calls.register(3)
        assert calls.register(1, replaces=2) == ["superseded", "3", "here"]  # a late copy

    def test_rollback_is_not_undone_by_a_worker_that_starts_again(self, calls: Calls) -> None:
        calls.register(3, "c")
        calls.register(1, "a", replaces=3)
        assert calls.register(3, "c") == ["superseded", "1", "here"]
        assert calls.register(2, "b") == ["superseded", "1", "here"]
        assert calls.register(3, "c", replaces=1) == ["applied", "3", "here"]
        assert calls.register(4) == ["applied", "4", "here"]

    @pytest.mark.parametrize(
        "limits",
        [
            {"concurrency": "many"},
            {"concurrency": 0},
            {"rate_name": "mail", "rate_n": 2},
            {**RATE, "rate_n": 1001},  # more than a ring remembers: it would limit nothing
            {**RATE, "rate_n": "2.5"},
            {**RATE, "rate_window_us": "1e30"},
            {**RATE, "rate_name": ""},
            {"breaker_rate": "0.5"},
            {**BREAKER, "breaker_rate": "nan"},
        ],
    )
    def test_limits_that_a_claim_cannot_reckon_with_are_refused(
        self, calls: Calls, limits: dict[str, str | int]
    ) -> None:
        with pytest.raises(ResponseError, match="STORMQ register"):
            calls.register(1, limits=limits)
        assert not calls.redis.exists("rq:sp:ctl:q")

    def test_limits_are_replaced_as_a_whole_and_a_pause_stays(self, calls: Calls) -> None:
        calls.register(1, limits={"concurrency": 5, **RATE})
        calls.control("pause", "0", "r")
        calls.register(2, limits={"concurrency": 7})
        control = calls.redis.hgetall("rq:sp:ctl:q")
        assert control["concurrency"] == "7"
        assert "rate_n" not in control
        assert control["paused"] == "1"


class TestHold:
    """Rule 5: after a gap in the sweeps, whoever holds a job may renew first."""

    INTERVAL_US = SECOND

    def swept(self, calls: Calls) -> list[int]:
        return calls.sweep(interval_us=self.INTERVAL_US)

    def test_gap_holds_for_one_lease(self, held: Calls) -> None:
        self.swept(held)
        held.advance(LEASE_US + 10 * SECOND)
        assert self.swept(held) == [0, 0, 0, LEASE_US]
        held.advance(SECOND)
        assert self.swept(held) == [0, 0, 0, LEASE_US - SECOND]
        held.advance(SECOND)
        assert self.swept(held) == [1, 0, 0, 0]

    def test_holder_that_renews_in_the_hold_keeps_its_job(self, held: Calls) -> None:
        held.advance(LEASE_US + 10 * SECOND)
        self.swept(held)
        held.heartbeat(("j", "s.1"))
        held.advance(2 * SECOND)
        assert self.swept(held) == [0, 0, 0, 0]
        assert held.places("j") == ["lease"]

    def test_another_redis_process_is_a_gap(self, held: Calls) -> None:
        self.swept(held)
        held.redis.hset("rq:sp:sweep:q", "run_id", "another")
        held.advance(1)
        assert self.swept(held)[3] == LEASE_US

    def test_regular_sweeps_hold_nothing(self, held: Calls) -> None:
        self.swept(held)
        for _ in range(3):
            held.advance(SECOND)
            self.swept(held)
        assert held.places("j") == ["waiting"]

    def test_late_sweeps_do_not_hold_for_ever(self, held: Calls) -> None:
        self.swept(held)
        requeued = []
        for _ in range(3):  # each is late, so each finds a gap; the very first sweep was one, too
            held.advance(4 * SECOND)
            requeued.append(self.swept(held)[0])
        assert requeued == [0, 0, 1]
        held.advance(4 * SECOND)
        assert self.swept(held)[3] == LEASE_US  # the next gap holds again

    def test_clock_that_steps_back_does_not_lengthen_a_hold(self, calls: Calls) -> None:
        calls.advance(3600 * SECOND)
        self.swept(calls)
        calls.advance(-3600 * SECOND)
        calls.enqueue("j")
        calls.claim("s", 1)
        for _ in range(3):
            calls.advance(SECOND)
            self.swept(calls)
        assert calls.places("j") == ["waiting"]

    def drop(self, calls: Calls) -> list[str]:
        return list(map(str, calls.slot_dead("s", "drops", bound=3, reason="stalled")))

    def test_drop_in_a_gap_counts_nothing(self, held: Calls) -> None:
        self.swept(held)
        held.advance(10 * SECOND)
        assert self.drop(held) == ["applied", "requeued"]
        assert held.record("j")["drops"] == "1"
        assert "stalls" not in held.record("j")

    def test_drop_without_a_gap_counts_as_a_stall(self, held: Calls) -> None:
        self.swept(held)
        held.advance(SECOND)
        self.drop(held)
        assert held.record("j")["stalls"] == "1"

    def test_drops_are_bounded(self, held: Calls) -> None:
        held.redis.hset("rq:job:j", "drops", 20)
        held.advance(10 * SECOND)
        self.swept(held)
        self.drop(held)
        assert held.record("j")["stalls"] == "1"


class TestClean:
    def test_expired_entries_go_in_batches(self, calls: Calls) -> None:
        for number in range(3):
            calls.enqueue(f"j{number}")
            calls.claim("s", number + 1)
            calls.complete(f"j{number}", f"s.{number + 1}", ttl_s=5)
        calls.enqueue("c")
        calls.cancel("c", keep_s=5)
        calls.advance(5 * SECOND)
        assert calls.clean(jobs_max=2) == ["applied", 3, "1"]
        assert calls.clean(jobs_max=2) == ["applied", 1, ""]
        assert calls.redis.zcard("rq:finished:q") == calls.redis.zcard("rq:canceled:q") == 0

    def test_only_the_last_n_finished_stay(self, calls: Calls) -> None:
        for number in range(5):
            calls.enqueue(f"j{number}")
            calls.claim("s", number + 1)
            calls.complete(f"j{number}", f"s.{number + 1}", result="eA==")
            calls.advance(SECOND)
        assert calls.clean(keep="2") == ["applied", 3, ""]
        assert calls.redis.zrange("rq:finished:q", 0, -1) == ["j3", "j4"]
        assert not calls.redis.exists("rq:results:j0")
        assert "data" not in calls.record("j0")
        assert calls.enqueue("j0") == "known"  # a stub, for late copies

    def test_job_that_a_stock_tool_put_back_is_spared(self, held: Calls) -> None:
        held.complete("j", "s.1")
        held.redis.hset("rq:job:j", "status", "queued")
        held.redis.rpush("rq:queue:q", "j")
        held.clean(keep="0")
        assert held.claim("t", 1)[2] == "j"


def test_executions_leave_their_line_where_it_is_asked_for(calls: Calls) -> None:
    calls.register(1, limits={"audit_executions": 1})
    calls.enqueue("j")
    calls.claim("s", 1)
    calls.complete("j", "s.1")
    line = calls.audited()[-1]
    assert (line["action"], line["outcome"], line["origin"], line["job"]) == ("run", "finished", "s.1", "j")


class TestForeignValues:
    """What somebody else wrote, or what no number can be: no script ends between two writes."""

    @pytest.mark.parametrize("ttl_s", ["1.5", "100000000000000000"])
    def test_any_time_to_live_keeps_the_result(self, held: Calls, ttl_s: str) -> None:
        assert held.call("complete", "q", "j", "s.1", ttl_s, ISO, "w", "eA==", "") == ["applied"]
        assert held.places("j") == ["finished"]
        assert held.redis.ttl("rq:results:j") > 0

    @pytest.mark.parametrize("way", ["complete", "fail", "cancel"])
    def test_no_number_is_refused_before_the_first_write(self, held: Calls, way: str) -> None:
        arguments: dict[str, tuple[str | int, ...]] = {
            "complete": ("s.1", "nan", ISO, "w", "", ""),
            "fail": ("s.1", "error", 3, "nan", ISO, "w", "", "E", ""),
            "cancel": ("0", held.now_us, "nan", ISO, *BY),
        }
        with pytest.raises(ResponseError, match=f"STORMQ {way}"):
            held.call(way, "q", "j", *arguments[way])
        assert held.places("j") == ["lease"]
        assert held.record("j")["exec"] == "s.1"

    def test_request_to_cancel_that_is_no_request_of_ours(self, held: Calls) -> None:
        held.redis.hset("rq:job:j", "cancel_request", "yes")
        assert held.slot_dead("s") == ["applied", "cancelled"]
        assert held.places("j") == ["cancelled"]

    @pytest.mark.parametrize("count", ["nan", "text", "inf", "-9"])
    def test_counts_that_are_none_reach_their_bound(self, held: Calls, count: str) -> None:
        held.redis.hset("rq:job:j", "attempts", count)
        assert held.fail("j", "s.1", bound=1) == ["applied", "dead"]

    def test_fence_that_is_no_number(self, calls: Calls) -> None:
        calls.redis.set("rq:sp:fence", "text")
        calls.enqueue("j")
        assert calls.claim("s", 1)[0] == "claimed"

    def test_fence_of_another_type_costs_no_job(self, calls: Calls) -> None:
        calls.redis.rpush("rq:sp:fence", "x")
        calls.enqueue("j")
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            calls.claim("s", 1)
        assert calls.places("j") == ["waiting"]

    @pytest.mark.parametrize(
        "key", ["wip:q", "failed:q", "results:j", "sp:wake:q", "queue:q", "sp:dead:q", "scheduled:q"]
    )
    @pytest.mark.parametrize("way", ["fail", "dead", "delay", "slot_dead", "sweep", "abort", "complete"])
    def test_key_of_another_type_costs_no_job(self, held: Calls, way: str, key: str) -> None:
        held.redis.delete(f"rq:{key}")
        held.redis.set(f"rq:{key}", "text")
        held.advance(LEASE_US + 1)
        steps: dict[str, Callable[[], object]] = {
            "fail": lambda: held.fail("j", "s.1"),
            "dead": lambda: held.fail("j", "s.1", bound=1),
            "delay": lambda: held.fail("j", "s.1", delay_us=SECOND),
            "slot_dead": lambda: held.slot_dead("s"),
            "sweep": held.sweep,
            "abort": lambda: held.give_back("abort", "j", "s.1"),
            "complete": lambda: held.complete("j", "s.1", result="eA=="),
        }
        for _ in range(2):
            with suppress(ResponseError):
                steps[way]()
        if held.redis.type(f"rq:{key}") == "string":
            held.redis.delete(f"rq:{key}")
        assert len(held.places("j")) == 1

    def test_audit_kept_longer_than_time_is_old(self, calls: Calls) -> None:
        calls.control("pause", "0", "r")
        assert calls.clean(audit_keep_s=10**11) == ["applied", 0, ""]
        assert len(calls.audited()) == 1

    def test_more_fields_than_a_script_can_pass_on(self, calls: Calls) -> None:
        fields = flat({f"f{number}": 1 for number in range(5000)})
        with pytest.raises(ResponseError, match="STORMQ enqueue"):
            calls.call("enqueue", "q", "j", calls.now_us + SECOND, 0, ISO, *fields)
        assert calls.waiting() == []


def test_slot_that_claims_seldom_is_remembered(calls: Calls) -> None:
    calls.claim("s", 1)
    calls.redis.expire("rq:sp:slot:s", 100)
    calls.advance(2 * 3600 * SECOND)
    calls.claim("s", 2)
    assert calls.redis.ttl("rq:sp:slot:s") > 100


def test_job_behind_more_dead_ids_than_a_claim_drops_is_asked_for_soon(calls: Calls) -> None:
    calls.redis.rpush("rq:queue:q", *(f"gone{number}" for number in range(100)))
    calls.enqueue("j")
    calls.redis.delete("rq:sp:wake:q")
    assert calls.claim("s", 1) == ["none", ""]
    assert calls.redis.llen("rq:sp:wake:q") == 1
    assert calls.claim("s", 2)[2] == "j"
