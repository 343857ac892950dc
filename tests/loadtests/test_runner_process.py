"""The runner as a process: what it says is read, and every way in which it can fail us ends in one clear message."""

import json
import signal
import sys
from pathlib import Path

import pytest

from loadtests.runner_process import FAILED, USAGE, Ready, RunnerError, RunnerProcess, Verdict

SOON_S = 20.0
READY = {"ready": True, "producers": ["/a", "/b"], "ledger": "/l", "t0_ns": 5, "seed": 7, "sustainable_rate_s": 25}
VERDICT = {"verdict": "fail", "exit_code": 1, "report": "out/report.html"}


def peer(tmp_path: Path, code: str) -> RunnerProcess:
    """A process that runs ``code``."""
    return RunnerProcess([sys.executable, "-u", "-c", f"import json, sys, time\n{code}"], tmp_path / "log")


def saying(*lines: object) -> str:
    return "\n".join(f"print({json.dumps(line)!r})" for line in lines)


def test_a_whole_conversation(tmp_path: Path) -> None:
    heard = "assert json.loads(input()) == {'load_ended': True, 'planned': 9}"
    with peer(tmp_path, f"{saying(READY)}\n{heard}\n{saying(VERDICT)}\nsys.exit(1)") as runner:
        assert runner.ready(SOON_S) == Ready((Path("/a"), Path("/b")), Path("/l"), 5, 7, 25.0)
        runner.check()
        runner.load_ended(9)
        assert runner.verdict(SOON_S) == Verdict("fail", 1, "out/report.html")


def test_waiting_has_an_end_and_goes_on(tmp_path: Path) -> None:
    with peer(tmp_path, f"input()\n{saying(READY)}\ninput()") as runner:
        assert runner.ready(0.01) is None
        runner._process.stdin.write("\n")  # type: ignore[union-attr]
        runner._process.stdin.flush()  # type: ignore[union-attr]
        assert runner.ready(SOON_S) is not None


def test_a_usage_error_keeps_its_exit_code_and_its_message(tmp_path: Path) -> None:
    code = "sys.stderr.write('--target nonexistent: no such target')\nsys.exit(2)"
    with peer(tmp_path, code) as runner, pytest.raises(RunnerError, match="no such target") as wrong:
        runner.ready(SOON_S)
    assert wrong.value.exit_code == USAGE


@pytest.mark.parametrize("code", ["sys.exit(0)", "sys.exit(1)", "sys.exit(3)", "1 / 0"])
def test_any_other_early_end_is_no_verdict(tmp_path: Path, code: str) -> None:
    """Python's own exit code for an exception is 1, which must not be read as a verdict."""
    with peer(tmp_path, code) as runner, pytest.raises(RunnerError, match="ended before its ready line") as wrong:
        runner.ready(SOON_S)
    assert wrong.value.exit_code == FAILED


def test_a_runner_that_dies_before_its_verdict_is_no_verdict(tmp_path: Path) -> None:
    with peer(tmp_path, f"{saying(READY)}\ninput()\nsys.exit(1)") as runner:
        assert runner.ready(SOON_S)
        runner.load_ended(1)
        with pytest.raises(RunnerError, match="before its verdict line, with 1") as wrong:
            runner.verdict(SOON_S)
    assert wrong.value.exit_code == FAILED


def test_a_runner_that_is_killed_during_the_load_is_noticed(tmp_path: Path) -> None:
    with peer(tmp_path, f"{saying(READY)}\ninput()") as runner:
        assert runner.ready(SOON_S)
        runner._process.send_signal(signal.SIGKILL)
        runner._process.wait()
        with pytest.raises(RunnerError, match="during the load"):
            runner.check()
        runner.load_ended(1)  # nobody hears it, and that is no error


@pytest.mark.parametrize(
    "said",
    [
        "print('Traceback')",
        "print('[]')",
        saying({"verdict": "pass"}),
        saying({key: value for key, value in READY.items() if key != "t0_ns"}),
        saying(READY | {"producers": "/a"}),
        saying(READY | {"t0_ns": "5"}),
        saying(READY | {"t0_ns": True}),
        saying(READY | {"sustainable_rate_s": "fast"}),
    ],
)
def test_a_ready_line_that_is_none_is_quoted(tmp_path: Path, said: str) -> None:
    with peer(tmp_path, f"{said}\ninput()") as runner, pytest.raises(RunnerError, match="ready line") as wrong:
        runner.ready(SOON_S)
    assert wrong.value.exit_code == FAILED


def test_a_verdict_that_its_exit_code_contradicts_is_no_pass(tmp_path: Path) -> None:
    code = f"{saying(VERDICT | {'verdict': 'pass', 'exit_code': 0})}\nsys.exit(3)"
    with peer(tmp_path, code) as runner, pytest.raises(RunnerError, match="ended with 3"):
        runner.verdict(SOON_S)


def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="can't be started"):
        RunnerProcess([str(tmp_path / "stormproof"), "serve-load"], tmp_path / "log")


def test_leaving_ends_it_by_sigterm(tmp_path: Path) -> None:
    code = "import signal\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\nprint('{}')\ntime.sleep(600)"
    with peer(tmp_path, code) as runner, pytest.raises(RunnerError):
        runner.ready(SOON_S)
    assert runner._process.returncode == 5
