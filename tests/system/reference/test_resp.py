"""The workers' own connection: every way of addressing Redis, and what each failure is called."""
# passwords of servers that live as long as a test

import socket
import threading
from pathlib import Path

import pytest

from system.reference import Scripts, load
from system.reference.endpoint import parse
from system.reference.link import Link, LinkDown
from system.reference.resp import Connection, ReplyError
from tests.system.reference.server import Client, RedisServer

NO_SCRIPTS = Scripts({}, {})


def link(url: str, timeout_s: float = 2.0) -> Link:
    return Link(url, "stormq:test:slot:1", load(), timeout_s)


def test_database_and_name(redis_server: RedisServer, redis: Client) -> None:
    there = link(redis_server.stock_url.replace("/0", "/5"))
    assert there.exchange([("SET", "k", "v"), ("CLIENT", "GETNAME")]) == [b"OK", b"stormq:test:slot:1"]
    assert redis.exists("k") == 0
    redis.select(5)
    assert redis.get("k") == "v"


def test_password_of_a_file_is_read_at_each_connecting(
    redis_server: RedisServer, redis: Client, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    redis.acl_setuser("rotated", enabled=True, passwords=["+p@ss"], commands=["+ping", "+client|setname"])
    there = Link(f"redis://rotated@127.0.0.1:{redis_server.port}/0?password_file={secret}", "test", NO_SCRIPTS, 2.0)
    with pytest.raises(LinkDown, match="No such file"):
        there.exchange([("PING",)])
    secret.write_text("guess\n")
    with pytest.raises(LinkDown, match="WRONGPASS"):
        there.exchange([("PING",)])
    secret.write_text("p@ss\n")
    assert there.exchange([("PING",)]) == [b"PONG"]
    with pytest.raises(LinkDown, match="NOPERM"):
        link(f"redis://rotated:p%40ss@127.0.0.1:{redis_server.port}/0").exchange([("PING",)])
    redis.acl_deluser("rotated")


def test_error_of_one_command_spoils_no_other(redis_server: RedisServer, redis: Client) -> None:
    redis.set("text", "x")
    first, second, third = link(redis_server.stock_url).exchange([("PING",), ("LPUSH", "text", "y"), ("GET", "text")])
    assert (first, third) == (b"PONG", b"x")
    assert isinstance(second, ReplyError)
    assert second.code == "WRONGTYPE"


def test_server_that_was_demoted_is_left(redis_server: RedisServer, redis: Client) -> None:
    """A replica answers, but takes no writes: only a new connection can lead to its successor."""
    there = link(redis_server.stock_url)
    (before,) = there.exchange([("CLIENT", "ID")])
    redis.replicaof("127.0.0.1", 1)
    try:
        (refusal,) = there.exchange([("SET", "k", "v")])
        assert isinstance(refusal, ReplyError)
        assert refusal.code == "READONLY"
    finally:
        redis.replicaof("NO", "ONE")
    assert there.exchange([("CLIENT", "ID")]) != [before]


def test_reply_larger_than_one_read(redis_server: RedisServer) -> None:
    big = b"x" * 3_000_000
    assert link(redis_server.stock_url).exchange([("SET", "big", big), ("GET", "big")]) == [b"OK", big]


def test_silence_is_an_end_not_a_wait() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf, pytest.raises(LinkDown, match="imed out"):
        link(f"redis://127.0.0.1:{deaf.getsockname()[1]}", 0.1).exchange([("PING",)])


def test_connection_that_ends_is_made_anew(redis_server: RedisServer, redis: Client) -> None:
    there = link(redis_server.stock_url)
    there.exchange([("PING",)])
    redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    with pytest.raises(LinkDown):
        there.exchange([("PING",)])
    assert there.exchange([("PING",)]) == [b"PONG"]


def test_unix_socket(tmp_path: Path, redis_server: RedisServer) -> None:
    path = tmp_path / "redis.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def relay() -> None:
            client, _ = listener.accept()
            with client, socket.create_connection(("127.0.0.1", redis_server.port)) as upstream:
                while data := client.recv(65536):
                    upstream.sendall(data)
                    client.sendall(upstream.recv(65536))

        threading.Thread(target=relay, daemon=True).start()
        connection = Connection(parse(f"unix://{path}"), "unix", 2.0)
        connection.open([])
        assert connection.exchange([("PING",)], 0.0) == [b"PONG"]
        connection.close()
