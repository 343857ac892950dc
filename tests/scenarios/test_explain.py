"""The life of one job, for an engineer to read."""

from dataclasses import replace

import pytest
from stormproof_target import BackoffPolicy, Promise

from scenarios.checkers.duplicates import duplicates
from scenarios.checkers.lost import lost
from scenarios.explain import KEY_ROWS_MAX, as_text, explain, key_rows
from scenarios.scenario import Scenario
from tests.scenarios.histories import (
    PROMISE,
    SCENARIO,
    Lines,
    acked,
    anchors,
    canary,
    cancelled,
    cut,
    exited,
    frozen,
    history,
    killed,
    op,
    run,
    signal,
    spawned,
    state,
    with_policy,
)

pytestmark = pytest.mark.unit

TOLD = history(
    acked("j", 0, delay=0.05), run("j", 0.1), killed("w1", 0.5, slots=(0, 1)), spawned("w1", 1.5, life=2),
    run("j", 3, 3.5, "error", on="w2", attempt=2), run("j", 4, 4.1, on="w2", attempt=3), state("j", "finished"),
    acked("other", 0), run("other", 50, 51, on="w2"), killed("w2", 60),
)  # fmt: skip


def test_everything_that_happened_to_a_job_stands_in_order_of_time() -> None:
    rows = explain(TOLD, "j")
    assert [row.at_s for row in rows] == sorted(row.at_s for row in rows)
    told = [(row.who, row.what.split(" (")[0]) for row in rows]
    assert told == [
        ("producer", "sends the enqueue"),
        ("producer", "enqueue acknowledged"),
        ("queue", "due at the latest, 0.05 s after the enqueue"),
        ("w1 pid 10101", "run 1 starts"),
        ("harness", "SIGKILL to w1 pid 10100"),
        ("harness", "SIGKILL to w1 pid 10101"),
        ("w1 pid 10101", "run 1 ends with its process"),
        ("w2 pid 20101", "run 2 starts"),
        ("w2 pid 20101", "run 2 failed"),
        ("w2 pid 20101", "run 3 starts"),
        ("w2 pid 20101", "run 3 ended well"),
        ("harness", "the queue has it as finished"),
    ]


def test_what_has_nothing_to_do_with_the_job_is_left_out() -> None:
    assert not any("20101" in row.what and "SIGKILL" in row.what for row in explain(TOLD, "j"))


def test_a_worker_that_ends_by_itself_and_a_freeze_are_told() -> None:
    told = history(acked("j", 0), run("j", 1, 9), frozen("w1", 2, 8), exited("w1", 9.2, slot=0, status=1))
    says = " | ".join(row.what for row in explain(told, "j"))
    assert "freeze (w1)" in says
    assert "freeze healed" in says
    assert "first process ends with status 1" in says


def test_the_key_rows_keep_the_accused_runs_and_the_end() -> None:
    twice = history(
        acked("j", 0),
        *(run("j", t, t + 0.1) for t in (1, 3, 6)),
        killed("w1", 20, slots=(0, 1)),
        state("j", "finished"),
    )
    finding = duplicates(twice, PROMISE, SCENARIO).findings[0]
    rows = key_rows(twice, "j", finding)
    assert len(rows) <= KEY_ROWS_MAX
    assert [row.what.split(" (")[0] for row in rows if row.emphasis] == ["run 2 starts"]
    assert rows[-1].what.startswith("the queue has it as finished")


def test_a_lost_job_ends_with_where_it_is_not() -> None:
    gone = history(acked("j", 0), state("j", "absent"))
    (finding,) = lost(gone, PROMISE, SCENARIO).findings
    last = key_rows(gone, "j", finding)[-1]
    assert last.emphasis
    assert "absent (in no key)" in last.what


def test_a_job_that_nobody_invoked_has_no_life() -> None:
    assert explain(TOLD, "nobody") == []
    assert key_rows(TOLD, "nobody") == ()


def test_text_for_a_terminal_marks_what_is_wrong() -> None:
    gone = history(acked("j", 0), state("j", "absent"))
    (finding,) = lost(gone, PROMISE, SCENARIO).findings
    text = as_text(explain(gone, "j", finding))
    assert text.splitlines()[-1].startswith("> ")
    assert len(text.splitlines()) == 3


def life(*lines: Lines, promise: Promise = PROMISE, scenario: Scenario = SCENARIO) -> list[str]:
    told = history(*lines)
    return [row.what for row in explain(told, "j", causes=told.causes(promise, scenario.policy))]


REPEATS = {
    "run 1 failed at 0.200 s": (run("j", 0.1, 0.2, "error"), run("j", 2, 2.1)),
    "pid 10101 of w1 died at 0.500 s or later": (run("j", 0.1), killed("w1", 0.5), run("j", 2, 2.1, on="w2")),
    "w1 could not renew its lease from 0.500 s to 6.000 s": (
        run("j", 0.1, 9), cut("w1", 0.5, 6), run("j", 4, 4.1, on="w2"),
    ),
    "the server's clock was set forward between 0.700 s and 0.851 s": (
        run("j", 0.1, 3), anchors((0, 0), (0.7, 0.7), (0.85, 2.85), (30, 32)), run("j", 1.3, 1.4, on="w2"),
    ),
    "the store lost writes, as the canary shows": (
        canary(1, 0), canary(2, 0.5, missing=True), canary(3, 3), run("j", 0.1, 0.2), run("j", 4, 4.1),
    ),
    "an operator asked for it": (run("j", 0.1, 0.2), op("requeue", "j", 3), run("j", 4, 4.1)),
    "w1 had been told to stop, and run 1 may have outlived it": (
        run("j", 0.1, 2), signal("w1", 1, "TERM", slot=0), run("j", 4, 4.1, on="w2"),
    ),
    "none of the seven causes holds": (run("j", 0.1, 0.2), run("j", 4, 4.1)),
}  # fmt: skip


@pytest.mark.parametrize("why", REPEATS)
def test_each_repeat_is_told_with_its_cause(why: str) -> None:
    says = life(acked("j", 0), *REPEATS[why])
    assert f"run 2 follows run 1 because: {why}" in says


def test_where_no_fences_tell_the_order_the_other_one_is_told_with_its_cause() -> None:
    says = life(acked("j", 0), run("j", 2.95, 3), run("j", 3.05, 3.1, on="w2"), cut("w2", 0.1, 2.9))
    why = "w2 could not renew its lease from 0.100 s to 2.900 s"
    assert f"run 1 follows run 2, as may be without fences, because: {why}" in says


def test_a_lease_is_told_to_have_ended_by_the_longest_cut_before_the_successor() -> None:
    says = life(acked("j", 0), run("j", 0.1, 9), cut("w1", 0.5, 2), cut("w1", 3.5, 9), run("j", 4, 4.1, on="w2"))
    assert "run 2 follows run 1 because: w1 could not renew its lease from 0.500 s to 2.000 s" in says


def test_a_lost_reply_is_told_where_the_queue_repeats_for_it() -> None:
    promise = replace(PROMISE, lost_reply_repeats=True)
    says = life(acked("j", 0), run("j", 0.1, 0.4), cut("w1", 0.2, 0.6), run("j", 1, 1.1, on="w2"), promise=promise)
    assert any("because: a reply may have been lost" in what for what in says)


def test_a_zombie_its_lease_and_its_successor_are_told() -> None:
    says = life(acked("j", 0), run("j", 0.1, 9), frozen("w1", 0.5, 8.9), run("j", 4, 4.1, on="w2"))
    assert "run 1 ended well, as a zombie: run 2 had taken its place" in says
    assert "the lease of run 1 may have ended from here on" in says
    assert "can't renew its leases to 8.900 s" in says


def test_a_retry_is_told_with_when_it_is_due() -> None:
    says = life(acked("j", 0), run("j", 0.1, 0.2, "error"), run("j", 2, 2.1), scenario=with_policy(
        backoff=BackoffPolicy("fixed", 1.0, 1.0, "equal")))  # fmt: skip
    assert "a retry is due 0.5 s to 1 s after run 1" in says


def test_what_an_operator_asked_for_is_told() -> None:
    says = life(acked("j", 0, delay=5), cancelled("j", 1), state("j", "cancelled"))
    assert "cancel acked: cancelled" in says
    assert "due at the latest, 5 s after the enqueue" in says
