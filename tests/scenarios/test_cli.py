"""The command line's bad paths: one clear message each, the documented exit code, no traceback, nothing started."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from scenarios.cli import main
from scenarios.exit_codes import Exit

STORMPROOF = Path(sys.executable).with_name("stormproof")


def stormproof(*words: str | Path, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    done = subprocess.run(
        [STORMPROOF, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **(env or {})},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def test_a_target_that_does_not_exist_is_told_with_those_that_do(tmp_path: Path) -> None:
    code, _, error = stormproof("run", "--target", "nonexistent", "--out", tmp_path)
    assert code == Exit.USAGE
    assert "no such target. Built in: reference, rq; or the path of an adapter" in error
    assert not list(tmp_path.iterdir())


def test_a_scenario_file_with_three_errors_tells_all_three(tmp_path: Path) -> None:
    path = tmp_path / "scenario_bad.py"
    path.write_text(
        """
from stormproof_target.spec import succeeds
from chaos.faults.registry import kill
from loadtests.arrivals import constant
from scenarios.scenario import Scenario
BAD = Scenario(
    name="bad", claim="c", stands_for="s",
    load=constant(rate_s=10, for_s=2, jobs={succeeds(): 1}),
    faults=[kill("sloth").at(s=1)],
    reach=["retires >= 1"],
    objectives=["p95 < 3s"],
)
"""
    )
    code, _, error = stormproof("validate", "--file", path)
    assert code == Exit.USAGE
    lines = error.strip().splitlines()
    assert len(lines) == 3
    assert all(f"{path}: bad: " in line for line in lines)
    assert "one of slot, supervisor, tree is needed" in lines[0]
    assert "no situation 'retires'; there are runs, retries," in lines[1]
    assert "'p95 < 3s'" in lines[2]


def test_a_scenario_file_that_is_no_python_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "scenario_bad.py"
    path.write_text("x = 1\nthis is no python\n")
    code, _, error = stormproof("validate", "--file", path)
    assert (code, f"{path}:2: SyntaxError" in error) == (Exit.USAGE, True)
    path.write_text("x = 1\n")
    assert "no Scenario at its top level" in stormproof("validate", "--file", path)[2]
    assert "No such file" in stormproof("validate", "--file", tmp_path / "missing.py")[2]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("raise SystemExit('I will not')", "ended with 1; it said:\n  I will not"),
        ("print('hello')", "must print one JSON object: it printed 'hello"),
        ("print('{\"protocol\": 9}')", "protocol is 9; 1 is spoken here; name: a non-empty string is needed"),
    ],
)
def test_a_target_that_dies_or_answers_nonsense_is_told_as_what_it_is(tmp_path: Path, text: str, told: str) -> None:
    adapter = tmp_path / "adapter.py"
    adapter.write_text(text)
    code, _, error = stormproof("run", "--target", adapter, "--out", tmp_path / "out")
    assert code == Exit.USAGE
    assert told in error


def test_a_target_whose_producer_dies_at_once_is_told_with_what_it_said(tmp_path: Path) -> None:
    """It describes itself well, and then can't serve: exit 2, since it is the target's fault and not the queue's."""
    adapter = tmp_path / "adapter.py"
    adapter.write_text(
        """
import sys
from stormproof_target import Promise, Target
class Dying(Target):
    name, version = "dying", "1"
    libraries = ("redis",)
    def promise(self):
        return Promise()
if sys.argv[1] == "produce":
    sys.exit("no producer today")
Dying.main()
"""
    )
    code, _, error = stormproof("run", "--target", adapter, "--scenario", "steady", "--out", tmp_path / "out")
    assert code == Exit.USAGE
    assert "it ended before it listened" in error
    assert "no producer today" in error


def test_without_a_redis_server_the_message_says_how_to_get_one(tmp_path: Path) -> None:
    """The harness finds none on the path, nor in a set-up that is not there."""
    script = f"""
import sys
from pathlib import Path
import chaos.binaries
chaos.binaries.BIN = Path({str(tmp_path)!r})
from scenarios.cli import main
sys.exit(main(["run", "--scenario", "steady", "--out", {str(tmp_path / "out")!r}]))
"""
    toxiproxy = tmp_path / "toxiproxy-server"
    from chaos.binaries import find_toxiproxy

    toxiproxy.symlink_to(find_toxiproxy().path)
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PATH": str(tmp_path)},
    )
    assert done.returncode == Exit.HARNESS, done.stderr
    assert "no Redis server to be had" in done.stderr
    assert "`make setup` fetches one, or install redis-server >= 7.0" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_out_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, error = stormproof("run", "--scenario", "steady", "--out", tmp_path / "file" / "out")
    assert code == Exit.HARNESS
    assert "choose another folder by --out" in error


def test_a_redis_that_we_did_not_start_is_refused_without_consent(tmp_path: Path) -> None:
    code, _, error = stormproof("run", "--redis-url", "redis://127.0.0.1:6379/0", "--out", tmp_path)
    assert code == Exit.HARNESS
    assert "was not started by the harness" in error
    code, _, error = stormproof(
        "run", "--redis-url", "redis://10.1.2.3:6379/0", "--i-may-break-this-redis", "--out", tmp_path
    )
    assert code == Exit.HARNESS
    assert "refused, whatever the options" in error


def test_a_policy_with_errors_costs_nothing_but_the_message(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('name = "mine"\n[[objective]]\nmust = "losst == 0"\n[[objective]]\nmust = "recovery < 3"\n')
    code, _, error = stormproof("run", "--scenario", "steady", "--policy", policy, "--out", tmp_path / "out")
    assert code == Exit.USAGE
    assert error.count(str(policy)) == 2


def test_check_and_report_say_which_run_they_miss(tmp_path: Path) -> None:
    for command in ("check", "report"):
        code, _, error = stormproof(command, tmp_path)
        assert code == Exit.USAGE
        assert "run.json" in error


def test_a_bug_of_the_harness_is_no_verdict_on_the_queue(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An exception that nobody expected would leave Python with 1, the code of a fail."""
    monkeypatch.setattr("scenarios.commands.doctor.look", lambda: 1 / 0)
    assert main(["doctor"]) == Exit.HARNESS
    assert "says nothing about the queue" in capsys.readouterr().err


def test_doctor_finds_what_a_run_needs() -> None:
    code, said, _ = stormproof("doctor")
    assert code == Exit.PASS, said
    assert "✓ Redis" in said
    assert "✓ Toxiproxy" in said


def test_a_reader_that_goes_is_no_error_and_no_verdict() -> None:
    with subprocess.Popen([STORMPROOF, "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        listing.stdout.close()
        assert listing.stderr.read() == b""
    assert listing.returncode == Exit.UNREAD


def test_list_and_plan_say_what_there_is() -> None:
    code, said, _ = stormproof("list")
    assert code == Exit.PASS
    for word in ("workers_killed", "redis_down", "duplicates", "zombies reported late", "hard_timeout"):
        assert word in said
    code, said, _ = stormproof("validate", "--plan", "--target", "rq", "--seed", "7")
    assert code == Exit.PASS
    assert "not applicable without hard_timeout" in said


def test_a_redis_of_ones_own_is_used_with_consent_left_alive_and_left_empty(tmp_path: Path) -> None:
    """Faults on links strike; one that would kill the server is left out, and said; a database with keys is refused."""
    from redis import Redis

    from chaos.campaign import Campaign
    from chaos.environment.redis_server import native_redis

    with Campaign(f"own-{os.getpid()}") as campaign:
        store = native_redis(campaign, tmp_path / "redis", campaign.ports.take(), "always")
        (tmp_path / "redis" / "logs").mkdir(parents=True)
        store.start()
        words = ("run", "--redis-url", store.url, "--i-may-break-this-redis", "--out", tmp_path / "out", "--seed", "3")
        with Redis.from_url(store.url) as client:
            client.set("mine", 1)
            code, _, error = stormproof(*words, "--scenario", "steady")
            assert code == Exit.HARNESS
            assert "holds 1 keys" in error
            client.delete("mine")
            code, said, error = stormproof(*words, "--scenario", "redis_disconnects")
            assert code == Exit.PASS, said + error
            assert client.dbsize() == 0
        assert store.alive
        store.close()


def test_ports_that_are_all_taken_are_told_with_the_range_and_how_to_name_another(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        env = {"STORMPROOF_PORTS": f"{port}-{port}"}
        code, _, error = stormproof("run", "--scenario", "steady", "--out", tmp_path, env=env)
    assert code == Exit.HARNESS
    assert f"no free port: all 1 of {port} to {port} are in use" in error
    assert "STORMPROOF_PORTS=" in error


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a disk that is small enough to fill")
def test_a_full_disk_is_told_as_what_it_is_and_never_passes(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", tmp_path], check=True)
    try:
        code, _, error = stormproof("run", "--scenario", "steady", "--out", tmp_path / "out")
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)
    assert code == Exit.HARNESS
    # whoever meets it first tells: Redis, a ledger's writer, or the harness with its own files
    assert any(words in error for words in ("MiB", "free space", "No space left")), error
