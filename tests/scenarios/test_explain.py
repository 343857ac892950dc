"""The life of one job, for an engineer to read."""

import pytest

from scenarios.checkers.duplicates import duplicates
from scenarios.checkers.lost import lost
from scenarios.explain import KEY_ROWS_MAX, as_text, explain, key_rows
from tests.scenarios.histories import PROMISE, SCENARIO, acked, exited, frozen, history, killed, run, spawned, state

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
