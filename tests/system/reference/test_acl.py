"""The shipped ACL file: enough for each role, as all tests here show since they run under it; and no more."""

import re
import subprocess
import sys
from functools import cache

import pytest
from redis.exceptions import NoPermissionError, ResponseError

from system.reference import Queue, connect, load
from system.reference.scripts import HOME, TRANSITIONS
from tests.system.reference import jobs
from tests.system.reference.calls import ISO, START_US
from tests.system.reference.server import ACL, Client, RedisServer, contents

CONNECTING = {"client|setname", "select", "ping", "role", "info", "evalsha", "script|load"}
ROLES = {
    "producer": ({"enqueue"}, {"wait"}),
    "worker": (
        {"claim", "heartbeat", "complete", "fail", "release", "abort", "slot_dead", "sweep", "promote", "clean"}
        | {"register", "discard"},
        {"blpop", "sadd", "srem", "expire", "hmget"},
    ),
    "operator": (
        {"cancel", "pause", "resume", "requeue", "discard", "register", "enqueue"},
        {"wait", "multi", "exec", "hgetall", "smembers", "xrange", "xrevrange", "zcard", "zcount", "lindex", "pttl"}
        | {"zrange", "zrangebyscore"},
    ),
}


def granted(role: str) -> set[str]:
    (line,) = (line for line in ACL.read_text("utf-8").splitlines() if line.startswith(f"user stormq-{role} "))
    return {token[1:] for token in line.split() if token.startswith("+")}


def called(text: str) -> set[str]:
    return {name.lower() for name in re.findall(r"redis\.p?call\('([A-Z]+)'", text)}


@cache
def used_by(transition: str) -> frozenset[str]:
    """The commands of a script: its own, the prelude's, and those of the prelude's functions that it reaches."""
    head, *functions = re.split(r"\n(?=local function )", (HOME / "prelude.lua").read_text("utf-8"))
    bodies = {body.split()[2].partition("(")[0]: body for body in functions}
    found, todo = called(head), [(HOME / f"{transition}.lua").read_text("utf-8")]
    while todo:
        text = todo.pop()
        found |= called(text)
        reached = [name for name in bodies if re.search(rf"\b{name}\(", text)]
        todo += [bodies.pop(name) for name in reached]
    return frozenset(found)


@pytest.mark.unit
@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_granted_what_its_scripts_call_and_no_more(role: str) -> None:
    transitions, own = ROLES[role]
    needed = CONNECTING | own | {name for each in transitions for name in used_by(each)}
    assert granted(role) == needed


@pytest.mark.unit
def test_every_transition_is_somebodys() -> None:
    assert {name for transitions, _ in ROLES.values() for name in transitions} == set(TRANSITIONS)


@pytest.mark.unit
def test_nobody_can_log_in_before_passwords_are_set() -> None:
    lines = ACL.read_text("utf-8").splitlines()
    assert [line.split()[1] for line in lines] == ["default", *(f"stormq-{role}" for role in ROLES)]
    assert all(line.split()[2] == "off" and "nopass" not in line and ">" not in line for line in lines)


@pytest.mark.parametrize("role", ROLES)
def test_no_role_may_look_around_or_leave_the_prefix(redis_server: RedisServer, redis: Client, role: str) -> None:
    redis.set("other", "1")
    client: Client = connect(redis_server.url_of(role))
    assert client.ping()
    for command in (
        ("FLUSHALL",), ("KEYS", "*"), ("SCAN", "0"), ("CONFIG", "GET", "*"), ("EVAL", "return 1", "0"), ("ACL", "LIST"),
        ("CLIENT", "LIST"), ("SHUTDOWN",), ("REPLICAOF", "NO", "ONE"), ("MONITOR",),
        ("HGET", "other", "f"), ("PUBLISH", "c", "m"), ("SCRIPT", "FLUSH"),
    ):  # fmt: skip
        with pytest.raises(NoPermissionError):
            client.execute_command(*command)
    assert redis.get("other") == "1"


def test_a_producer_can_neither_take_jobs_nor_pause(redis_server: RedisServer, redis: Client) -> None:
    queue = Queue("default", redis_server.url_of("producer"))
    queue.enqueue(jobs.nothing, job_id="j")
    before = contents(redis)
    client: Client = connect(redis_server.url_of("producer"))
    scripts = load()
    for transition, *arguments in (
        ("claim", "slot", 1, 1_000_000, "w", "", ISO, "default"),
        ("pause", "default", "0", "r", "me", "here", "why"),
        ("cancel", "default", "j", "0", 2 * START_US, 60, ISO, "me", "here", "why"),
    ):
        redis.script_load(scripts.texts[str(transition)])
        with pytest.raises(ResponseError, match="can't run"):
            client.execute_command(*scripts.call(str(transition), *arguments))
    assert contents(redis) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("enqueue", "default", "operator.add", "1", "2", "--job-id", "k"),
        ("info",),
        ("dead", "list"),
        ("pause", "default", "--reason", "test"),
        ("audit",),
    ],
)
def test_operators_commands_need_no_more(redis_server: RedisServer, arguments: tuple[str, ...]) -> None:
    Queue("default", redis_server.url_of("producer")).enqueue(jobs.nothing, job_id="j")
    command = [sys.executable, "-m", "system.reference.cli", *arguments, "--redis-url", redis_server.url_of("operator")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
