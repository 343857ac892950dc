"""Each run has a temporary directory of its own, which is gone after it, whoever dies."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from system.reference import Queue
from system.reference.scratch import Runs, Scratch, remove_tree
from tests.system.reference import jobs
from tests.system.reference.server import Client
from tests.system.reference.workers import Worker, is_gone, lines, wait_until

Spawn = Callable[..., AbstractContextManager[Worker]]


def test_run_has_a_directory_of_its_own_which_goes_with_it(
    worker: Spawn, queue: Queue, redis: Client, notes: Path
) -> None:
    with worker() as it:
        for job in ("a", "b"):
            queue.enqueue(jobs.litter, str(notes), job_id=job)
            wait_until(partial(lambda job: redis.hget(f"rq:job:{job}", "status") == "finished", job))
        queue.enqueue(jobs.where, str(notes), job_id="c")
        wait_until(lambda: redis.hget("rq:job:c", "status") == "finished")
        wait_until(lambda: it.leftovers() == [])
        (a, a_tmpdir, a_tempfile, slot), (b, b_tmpdir, b_tempfile, _), (cwd, *_, last) = map(str.split, lines(notes))
        assert a_tmpdir == a_tempfile != b_tmpdir == b_tempfile
        assert not Path(a).exists()
        assert not Path(b).exists()
        assert cwd == str(Path.cwd()), "the next job stands where the slot was started"
        assert slot == last, "all in one warm slot"
        assert it.terminate() == 0
        assert list(it.temporary.iterdir()) == []


def test_what_a_killed_worker_left_goes_when_the_next_one_starts(
    worker: Spawn, queue: Queue, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Directories, and the processes of its jobs."""
    with worker() as it:
        queue.enqueue(jobs.hang, str(notes), "c", job_id="j")
        wait_until(lambda: lines(notes))
        foreign = it.temporary / "stormq-worker-of-mine"
        foreign.mkdir()
        it.kill_tree()
        assert len(it.leftovers()) == 1
        child = int(lines(notes)[0].split()[1])
        assert not is_gone(child)
        monkeypatch.setattr("tempfile.tempdir", str(it.temporary))
        other = Scratch("0" * 10)
        other.open()
        wait_until(lambda: it.leftovers() == [] and is_gone(child))
        mine = Path(other.folder("slot"))
        third = Scratch("1" * 10)
        third.open()
        third.close(5)
        assert mine.exists(), "a living worker's stays"
        other.close(5)
        assert list(it.temporary.iterdir()) == [foreign]


@pytest.mark.unit
def test_worker_without_a_place_for_directories_still_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/no/such/place")
    scratch = Scratch("2" * 10)
    scratch.open()
    assert scratch.folder("slot") == ""
    with Runs("").own_directory(1):
        assert os.environ.get("TMPDIR") != "/1"
    scratch.close(1)


@pytest.mark.unit
def test_slot_whose_working_directory_is_closed_to_it_still_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tmp_path.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:  # whom no mode keeps out
            os.seteuid(65534)
        with pytest.raises(PermissionError):
            list(Path().iterdir())
        with Runs("").own_directory(1):
            pass
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o700)


@pytest.mark.unit
def test_directory_that_a_cleaner_took_away_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", None)
    runs = Runs(str(tmp_path / "gone" / "slot"))
    with runs.own_directory(7):
        assert os.environ["TMPDIR"] == str(tmp_path / "gone" / "slot" / "7")
        assert Path(os.environ["TMPDIR"]).is_dir()
        (tmp_path / "gone" / "slot" / "7" / "file").touch()
    assert list((tmp_path / "gone" / "slot").iterdir()) == []
    with runs.own_directory(8):
        remove_tree(str(tmp_path / "gone"))
    with runs.own_directory(9):
        assert Path(os.environ["TMPDIR"]).is_dir()
    Path(f"{tmp_path}/gone/slot/9").chmod(0o500)
    with runs.own_directory(10):
        assert Path(os.environ["TMPDIR"]).stat().st_mode & 0o777 == 0o700


@pytest.mark.unit
def test_link_out_of_a_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "link").symlink_to(tmp_path / "kept")
    remove_tree(str(tmp_path / "run"))
    assert (tmp_path / "kept" / "file").exists()
    assert not (tmp_path / "run").exists()
