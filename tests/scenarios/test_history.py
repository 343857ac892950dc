"""Reading ledgers: what is trusted, what is torn, and what makes the harness refuse to judge."""

import json
from pathlib import Path
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from stormproof_target import Promise
from stormproof_target.ledger import INTACT_SUFFIX
from stormproof_target.spec import fails

from scenarios.history import History, HistoryError, read_history
from scenarios.history_read import Ledgers
from scenarios.windows import calm
from tests.lawful.draws import draw_world
from tests.lawful.play import Play
from tests.scenarios.histories import (
    PROMISE,
    Lines,
    acked,
    exited,
    history,
    killed,
    lines,
    run,
    spawned,
    state,
    target,
)

pytestmark = pytest.mark.unit

TOLD = lines(
    target(), acked("j", 0, spec=fails(times=1)), run("j", 0.1, 0.2, "error"), run("j", 1, 1.1), state("j", "finished")
)


def write(directory: Path, events: Lines, name: str = "all.jsonl", tail: bytes = b"", *, intact: bool = True) -> Path:
    ledger = directory / "ledger"
    ledger.mkdir(exist_ok=True)
    text = "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events)
    (ledger / name).write_bytes(text.encode() + tail)
    if intact:
        (ledger / (name + INTACT_SUFFIX)).touch()
    return directory


def by_writer(events: Lines) -> dict[str, Lines]:
    files: dict[str, Lines] = {}
    for event in events:
        files.setdefault(event["w"].replace(".", "_"), []).append(event)
    return files


def test_files_of_several_writers_make_one_history(tmp_path: Path) -> None:
    for name, events in by_writer(TOLD).items():
        write(tmp_path, events, f"{name}.jsonl")
    read = read_history(tmp_path)
    assert read.lines == len(TOLD)
    assert all(frame["t"].is_sorted() for frame in read.frames.values())
    assert (read.header.name, read.torn) == ("table", 0)
    assert read.can("backoff")
    assert read.runs.select("run", "outcome").rows() == [("j@0.1", "error"), ("j@1", "ok")]


def test_the_torn_last_line_of_a_killed_process_is_cut_off_and_counted(tmp_path: Path) -> None:
    read = read_history(write(tmp_path, TOLD, tail=b'{"w":"worker-1","seq":3,"t":12,"e":"ended","jo'))
    assert read.torn == 1
    assert read.lines == len(TOLD)


@pytest.mark.parametrize(
    ("drop", "add", "says"),
    [
        pytest.param(-1, b"", "of its", id="a line is missing"),
        pytest.param(None, b'{"w":"x","seq":1,"t":1\n', "no event of a ledger", id="a line can't be parsed"),
        pytest.param(
            None, b'{"w":"x","seq":"one","t":1,"e":"open"}\n', "no event of a ledger", id="a value of another type"
        ),
        pytest.param(None, b'{"w":"x","seq":1,"e":"open"}\n', "lack one of", id="a line without a time"),
    ],
)
def test_a_ledger_with_a_hole_is_the_harness_s_own_failure(
    tmp_path: Path, drop: int | None, add: bytes, says: str
) -> None:
    kept = (
        TOLD if drop is None else [event for event in TOLD if not (event["e"] == "started" and event["run"] == "j@0.1")]
    )
    write(tmp_path, kept)
    path = tmp_path / "ledger" / "all.jsonl"
    path.write_bytes(add + path.read_bytes())
    with pytest.raises(HistoryError, match=says):
        read_history(tmp_path)


def test_a_bad_line_is_named_by_file_and_number(tmp_path: Path) -> None:
    write(tmp_path, TOLD[:2] if TOLD[0]["w"] == TOLD[1]["w"] else TOLD)
    path = tmp_path / "ledger" / "all.jsonl"
    path.write_bytes(path.read_bytes() + b"garbage\n")
    number = len(path.read_bytes().splitlines())
    with pytest.raises(HistoryError, match=rf"all\.jsonl, line {number}"):
        read_history(tmp_path)


def test_a_ledger_that_could_not_take_a_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="disk full"):
        read_history(write(tmp_path, TOLD, intact=False))


def test_no_ledger_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HistoryError, match="no ledger"):
        read_history(tmp_path)


def test_parquet_keeps_everything(tmp_path: Path) -> None:
    before = history(target({"retries"}), acked("j", 0), run("j", 1, 2), state("j", "dead", found_in=["a", "a"]))
    before.write_parquet(tmp_path / "history.parquet")
    after = History.read_parquet(tmp_path / "history.parquet")
    assert all(after.frames[kind].equals(frame) for kind, frame in before.frames.items())
    assert (after.header.name, after.header.abilities) == ("table", frozenset({"retries"}))
    assert Promise.from_dict(after.header.promise) == PROMISE
    assert after.jobs.equals(before.jobs)


@pytest.mark.parametrize("data", [b"", b"PAR1 nonsense"])
def test_a_file_that_is_no_history_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "history.parquet").write_bytes(data)
    with pytest.raises(HistoryError, match="not a stored history"):
        History.read_parquet(tmp_path / "history.parquet")


def test_a_run_whose_process_died_ends_in_an_interval() -> None:
    told = history(acked("j", 0), run("j", 1), exited("w1", 2, seen=1.5))
    (job,) = told.stories(["j"])
    assert [(each.outcome, each.end_lo - each.start, each.end_hi - each.start) for each in job.runs] == [
        ("exit", 500_000_000, 1_000_000_000)
    ]


def test_runs_are_ordered_by_fence_where_all_have_one() -> None:
    told = history(
        acked("j", 0), run("j", 5, 6, fence=1, name="first"), run("j", 2, 3, fence=2, name="second"),
        acked("k", 0), run("k", 5, 6, fence=1, name="late"), run("k", 2, 3, name="early"),
    )  # fmt: skip
    ordered = {job.job: [each.run for each in job.runs] for job in told.stories(["j", "k"])}
    assert ordered == {"j": ["first", "second"], "k": ["early", "late"]}


def test_a_process_belongs_to_the_life_of_its_worker_that_was_then() -> None:
    told = history(
        acked("j", 0), run("j", 1), killed("w1", 2, slots=(0, 1)), spawned("w1", 3, life=2), run("j", 4, 5, life=2)
    )
    assert told.runs["life"].to_list() == [1, 2]
    first, second = told.lives["w1"]
    assert first.killed < second.born
    assert (second.life, second.exit_hi > second.born) == (2, True)


def test_the_host_s_word_of_a_producer_that_died_is_unknown() -> None:
    told = history(acked("j", 0))
    lost_answer = History.from_events([e for e in lines(acked("j", 0)) if e["e"] != "acked"])
    assert told.jobs["outcome"].to_list() == ["acked"]
    assert lost_answer.jobs["outcome"].to_list() == ["unknown"]


def told_by_polars(seed: int) -> tuple[History, History]:
    """The same history with its tables built row by row, and by queries."""
    events = Play(draw_world(seed)).history()
    small, large = History.from_events(events), History.from_events(events)
    frames = dict(large.frames)
    return small, History(Ledgers(frames, large.header, 0), small_lines_max=0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_tables_built_row_by_row_are_those_that_the_queries_build(seed: int) -> None:
    small, large = told_by_polars(seed)
    assert_frame_equal(small.writers, large.writers, check_row_order=False)
    assert_frame_equal(small.runs.sort("run"), large.runs.sort("run"), check_column_order=False)
    assert_frame_equal(small.jobs, large.jobs, check_column_order=False)
    assert small.stories(small.jobs["job"]) == large.stories(large.jobs["job"])
    assert (small.faults, small.signals, small.lives, small.stalls, small.canary, small.phases, small.begin) == (
        large.faults, large.signals, large.lives, large.stalls, large.canary, large.phases, large.begin,
    )  # fmt: skip
    assert (small.end, small.lines, small.open_when_read, small.last_run_event) == (
        large.end, large.lines, large.open_when_read, large.last_run_event,
    )  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 6)), min_size=9, max_size=20), st.integers(0, 2**32 - 1))
def test_many_intervals_are_found_by_bisection_as_one_by_one(spans: list[tuple[int, int]], seed: int) -> None:
    intervals = [(lo, lo + length) for lo, length in spans]
    lows = [number % 61 for number in Random(seed).sample(range(10**6), 40)]
    table = pl.DataFrame({"lo": lows, "hi": [lo + seed % 3 for lo in lows]})
    found = table.select(calm(pl.col("lo"), pl.col("hi"), intervals)).to_series().to_list()
    assert found == [not any(lo <= b and hi >= a for a, b in intervals) for lo, hi in table.iter_rows()]
