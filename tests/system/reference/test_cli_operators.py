"""The operator's verbs of `stormq`: what they do to the raw keys, what they print, their exit codes."""

import json
import shlex
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from system.reference import connect
from system.reference.archive import read_archive
from system.reference.cli import _parser, main
from system.reference.cli_operators import duration_s
from tests.system.reference.letters import age, bury, claim, store
from tests.system.reference.server import Client, RedisServer

DAY_S = 86400.0
HANDBOOK = Path(__file__).parents[3] / "docs" / "operators.md"
Stormq = Callable[..., str]


@pytest.fixture
def stormq(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Stormq:
    """Runs a command in this process; its output, with standard error for another code than 0."""
    monkeypatch.setenv("STORMQ_REDIS_URL", redis_server.url_of("operator"))

    def run(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        try:
            status = main(arguments)
        except SystemExit as left:  # argparse
            status = int(left.code or 0)
        shown = capsys.readouterr()
        assert status == code, shown.err
        return shown.out + shown.err if code else shown.out

    return run


@pytest.fixture
def letters(redis: Client) -> None:
    """Four dead ones: by error, queue, reason and age."""
    bury(redis, "old", "key", queue="a", error_type="KeyError")
    bury(redis, "late", queue="a", kind="timeout", error_type="timeout")
    bury(redis, "mail", queue="b", error_type="smtplib.SMTPException")
    age(redis, "old", 100 * DAY_S, queue="a")


def waiting(redis: Client, queue: str) -> list[str]:
    return list(redis.lrange(f"rq:queue:{queue}", 0, -1))


def dead(redis: Client, queue: str) -> list[str]:
    return list(redis.zrange(f"rq:sp:dead:{queue}", 0, -1))


def last_audit(redis: Client) -> dict[str, str]:
    ((_, fields),) = redis.xrevrange("rq:sp:audit", count=1)
    return dict(fields)


@pytest.mark.usefixtures("letters")
@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), {"old", "key", "late", "mail"}),
        (("b",), {"mail"}),
        (("--error-type", "KeyError"), {"old", "key"}),
        (("--error-type", "SMTPException"), {"mail"}),
        (("--reason", "timeout"), {"late"}),
        (("a", "--died-of", "exhausted", "--older-than", "90d"), {"old"}),
        (("a", "--limit", "1"), {"late"}),
    ],
)
def test_list_by_queue_error_type_reason_and_age(stormq: Stormq, options: tuple[str, ...], found: set[str]) -> None:
    assert {letter["job_id"] for letter in json.loads(stormq("dead", "list", "--json", *options))} == found


@pytest.mark.usefixtures("letters")
def test_list_and_show_are_for_people_too(stormq: Stormq) -> None:
    assert "key  exhausted  (attempts 1, crashes 0, stalls 0)  KeyError: as asked" in stormq("dead", "list")
    shown = stormq("dead", "show", "key")
    assert "attempts_max   1" in shown
    assert "--- run 1 of 1: " in shown
    assert "error KeyError by worker-1" in shown


@pytest.mark.usefixtures("letters")
def test_requeue_one_many_and_all_of_an_error_type(stormq: Stormq, redis: Client) -> None:
    why = ("--reason", "mended", "--actor", "alice")
    assert stormq("dead", "requeue", "mail", *why) == "1 requeued\n"
    assert (waiting(redis, "b"), dead(redis, "b")) == (["mail"], [])
    assert stormq("dead", "requeue", "--error-type", "KeyError", *why) == "2 requeued\n"
    assert (waiting(redis, "a"), dead(redis, "a")) == (["old", "key"], ["late"])
    told = json.loads(stormq("dead", "requeue", "--all", "--json", *why))
    assert told == {"requeued": 1, "refused": {}}
    assert waiting(redis, "a") == ["old", "key", "late"]
    line = last_audit(redis)
    assert (line["actor"], line["action"], line["reason"], line["before"]) == (
        "alice",
        "requeue",
        "mended",
        "dead: timeout",
    )
    assert line["origin"].endswith(" stormq cli")


@pytest.mark.usefixtures("letters")
def test_requeue_by_a_rule_bounded_in_times_number_and_rate(stormq: Stormq, redis: Client) -> None:
    redis.hset("rq:job:key", "requeues", 2)
    rule = ("--queue", "a", "--times-max", "2", "--rate", "6000", "--delay", "10m", "--reason", "rule")
    assert "1 requeued, 1 refused (requeued often enough)" in stormq("dead", "requeue", "--limit", "2", *rule, code=1)
    assert redis.zrange("rq:scheduled:a", 0, -1) == ["old"]
    assert dead(redis, "a") == ["key", "late"]


@pytest.mark.usefixtures("letters")
def test_discard(stormq: Stormq, redis: Client) -> None:
    assert stormq("dead", "discard", "--queue", "b", "--reason", "obsolete") == "1 discarded\n"
    assert dead(redis, "b") == []
    assert "data" not in redis.hgetall("rq:job:mail")
    assert stormq("dead", "discard", "old", "key", "--reason", "obsolete") == "2 discarded\n"
    assert dead(redis, "a") == ["late"]


@pytest.mark.usefixtures("letters")
def test_archive_takes_what_is_older_than_ninety_days(stormq: Stormq, redis: Client, tmp_path: Path) -> None:
    told = json.loads(stormq("dead", "archive", str(tmp_path), "--json"))
    (file,) = tmp_path.iterdir()
    assert told == {"archived": 1, "refused": {}, "files": [f"file://{file}"]}
    assert dead(redis, "a") == ["key", "late"]
    assert last_audit(redis)["action"] == "archive"


CONFIG = """
version = 1

[queues.a]
dead_retention_s = 8640000 # 100 days

[queues.b]
dead_retention_s = 86400

[audit]
archive = "FOLDER"
"""


def test_retention_is_that_of_each_queue_and_the_archive_that_of_the_file(
    stormq: Stormq, redis: Client, tmp_path: Path
) -> None:
    config = tmp_path / "queues.toml"
    config.write_text(CONFIG.replace("FOLDER", str(tmp_path / "archive")))
    for queue in ("a", "b"):
        for name, days in (("old", 101), ("middle", 99), ("young", 0.5)):
            bury(redis, f"{queue}-{name}", queue=queue)
            age(redis, f"{queue}-{name}", days * DAY_S, queue=queue)
    told = json.loads(stormq("dead", "archive", "--config", str(config), "--json"))
    assert told["archived"] == 3
    archived = {letter["job_id"] for file in told["files"] for letter in read_archive(file)}
    assert archived == {"a-old", "b-old", "b-middle"}
    assert (dead(redis, "a"), dead(redis, "b")) == (["a-middle", "a-young"], ["b-young"])
    assert stormq("dead", "archive", "--config", str(config)) == "0 archived\n"
    assert "'c' is not configured" in stormq("dead", "archive", "--config", str(config), "--queue", "c", code=2)


@pytest.mark.usefixtures("letters")
def test_expire_keeps_nothing(stormq: Stormq, redis: Client) -> None:
    assert stormq("dead", "expire") == "1 expired\n"
    assert (dead(redis, "a"), dead(redis, "b")) == (["key", "late"], ["mail"])
    assert [last_audit(redis)[name] for name in ("action", "job", "reason")] == ["expire", "old", "retention"]


@pytest.mark.usefixtures("letters")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dead", "requeue", "--reason", "r"), "which dead letters?"),
        (("dead", "discard", "old", "--all", "--reason", "r"), "which dead letters?"),
        (("dead", "discard", "old"), "--reason"),
        (("dead", "discard", "old", "--reason", " "), "--reason is empty"),
        (("pause", "q", "--reason", ""), "--reason is empty"),
        (("cancel", "old"), "--reason"),
        (("dead", "list", "--older-than", "soon"), "'soon'; allowed: a number and s, m, h, d or w"),
        (("dead", "list", "--died-of", "old-age"), "exhausted"),
        (("dead", "requeue", "--all", "--reason", "r", "--rate", "0"), "allowed: 0.01 to"),
        (("dead", "requeue", "--all", "--reason", "r", "--times-max", "-1"), "allowed: 1 or more"),
        (("dead", "archive", "nosuch://x"), "nosuch"),
        (("dead", "archive"), "no archive is given"),
        (("dead", "expire", "--config", "/nowhere.toml"), "/nowhere.toml"),
        (("audit", "--since", "1y"), "'1y'"),
    ],
)
def test_wrong_usage_is_said_and_does_nothing(
    stormq: Stormq, redis: Client, arguments: tuple[str, ...], said: str
) -> None:
    assert said in stormq(*arguments, code=2)
    assert (dead(redis, "a"), dead(redis, "b")) == (["old", "key", "late"], ["mail"])
    assert redis.xlen("rq:sp:audit") == 0


def test_pause_and_resume(stormq: Stormq, redis: Client) -> None:
    assert stormq("pause", "q", "--reason", "maintenance", "--actor", "alice") == "q paused\n"
    assert redis.hget("rq:sp:ctl:q", "paused_by") == "alice"
    assert "pause q: already paused" in stormq("pause", "q", "--reason", "again", code=1)
    assert json.loads(stormq("resume", "q", "--reason", "done", "--json")) == {
        "queue": "q",
        "outcome": "resumed",
        "epoch": 2,
    }
    assert not redis.hexists("rq:sp:ctl:q", "paused")
    assert "not paused" in stormq("resume", "q", "--reason", "done", code=1)


def test_cancel(stormq: Stormq, redis: Client) -> None:
    store(redis, "runs")
    claim(redis)
    store(redis, "waits")
    assert stormq("cancel", "waits", "--reason", "r") == "waits cancelled\n"
    assert stormq("cancel", "runs", "--reason", "r").startswith("runs requested: its worker ends it")
    assert redis.zrange("rq:canceled:q", 0, -1) == ["waits"]
    assert "cancel absent: no such job" in stormq("cancel", "absent", "--reason", "r", code=1)
    assert last_audit(redis)["outcome"] == "refused: no such job"


def test_audit(stormq: Stormq) -> None:
    assert stormq("audit") == "no entries\n"
    stormq("pause", "a", "--reason", "one", "--actor", "alice")
    stormq("pause", "b", "--reason", "two", "--actor", "bob")
    stormq("pause", "b", "--reason", "three", "--actor", "bob", code=1)
    assert "bob  pause  b  paused -> refused: already paused  (three)" in stormq("audit", "--limit", "1")
    (entry,) = json.loads(
        stormq("audit", "--json", "--actor", "alice", "--queue", "a", "--action", "pause", "--since", "1h")
    )
    assert (entry["reason"], entry["outcome"], entry["before"]) == ("one", "applied", "open")
    assert json.loads(stormq("audit", "--json", "--job", "none")) == []


def test_key_makes_a_line_that_a_key_file_may_have(
    stormq: Stormq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_server: RedisServer
) -> None:
    path = tmp_path / "keys"
    path.write_text(stormq("key", "2026-11"))
    monkeypatch.setenv("STORMQ_KEY_FILE", str(path))
    stormq("enqueue", "q", "operator.add", '"needle"', '"x"', "--job-id", "j")
    data = connect(redis_server.url_of("operator")).hget("rq:job:j", "data")
    assert isinstance(data, bytes)
    assert b"stormq-sealed:v1:2026-11:" in zlib.decompress(data)
    path.write_text("2026-11:short\n")
    assert "line 1" in stormq("enqueue", "q", "operator.add", code=2)


@pytest.mark.unit
@pytest.mark.parametrize(("text", "seconds"), [("90d", 7_776_000), ("1.5h", 5400), ("30m", 1800), ("45", 45)])
def test_durations(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.unit
@pytest.mark.parametrize(
    "line", [line for line in HANDBOOK.read_text("utf-8").splitlines() if line.startswith("stormq ")]
)
def test_commands_of_the_handbook_are_understood(line: str) -> None:
    assert callable(_parser().parse_args(shlex.split(line)[1:]).run)
