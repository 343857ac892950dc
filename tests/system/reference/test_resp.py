"""The workers' own connection: every way of addressing Redis, and what each failure is called."""
# passwords of servers that live as long as a test

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from system.reference import load
from system.reference.endpoint import parse
from system.reference.link import Link, LinkDown
from system.reference.resp import Connection, ReplyError
from tests.system.reference.server import Client, RedisServer


def link(url: str, timeout_s: float = 2.0) -> Link:
    return Link(url, "stormq:test:slot:1", load(), timeout_s)


def test_database_and_name(redis_server: RedisServer, redis: Client) -> None:
    there = link(redis_server.url.replace("/0", "/5"))
    assert there.exchange([("SET", "k", "v"), ("CLIENT", "GETNAME")]) == [b"OK", b"stormq:test:slot:1"]
    assert redis.exists("k") == 0
    redis.select(5)
    assert redis.get("k") == "v"


def test_password(redis_server: RedisServer, redis: Client) -> None:
    redis.config_set("requirepass", "p@ss")
    try:
        url = redis_server.url.replace("redis://", "redis://:p%40ss@")
        assert link(url).exchange([("PING",)]) == [b"PONG"]
        with pytest.raises(LinkDown, match="NOAUTH"):
            link(redis_server.url).exchange([("PING",)])
        with pytest.raises(LinkDown, match="WRONGPASS"):
            link(url.replace("p%40ss", "guess")).exchange([("PING",)])
    finally:
        redis.config_set("requirepass", "")


def test_error_of_one_command_spoils_no_other(redis_server: RedisServer, redis: Client) -> None:
    redis.set("text", "x")
    first, second, third = link(redis_server.url).exchange([("PING",), ("LPUSH", "text", "y"), ("GET", "text")])
    assert (first, third) == (b"PONG", b"x")
    assert isinstance(second, ReplyError)
    assert second.code == "WRONGTYPE"


def test_server_that_was_demoted_is_left(redis_server: RedisServer, redis: Client) -> None:
    """A replica answers, but takes no writes: only a new connection can lead to its successor."""
    there = link(redis_server.url)
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
    assert link(redis_server.url).exchange([("SET", "big", big), ("GET", "big")]) == [b"OK", big]


def test_silence_is_an_end_not_a_wait() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf, pytest.raises(LinkDown, match="imed out"):
        link(f"redis://127.0.0.1:{deaf.getsockname()[1]}", 0.1).exchange([("PING",)])


def test_connection_that_ends_is_made_anew(redis_server: RedisServer, redis: Client) -> None:
    there = link(redis_server.url)
    there.exchange([("PING",)])
    redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    with pytest.raises(LinkDown):
        there.exchange([("PING",)])
    assert there.exchange([("PING",)]) == [b"PONG"]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Key and self-signed certificate of 127.0.0.1, in one file."""
    pem = tmp_path / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    try:
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl program to make a certificate with")
    pem.write_bytes((tmp_path / "key.pem").read_bytes() + (tmp_path / "cert.pem").read_bytes())
    return pem


@pytest.fixture
def tls_port(certificate: Path, redis_server: RedisServer) -> Iterator[int]:
    """A TLS end before Redis, for any number of connections."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(plain, server_side=True) as client:
                    upstream = socket.create_connection(("127.0.0.1", redis_server.port))
                    while data := client.recv(65536):
                        upstream.sendall(data)
                        client.sendall(upstream.recv(65536))
            except OSError:
                continue

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def test_tls_checks_the_certificate(tls_port: int, certificate: Path) -> None:
    def ping(options: str) -> object:
        connection = Connection(parse(f"rediss://127.0.0.1:{tls_port}/0{options}"), "tls", 2.0)
        connection.open([])
        return connection.exchange([("PING",)], 0.0)

    assert ping(f"?ssl_ca_certs={certificate.with_name('cert.pem')}") == [b"PONG"]
    assert ping("?ssl_cert_reqs=none") == [b"PONG"]
    with pytest.raises(ssl.SSLCertVerificationError):
        ping("")


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
