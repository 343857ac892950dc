"""``stormproof seeds``: rows survive an interruption, the page claims no more than was run, nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from chaos.hog import hogs
from reports.run_record import load
from reports.verdict import Verdict
from scenarios import seed_rows, seed_table
from scenarios.cli import main
from scenarios.commands.seeds import by_hog, exit_of
from scenarios.exit_codes import Exit
from scenarios.seed_campaigns import Campaigns
from scenarios.seed_rows import Odd, Row, ending_of, row_of
from tests.reports.sample import campaign, rq_part

ROW = Row(
    seed=7,
    hog=False,
    at="2026-11-24T09:00:00+00:00",
    cpus=2,
    servers=("Redis 7.0.15",),
    scenarios=3,
    jobs=300,
    runs=330,
    examined=2000,
    faults_fired=4,
    faults_planned=4,
    endings={"pass": 2, "slower": 1},
    odd=(Odd("latency", "slower", "p(95) job_time < 3s | was missed"),),
)
BROKEN = Row(seed=8, hog=True, error="exit code 4: no free port")


def until(holds: Callable[[], bool]) -> bool:
    end_s = time.monotonic() + 20
    while not holds():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.02)
    return True


def test_rows_come_back_as_they_were_and_a_torn_one_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    kept = seed_rows.rows_in(path)
    assert kept.read() == []
    for row in (ROW, BROKEN):
        kept.append([row])
    with path.open("a") as file:
        file.write('{"seed": 9, "ho')
    assert kept.read() == [ROW, BROKEN]
    kept.mend()
    kept.append([replace(ROW, seed=9)])
    assert [row.seed for row in kept.read()] == [7, 8, 9]


def test_the_row_of_a_record_counts_findings_by_checker_and_says_how_each_run_ended() -> None:
    record = replace(campaign(), parts=(rq_part(),))
    row = row_of(record, 5, hog=True)
    runs = record.parts[0].scenarios
    assert row.jobs == sum(run.load.acknowledged for run in runs)
    assert row.found == {"lost": 3}
    assert row.keeps_logs
    assert row.endings["fail"] == 1
    assert sum(row.endings.values()) == len(runs)
    assert row.faults_fired < row.faults_planned  # one of them is a dud


def test_a_missed_objective_is_no_finding_and_a_failed_harness_no_verdict() -> None:
    run = replace(campaign().parts[0].scenarios[0], checkers=(), findings=(), verdict=Verdict.FAIL)
    assert ending_of(run) == "slower"
    assert ending_of(replace(run, verdict=Verdict.INCONCLUSIVE)) == "inconclusive"
    assert ending_of(replace(run, verdict=Verdict.INCONCLUSIVE, error="the disk is full")) == "harness error"


def test_the_page_names_its_population_and_bounds_no_more() -> None:
    page = seed_table.page([ROW, replace(ROW, seed=9, hog=True, found={"lost": 2}, endings={"fail": 3})])
    assert "1 campaigns, 3 scenario runs judged of 3 begun, 300 acknowledged jobs" in page
    assert "fewer than 100.00% have a false alarm" in page
    assert "2 findings, in 3 scenario runs." in page  # and no bound where there was one
    assert "| latency |  | slower | 1 | seed 7: p(95) job_time < 3s \\| was missed |" in page
    assert "nothing is bounded" in seed_table.page([replace(ROW, scenarios=1, endings={"harness error": 1})])
    assert "no record: exit code 4: no free port" in seed_table.page([BROKEN])


def test_the_page_goes_between_its_markers(tmp_path: Path) -> None:
    page = tmp_path / "seeds.md"
    page.write_text(f"# Head\n{seed_table.BEGIN}\nold\n{seed_table.END}\nfoot\n")
    seed_table.write(page, "new")
    assert page.read_text() == f"# Head\n{seed_table.BEGIN}\nnew\n{seed_table.END}\nfoot\n"
    prose = tmp_path / "prose.md"
    prose.write_text("# Head\n")
    seed_table.write(prose, "new")
    assert prose.read_text() == f"# Head\n\n{seed_table.BEGIN}\nnew\n{seed_table.END}\n"
    fresh = tmp_path / "fresh.md"
    seed_table.write(fresh, "new")
    assert fresh.read_text() == f"{seed_table.BEGIN}\nnew\n{seed_table.END}\n"


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([ROW], Exit.PASS),
        ([ROW, replace(ROW, found={"lost": 1})], Exit.FAIL),
        ([ROW, BROKEN], Exit.INCONCLUSIVE),  # half of what was planned was not judged
        ([*[ROW] * 9, BROKEN], Exit.PASS),
        ([replace(ROW, endings={"pass": 2, "harness error": 1})], Exit.INCONCLUSIVE),
        ([replace(ROW, endings={"pass": 2, "not applicable": 1})], Exit.PASS),
        ([], Exit.INCONCLUSIVE),
    ],
)
def test_the_exit_code(rows: list[Row], code: Exit) -> None:
    assert exit_of(rows) is code


def test_seeds_beside_a_hog_come_after_all_others() -> None:
    assert by_hog(range(4), "half") == [(False, [0, 2]), (True, [1, 3])]
    assert by_hog(range(2), "all") == [(False, []), (True, [0, 1])]
    assert by_hog(range(2), "none") == [(False, [0, 1]), (True, [])]


def test_rows_that_are_there_are_not_overwritten_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed_rows.rows_in(tmp_path / "seeds.jsonl").append([ROW])
    assert main(["seeds", "--out", str(tmp_path)]) == Exit.USAGE
    assert "--resume goes on" in capsys.readouterr().err
    assert seed_rows.rows_in(tmp_path / "seeds.jsonl").read() == [ROW]


def test_a_line_that_is_no_row_is_named_and_nothing_is_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "seeds.jsonl"
    seed_rows.rows_in(path).append([ROW])
    with path.open("a") as file:
        file.write("no row\n{}\n")
    before = path.read_text()
    assert main(["seeds", "--resume", "--out", str(tmp_path)]) == Exit.USAGE
    said = capsys.readouterr().err
    assert f"{path}:2: no row" in said
    assert f"{path}:3: no row" in said
    assert path.read_text() == before


def test_a_seed_that_was_run_is_not_run_again(tmp_path: Path) -> None:
    seed_rows.rows_in(tmp_path / "seeds.jsonl").append([ROW])
    assert main(["seeds", "-n", "1", "--first", "7", "--resume", "--out", str(tmp_path)]) == Exit.PASS
    assert "| 7 |" in (tmp_path / "seeds.md").read_text()
    assert not (tmp_path / "7").exists()


def test_a_campaign_without_a_record_is_a_row_and_not_the_end(tmp_path: Path) -> None:
    rows: list[Row] = []
    Campaigns(tmp_path, ["no_such_scenario"]).run([1, 2], 2, hog=False, told=rows.append)
    assert sorted(row.seed for row in rows) == [1, 2]
    assert all("exit code 2" in row.error and "no such scenario" in row.error for row in rows)


def test_a_hog_ends_with_whoever_started_it() -> None:
    with hogs(1) as (pid,):
        assert until(lambda: psutil.Process(pid).cpu_times().user > 0.05)
    assert not psutil.pid_exists(pid)


def test_a_hog_ends_though_its_parent_was_killed() -> None:
    script = (
        "from chaos.hog import hogs\nimport time\nwith hogs(1) as (pid,):\n print(pid, flush=True)\n time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
    assert until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


@pytest.mark.slow
def test_interrupted_seeds_end_their_campaigns_and_go_on_where_they_were(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "scenarios.cli", "seeds", "-n", "2", "--first", "1", "--scenario", "steady", "--out"]
    with subprocess.Popen([*words, tmp_path], stderr=subprocess.PIPE, text=True) as seeds:
        assert until(lambda: any(tmp_path.glob("1/*/reference/steady/ledger/harness.jsonl")))
        family = psutil.Process(seeds.pid).children(recursive=True)
        seeds.send_signal(signal.SIGTERM)
        seeds.communicate(timeout=60)
    assert seeds.returncode == Exit.INTERRUPTED
    assert until(lambda: not any(each.is_running() for each in family)), family
    assert list(tmp_path.glob("1/*/unfinished.txt"))
    done = subprocess.run([*words, tmp_path, "--resume"], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == Exit.PASS, done.stderr
    assert [row.seed for row in seed_rows.rows_in(tmp_path / "seeds.jsonl").read()] == [1, 2]
    (record,) = tmp_path.glob("1/*-*/run.json")
    assert load(record).seed == 1
    kept = {path.name for path in tmp_path.glob("1/*-*/reference/steady/*")}
    assert kept == {"history.parquet"}  # nothing was found: no ledger is kept
