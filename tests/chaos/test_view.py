import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos.view import DORMANT_AFTER_S, LedgerView, Opened


class Pen:
    """Writes lines of one writer into one file."""

    def __init__(self, path: Path, writer: str = "worker-7-ab", worker: str = "worker-0", pid: int = 7) -> None:
        self.path, self.writer, self.worker, self.pid = path, writer, worker, pid
        self.seq = 0

    def line(self, event: str, **fields: Any) -> bytes:  # noqa: ANN401
        self.seq += 1
        return json.dumps({"w": self.writer, "seq": self.seq, "t": self.seq, "e": event, **fields}).encode() + b"\n"

    def write(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def open(self) -> None:
        self.write(self.line("open", role="worker", worker=self.worker, pid=self.pid, pid_start=70))

    def started(self, run: str, attempt: int = 1) -> None:
        self.write(self.line("started", job=f"job-of-{run}", run=run, attempt=attempt))

    def ended(self, run: str, outcome: str = "ok") -> None:
        self.write(self.line("ended", job=f"job-of-{run}", run=run, outcome=outcome))


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def opened() -> list[Opened]:
    return []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def view(tmp_path: Path, opened: list[Opened], clock: Clock) -> Iterator[LedgerView]:
    view = LedgerView(tmp_path, opened.append, clock)
    yield view
    view.stop()


@pytest.fixture
def pen(tmp_path: Path) -> Pen:
    return Pen(tmp_path / "worker-0-1.jsonl")


def test_a_run_is_open_from_its_started_to_its_ended(view: LedgerView, pen: Pen) -> None:
    pen.open()
    pen.started("r-1")
    pen.started("r-2")
    assert [(run.run, run.job, run.worker, run.pid) for run in view.open_runs()] == [
        ("r-1", "job-of-r-1", "worker-0", 7),
        ("r-2", "job-of-r-2", "worker-0", 7),
    ]
    pen.ended("r-1")
    assert [run.run for run in view.open_runs()] == ["r-2"]


def test_open_runs_are_read_to_the_files_present_end_without_the_thread(view: LedgerView, pen: Pen) -> None:
    pen.open()
    for number in range(1000):
        pen.started(f"r-{number}")
        pen.ended(f"r-{number}")
    pen.started("last")
    assert [run.run for run in view.open_runs("worker-0")] == ["last"]
    assert view.open_runs("worker-1") == []


def test_half_a_line_waits_for_its_other_half(view: LedgerView, pen: Pen) -> None:
    pen.open()
    line = pen.line("started", job="j", run="r-1", attempt=1)
    pen.write(line[:20])
    assert view.open_runs() == []
    pen.write(line[20:-1])
    assert view.open_runs() == []
    pen.write(b"\n")
    assert [run.run for run in view.open_runs()] == ["r-1"]


def test_a_line_that_can_not_be_read_hides_no_other(view: LedgerView, pen: Pen) -> None:
    pen.open()
    pen.write(b'{"w": broken\n[]\n{"e":"started"}\n')
    pen.started("r-1")
    assert [run.run for run in view.open_runs()] == ["r-1"]


def test_a_new_writer_is_told_once_with_a_time_at_which_it_lived(
    view: LedgerView, pen: Pen, opened: list[Opened]
) -> None:
    pen.open()
    pen.started("r-1")
    view.poll()
    view.poll()
    assert opened == [Opened("worker", "worker-0", 7, 70, 1)]


def test_a_process_that_is_gone_has_no_open_run_even_if_its_line_is_read_later(view: LedgerView, pen: Pen) -> None:
    pen.open()
    pen.started("r-1")
    view.poll()
    view.forget(7, 70)
    pen.started("r-2")
    assert view.open_runs() == []
    assert view.living() == []
    assert view.started == 2


def test_forgetting_a_process_spares_another_under_its_number(view: LedgerView, pen: Pen) -> None:
    pen.open()
    pen.started("r-1")
    view.poll()
    view.forget(7, 71)
    assert len(view.open_runs()) == 1


def test_counters_tell_first_attempts_from_retries_and_good_ends_from_bad(view: LedgerView, pen: Pen) -> None:
    pen.open()
    pen.started("r-1")
    pen.ended("r-1", "error")
    pen.started("r-2", attempt=2)
    pen.ended("r-2")
    pen.started("r-3", attempt=0)
    pen.write(pen.line("acked", job="j", receipt="x"))
    view.poll()
    assert (view.started, view.first_started, view.ended_ok, view.acked) == (3, 2, 1, 1)
    assert view.last_run_event_ns == 6


def test_memory_is_bounded_by_what_is_open_not_by_what_has_been(view: LedgerView, tmp_path: Path) -> None:
    for number in range(200):
        pen = Pen(tmp_path / "shared.jsonl", f"w-{number}-x", pid=number)
        pen.open()
        pen.started(f"r-{number}")
        pen.ended(f"r-{number}")
        view.poll()
        view.forget(number, 70)
    assert view.started == 200
    assert view._writers.opened == {}
    assert view._writers.runs == {}


def test_a_file_that_is_quiet_for_long_is_closed_and_read_on_when_it_grows(
    view: LedgerView, pen: Pen, clock: Clock
) -> None:
    pen.open()
    view.poll()
    clock.now_s += DORMANT_AFTER_S + 1
    view.poll()
    assert [tail.fd for tail in view._tails.values()] == [None]
    pen.started("r-1")
    assert [run.run for run in view.open_runs()] == ["r-1"]


def test_the_thread_follows_files_that_appear_later(tmp_path: Path, opened: list[Opened]) -> None:
    view = LedgerView(tmp_path, opened.append)
    view.start()
    with view.changed:
        pen = Pen(tmp_path / "late.jsonl")
        pen.open()
        assert view.changed.wait_for(lambda: opened, timeout=20)
    view.stop()
    view.stop()
