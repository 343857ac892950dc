"""How long judging takes, and how much memory: a million jobs, a day of them by cohorts, three hundred events."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scenarios.history import History
from scenarios.history_read import Header, Ledgers
from scenarios.history_stored import CohortWriter
from tests.bench import long_run
from tests.scenarios.histories import PROMISE

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

MILLION, DAY, SLICE, COHORTS, TIMES = 1_000_000, 8_640_000, 540_000, 18, 3
HEADER = Header("long run", "1", None, PROMISE.to_dict())


def test_a_million_jobs_from_parquet_and_from_ledgers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = long_run.frames(MILLION)
    History(Ledgers(frames, HEADER, 0)).write_parquet(tmp_path / "history.parquet")
    long_run.write_ledgers(frames, tmp_path)
    events = sum(frame.height for frame in frames.values())
    del frames
    for kind, path in (("parquet", tmp_path / "history.parquet"), ("ledgers", tmp_path)):
        told(capsys, f"{MILLION:,} jobs, {events:,} events, {kind}", *(one(kind, path, MILLION) for _ in range(TIMES)))


def test_a_day_by_cohorts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, events = tmp_path / "history.parquet", 0
    writer = CohortWriter(path, COHORTS)
    for first in range(0, DAY, SLICE):
        frames = long_run.frames(SLICE, first, DAY)
        events += sum(frame.height for frame in frames.values())
        writer.add(frames)
    writer.close(HEADER, 0)
    told(capsys, f"{DAY:,} jobs, {events:,} events, {COHORTS} cohorts", *(one("day", path, DAY) for _ in range(TIMES)))


def test_a_small_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    every = [one("small", tmp_path, 56) for _ in range(TIMES)]
    told(capsys, f"{every[0]['events']} events, from dictionaries", *every)


def one(kind: str, path: Path, jobs: int) -> dict[str, Any]:
    """In a process of its own, so that its peak is its own. Lawful, so nothing is found, and every job is looked at."""
    command = [sys.executable, "-m", "tests.bench.judging", kind, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["findings"], found["errors"]) == (0, [])
    examined = found["examined"]
    assert [examined[name] for name in ("lost", "duplicates", "overlap", "states")] == [jobs] * 4
    assert jobs < examined["phantom"] == examined["timeouts"]
    assert examined["backoff"] > 0
    return found


def told(capsys: pytest.CaptureFixture[str], what: str, *every: dict[str, Any]) -> None:
    """Least to most of the runs."""
    seconds, cpu_s, rss_gib = (spread(every, name) for name in ("seconds", "cpu_s", "rss_gib"))
    with capsys.disabled():
        print(f"\n{what}: {seconds} s, {cpu_s} s of CPU, {rss_gib} GiB")  # noqa: T201


def spread(every: tuple[dict[str, Any], ...], name: str) -> str:
    values = sorted(each[name] for each in every)
    return f"{values[0]:.3f} to {values[-1]:.3f}"
