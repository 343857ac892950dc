"""The small parts a worker is made of, each by itself."""

import pickle
import re
import signal
import subprocess
import sys
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import pytest

from system.reference import Settings, SettingsError, events, execution, load
from system.reference.board import Board, Phase, Record
from system.reference.claimed import Claimed, parse
from system.reference.linux import kill_tree, marked
from system.reference.payload import Undecodable, decode_call, decode_result, decode_trace, encode_call, encode_trace
from system.reference.settings import TIMEOUT_S_MAX
from tests.system.reference import jobs
from tests.system.reference.workers import is_gone, wait_until

CLAIM_FIELDS = re.findall(r"'(\w+)'", load().texts["claim"].partition("local FIELDS = {")[2].partition("}")[0])
RECORD = Record(Phase.RUNNING, 7, 11, 12, 13, 3, 250_000, "queue-é", "job")


def claimed(**fields: bytes) -> Claimed:
    """A claim's reply, parsed, for a job whose record has these fields."""
    record = {"data": b"", "status": b"started", "not_after": b"1", **fields}
    head = [b"claimed", b"q", b"j", b"s.1", b"1", b""]
    return parse(head + [record.get(name) for name in CLAIM_FIELDS], Settings(), Random())


@pytest.mark.unit
class TestClaimed:
    HUGE = b"9" * 400

    @pytest.mark.parametrize(
        "fields",
        [
            {"max_attempts": b"5000000000"},
            {"max_attempts": HUGE, "attempts": HUGE, "timeout_ms": HUGE, "result_ttl": HUGE},
            {"max_attempts": b"-1", "attempts": b"-7", "timeout_ms": b"-5", "result_ttl": b"-" + HUGE},
            {"timeout": HUGE},
            {"timeout": b"-1", "result_ttl": b"-1"},
            {"not_after": None, "retries_left": HUGE, "retry_intervals": b"[1e308]"},
            {"not_after": None, "retries_left": b"-9", "retry_intervals": b"[Infinity, NaN]"},
            {"not_after": None, "retries_left": b"1", "retry_intervals": b"[" + HUGE + b"]"},
            {"not_after": None, "retries_left": b"1", "retry_intervals": b"[NaN]"},
        ],
    )
    def test_no_number_of_a_record_stops_the_slot_that_claimed_it(self, fields: dict[str, bytes]) -> None:
        job = claimed(**fields)
        board, _ = Board.create()
        hard_ns = int((job.timeout_s + 86400) * 1e9) + (1 << 62)
        board.write(replace(RECORD, hard_ns=hard_ns, attempts_max=job.attempts_max, delay_us=job.delay_us))
        assert 0 < job.timeout_s <= TIMEOUT_S_MAX
        assert 0 <= job.delay_us < 10**15, "or the script refuses the report of a failure"
        assert -1 <= job.result_ttl_s < 10**10

    def test_what_is_in_bounds_stays_as_it_is(self) -> None:
        job = claimed(max_attempts=b"7", attempts=b"2", timeout_ms=b"1500", result_ttl=b"60")
        assert (job.attempts_max, job.attempts, job.timeout_s, job.result_ttl_s) == (7, 2, 1.5, 60)
        assert claimed(timeout=b"9").timeout_s == 9
        assert claimed(timeout=b"-1").timeout_s == TIMEOUT_S_MAX
        assert claimed().timeout_s == Settings().timeout_s


@pytest.mark.unit
class TestBoard:
    def test_other_side_reads_what_was_written(self) -> None:
        board, fd = Board.create()
        other = Board(fd)
        assert other.read() == Record()
        board.write(RECORD)
        assert other.read() == RECORD

    def test_shorter_record_after_a_longer_one(self) -> None:
        board, _ = Board.create()
        board.write(RECORD)
        board.write(Record(Phase.IDLE, 8))
        assert board.read() == Record(Phase.IDLE, 8)

    @pytest.mark.parametrize("at", [0, 5, 9, 40, 60])
    def test_half_written_record_is_none_at_all(self, at: int) -> None:
        board, _ = Board.create()
        board.write(RECORD)
        board._page[at] ^= 0xFF
        assert board.read() is None

    def test_longest_names_fit(self) -> None:
        board, _ = Board.create()
        longest = Record(Phase.RUNNING, queue="q" * 200, job="j" * 2800)
        board.write(longest)
        assert board.read() == longest

    def test_stop_flag_is_out_of_the_records_way(self) -> None:
        board, _ = Board.create()
        board.ask_to_stop()
        board.write(Record(Phase.RUNNING, queue="q" * 200, job="j" * 2800))
        assert board.asked_to_stop


@pytest.mark.unit
class TestPayload:
    def test_call_survives(self) -> None:
        assert decode_call(encode_call(jobs.add, (1,), {"b": 2}))() == 3

    def test_uncompressed_call_of_rq_is_read(self) -> None:
        assert decode_call(pickle.dumps(("operator.add", None, (1, 2), {})))() == 3

    def test_method_of_a_class_is_found(self) -> None:
        data = pickle.dumps(("tests.system.reference.jobs.Greeter.greet", None, (jobs.Greeter("you"),), {}))
        assert decode_call(zlib.compress(data))() == "hello you"

    @pytest.mark.parametrize(
        "data", [b"", b"junk", pickle.dumps("no call"), pickle.dumps(("os.no_such", None, (), {}))]
    )
    def test_what_cannot_be_read_is_said(self, data: bytes) -> None:
        with pytest.raises(Undecodable):
            decode_call(data)

    def test_error_inside_a_module_is_not_taken_for_its_absence(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "broken_module.py").write_text("import does_not_exist_either\n")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(Undecodable, match="does_not_exist_either"):
            decode_call(pickle.dumps(("broken_module.task", None, (), {})))

    def test_long_trace_keeps_its_end(self) -> None:
        field = encode_trace("x" * 100_000 + "the cause").encode()
        assert decode_trace(field).endswith("the cause")
        assert len(decode_trace(field)) <= 16_000


class TestLinux:
    def test_kill_timer_ends_a_process_that_holds_the_gil_and_blocks_all_signals(self) -> None:
        program = (
            "import ctypes, signal\nfrom system.reference.linux import KillTimer\n"
            "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
            "timer = KillTimer()\ntimer.arm(0.2)\nctypes.PyDLL(None).usleep(60_000_000)\n"
        )
        assert subprocess.run([sys.executable, "-c", program], check=False, timeout=30).returncode == -signal.SIGKILL

    def test_kill_timer_that_was_disarmed_kills_nobody(self) -> None:
        program = (
            "import time\nfrom system.reference.linux import KillTimer\n"
            "timer = KillTimer()\ntimer.arm(0.1)\ntimer.arm(0)\ntime.sleep(0.3)\n"
        )
        assert subprocess.run([sys.executable, "-c", program], check=False, timeout=30).returncode == 0

    def test_tree_ends_with_its_leader_wherever_it_has_gone(self) -> None:
        """In its session, in one of its own, and as a daemon: its parent gone, its session another's."""
        program = (
            "import os, subprocess, sys, time\n"
            "own = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
            "same = subprocess.Popen(['sleep', '60'])\n"
            "sleep = \"subprocess.Popen(['sleep', '60'], start_new_session=True, stdout=2)\"\n"
            "fork = f'import subprocess; print({sleep}.pid)'\n"
            "daemon = subprocess.run([sys.executable, '-c', fork], stdout=subprocess.PIPE, text=True).stdout\n"
            "print(own.pid, same.pid, daemon.strip(), flush=True)\ntime.sleep(60)\n"
        )
        leader = subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=marked("the-mark"),
        )
        assert leader.stdout
        children = [int(pid) for pid in leader.stdout.readline().split()]
        assert len(children) == 3
        kill_tree(leader.pid, "the-mark")
        assert leader.wait(10) == -signal.SIGKILL
        for pid in children:
            wait_until(partial(is_gone, pid))

    def test_slot_whose_parent_is_gone_leaves_at_once(self) -> None:
        program = "from system.reference.linux import die_with_parent\ndie_with_parent(1)\nprint('lives on')\n"
        done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, timeout=30)
        assert (done.returncode, done.stdout) == (1, b"")


@pytest.mark.unit
class TestScripts:
    def test_overlay_replaces_one_script(self, tmp_path: Path) -> None:
        (tmp_path / "claim.lua").write_text("return {'none'}")
        ours, theirs = load(), load(tmp_path)
        assert theirs.texts["claim"].endswith("return {'none'}")
        assert {name for name in ours.shas if ours.shas[name] != theirs.shas[name]} == {"claim"}

    def test_overlay_with_a_misspelt_name_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "clam.lua").write_text("return {'none'}")
        with pytest.raises(SettingsError, match="clam"):
            load(tmp_path)

    def test_every_script_says_what_it_is(self) -> None:
        for name, text in load().texts.items():
            for head in (f"-- {name}:", "-- ARGV:", "-- Precondition", "-- Effect", "-- Reply"):
                assert head in text, f"{name}.lua lacks {head!r}"


@pytest.mark.unit
def test_worker_does_not_pay_for_redis_py() -> None:
    """It would cost each of a worker's processes 0.3 s of CPU, at each start."""
    program = "import sys, system.reference.slot, system.reference.cli, system.reference.supervisor\n"
    program += "sys.exit(any(m.split('.')[0] in {'redis', 'rq', 'asyncio'} for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


@pytest.mark.unit
def test_renewal_has_a_second_try_before_the_fence() -> None:
    settings = Settings(lease_s=2.0, heartbeat_s=0.6, poll_s=1.0)
    assert settings.heartbeat_s + 2 * settings.io_timeout_s < settings.fence_after_s


@pytest.mark.unit
def test_table_of_events_names_every_reason_that_a_script_gives() -> None:
    table = {cell.strip() for line in (events.__doc__ or "").splitlines() for cell in line.split("|")}
    given = set(re.search(r"(?s)REASONS = \{(.*?)\}", load().texts["fail"])[1].split("'")[1::2])  # type: ignore[index]
    assert given | {events.CRASHED, events.STALLED} <= table
    assert {events.CRASHES, events.DROPS} <= table


@pytest.mark.unit
def test_result_that_redis_would_never_take_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be offered for ever, and its slot be lost."""
    monkeypatch.setattr(execution, "RESULT_MAX", 1000)
    for size, kept in ((100, bytes(100)), (1000, execution.TOO_LARGE)):
        job = Claimed("q", "j", "s.1", 1, "", encode_call(bytes_of, (size,), {}), 0, 1, 30.0, 500, 0)
        outcome = execution.run(job, lambda _call: None)
        assert outcome.kind == ""
        assert decode_result(outcome.text) == kept


def bytes_of(size: int) -> bytes:
    return bytes(size)
