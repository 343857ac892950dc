from pathlib import Path

import pytest

import chaos.binaries
from chaos.binaries import find_redis, find_toxiproxy, server_of
from chaos.errors import HarnessError


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, and the set-up's own is empty."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(chaos.binaries, "BIN", tmp_path / "none")
    return tmp_path


def program(path: Path, says: str) -> None:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)


@pytest.mark.usefixtures("path")
def test_no_redis_says_how_to_get_one() -> None:
    with pytest.raises(HarnessError, match=r"neither redis-server nor valkey-server.*make setup"):
        find_redis()


def test_a_redis_that_is_too_old_is_named_and_refused(path: Path) -> None:
    program(path / "redis-server", "Redis server v=6.2.14 sha=00000000:0 malloc=libc bits=64")
    with pytest.raises(HarnessError, match=r"redis-server is 6\.2\.14, older than 7\.0"):
        find_redis()


def test_valkey_will_do_where_redis_is_too_old(path: Path) -> None:
    program(path / "redis-server", "Redis server v=6.2.14 sha=00000000:0")
    program(path / "valkey-server", "Valkey server v=9.0.1 sha=00000000:0")
    found = find_redis()
    assert (found.product, found.name, found.version) == ("Valkey", "valkey-server", "9.0.1")


def test_a_program_that_says_nonsense_is_refused(path: Path) -> None:
    program(path / "redis-server", "hello")
    with pytest.raises(HarnessError, match="does not tell its version"):
        find_redis()


@pytest.mark.usefixtures("path")
def test_no_toxiproxy_says_how_to_get_it() -> None:
    with pytest.raises(HarnessError, match=r"no toxiproxy-server.*make setup"):
        find_toxiproxy()


def test_a_server_that_runs_somewhere_tells_which_it_is() -> None:
    redis = server_of(Path("redis"), {"redis_version": "7.2.4"})
    valkey = server_of(Path("redis"), {"redis_version": "7.2.4", "valkey_version": "9.1.2", "server_name": "valkey"})
    assert (redis.product, redis.version) == ("Redis", "7.2.4")
    assert (valkey.product, valkey.version) == ("Valkey", "9.1.2")
