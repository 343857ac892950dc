import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from chaos.procfs import belonging, established, is_alive, process, variables

from .conftest import wait_for

MARK = f"STORMPROOF_TEST=procfs-{os.getpid()}"
TREE = """
import os, subprocess, sys
subprocess.Popen(["/bin/sleep", "600"], env={})
print("ready", flush=True)
sys.stdin.read()
"""
WAITING = """
import sys
print("ready", flush=True)
sys.stdin.read()
"""
CLOBBER = """
import ctypes, sys
# what programs do that set their title: write over the memory in which the environment was handed to them
stat = open("/proc/self/stat", "rb").read().rsplit(b")", 1)[1].split()
start, end = int(stat[47]), int(stat[48])  # env_start, env_end
ctypes.memset(start, 0, end - start)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[bytes]]]:
    found: list[subprocess.Popen[bytes]] = []
    yield found
    for child in found:
        for each in belonging([MARK], {child.pid}):
            os.kill(each.pid, 9)
        child.kill()
        child.wait()


def start(program: str, children: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    name, _, value = MARK.partition("=")
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", program],
        env={name: value},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    children.append(child)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    return child


def test_a_mark_finds_a_process_and_its_child_with_an_empty_environment(
    children: list[subprocess.Popen[bytes]],
) -> None:
    child = start(TREE, children)
    found = belonging([MARK])
    assert child.pid in {each.pid for each in found}
    assert len(found) == 2


def test_all_marks_must_be_carried(children: list[subprocess.Popen[bytes]]) -> None:
    start(TREE, children)
    assert belonging([MARK, "STORMPROOF_OTHER=1"]) == []


def test_a_process_that_overwrote_its_environment_is_known_by_its_session(
    children: list[subprocess.Popen[bytes]],
) -> None:
    child = start(CLOBBER, children)
    assert variables(child.pid) == {}
    assert belonging([MARK]) == []
    assert [each.pid for each in belonging([MARK], {child.pid})] == [child.pid]


def test_a_foreign_process_is_not_taken_for_ours_by_its_session_number_alone(
    children: list[subprocess.Popen[bytes]],
) -> None:
    child = start(WAITING, children)  # alone in its session: in ours there are servers of other tests
    assert belonging(["STORMPROOF_OTHER=1"], {child.pid}) == []


def test_a_process_that_may_not_be_read_is_nobody_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    me = process(os.getpid())
    assert me is not None
    monkeypatch.setattr("chaos.procfs._environ", lambda _pid: None)
    assert belonging([MARK], {me.session}) == []
    monkeypatch.setattr("chaos.procfs._environ", lambda _pid: b"")
    assert me.pid in {each.pid for each in belonging([MARK], {me.session})}


def test_a_zombie_is_not_alive(children: list[subprocess.Popen[bytes]]) -> None:
    child = subprocess.Popen(["/bin/true"])
    children.append(child)
    wait_for(lambda: (now := process(child.pid)) is not None and now.state == "Z")
    now = process(child.pid)
    assert now is not None
    assert not is_alive(child.pid, now.start)


def test_another_process_under_the_same_number_is_not_it() -> None:
    me = process(os.getpid())
    assert me is not None
    assert is_alive(me.pid, me.start)
    assert not is_alive(me.pid, me.start - 1)


def test_established_names_the_clients_of_one_listener() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("127.0.0.1", 0)) as other:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client, socket.create_connection(other.getsockname()):
            assert established(port) == {client.getsockname()[1]}
            accepted, _ = listener.accept()
            accepted.close()
            client.close()
            wait_for(lambda: not established(port))
