"""The ledger's pen: what every line holds, and what happens when one can't be written."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from stormproof_target.ledger import INTACT_SUFFIX, Ledger, LedgerError, as_word, checksum, pid_start

KIT = Path(sys.modules["stormproof_target"].__file__ or "").parent.parent


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    (tmp_path / f"ledger{INTACT_SUFFIX}").touch()
    return Ledger(str(tmp_path / "ledger"), "worker", "worker-1")


def test_a_writer_introduces_itself_by_pid_and_start_time(ledger: Ledger) -> None:
    (first,) = lines(Path(ledger.path))
    assert first["e"] == "open"
    assert first["seq"] == 1
    assert (first["pid"], first["pid_start"]) == (os.getpid(), pid_start())
    assert (first["role"], first["worker"]) == ("worker", "worker-1")


def test_lines_are_numbered_without_a_gap_across_threads(ledger: Ledger) -> None:
    def write() -> None:
        for _ in range(200):
            ledger.ended("j", "r", "ok", "")

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [line["seq"] for line in lines(Path(ledger.path))] == list(range(1, 1602))


def test_a_fork_is_a_writer_of_its_own(ledger: Ledger) -> None:
    pid = os.fork()
    if pid == 0:
        ledger.started("j-1", ledger.new_run(), 1, 0, checksum("x"))
        os._exit(0)
    os.waitpid(pid, 0)
    written = lines(Path(ledger.path))
    assert [(line["e"], line["seq"]) for line in written] == [("open", 1), ("open", 1), ("started", 2)]
    assert written[0]["w"] != written[1]["w"]
    assert written[1]["pid"] == pid


def test_a_closed_pen_writes_nothing_into_whatever_file_has_its_number_now(ledger: Ledger, tmp_path: Path) -> None:
    number = ledger._fd
    ledger.close()
    other = os.open(tmp_path / "other", os.O_WRONLY | os.O_CREAT, 0o644)
    assert other == number
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(other)
    assert (tmp_path / "other").read_text() == ""


def test_words_from_outside_need_no_escaping(ledger: Ledger) -> None:
    ledger.answered("unknown", "j-1", 'Error: "quoted"\n\\ ' + "x" * 100)
    assert lines(Path(ledger.path))[-1]["why"] == as_word('Error: "quoted"\n\\ ' + "x" * 100)


def test_a_write_that_fails_marks_the_ledger_as_not_intact(tmp_path: Path) -> None:
    """A full disk can't be told in the ledger itself, so the harness is told by the missing mark beside it."""
    script = f"""
import resource, signal, sys
sys.path.insert(0, {str(KIT)!r})
from stormproof_target.ledger import Ledger, LedgerError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
ledger = Ledger({str(tmp_path / "ledger")!r}, "worker", "w")
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
try:
    for _ in range(50):
        ledger.ended("j", "r", "ok", "")
except LedgerError:
    sys.exit(7)
"""
    mark = tmp_path / f"ledger{INTACT_SUFFIX}"
    mark.touch()
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], check=False)
    assert done.returncode == 7
    assert not mark.exists()
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 600  # the limit was the child's own


def test_a_ledger_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="No such file or directory"):
        Ledger(str(tmp_path / "missing" / "ledger"), "worker", "w")


def test_the_kit_runs_with_nothing_but_the_standard_library(tmp_path: Path) -> None:
    """`python -I -S`: no site-packages, nothing else on the path, and a job still runs and is told."""
    script = f"""
import sys
sys.path.insert(0, {str(KIT)!r})
from stormproof_target import run_body, payload_for, Target, Setup, Promise
from stormproof_target.spec import succeeds
run_body(payload_for("j-1", succeeds()), attempt=1)
assert not [name for name in sys.modules if "site-packages" in (getattr(sys.modules[name], "__file__", "") or "")]
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script],
        env={"STORMPROOF_LEDGER": str(tmp_path / "ledger")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [line["e"] for line in lines(tmp_path / "ledger")] == ["open", "started", "ended"]


def test_a_killed_writer_tears_at_most_its_last_line(tmp_path: Path) -> None:
    script = f"""
import sys
sys.path.insert(0, {str(KIT)!r})
from stormproof_target.ledger import Ledger
ledger = Ledger({str(tmp_path / "ledger")!r}, "worker", "w")
print("ready", flush=True)
while True:
    ledger.ended("j", "r", "ok", "")
"""
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    whole = (tmp_path / "ledger").read_bytes().rpartition(b"\n")[0]
    seqs = [json.loads(line)["seq"] for line in whole.splitlines()]
    assert seqs == list(range(1, len(seqs) + 1))
