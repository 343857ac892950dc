import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.binaries import find_redis
from chaos.campaign import Campaign
from chaos.environment.redis_server import RedisServer, connect
from chaos.errors import HarnessError
from chaos.probe import ping_s


@pytest.fixture
def server(campaign: Campaign, tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(
        campaign, find_redis(), tmp_path / "redis", campaign.ports.take(), "always", tmp_path / "redis.log"
    )
    yield server
    server.kill()


def test_what_was_acknowledged_before_sigkill_is_there_after_the_start(server: RedisServer) -> None:
    server.start()
    with connect(server.port) as client:
        for number in range(100):
            client.set(f"key-{number}", number)
    first = server.pid
    server.kill()
    server.start()
    assert server.pid != first
    with connect(server.port) as client:
        assert client.dbsize() == 100


def test_it_is_durable_as_declared_listens_on_loopback_and_saves_no_snapshots(server: RedisServer) -> None:
    server.start()
    with connect(server.port) as client:
        wanted = {"appendonly": "yes", "appendfsync": "always", "save": "", "bind": "127.0.0.1"}
        assert {key: client.config_get(key)[key] for key in wanted} == wanted


def test_kill_and_start_are_idempotent(server: RedisServer) -> None:
    server.start()
    first = server.pid
    server.start()
    assert server.pid == first
    server.kill()
    server.kill()
    assert not server.alive
    assert server.client_list() == []


def test_a_data_folder_that_can_not_be_made_is_one_clear_message(server: RedisServer) -> None:
    server.directory.write_text("a file where a folder should be")
    with pytest.raises(HarnessError, match="data folder can't be made"):
        server.start()


def test_a_server_that_dies_at_its_start_shows_the_end_of_its_log(server: RedisServer) -> None:
    appended = server.directory / "appendonlydir"
    appended.mkdir(parents=True)
    (appended / "appendonly.aof.manifest").write_text("nonsense\n")
    with pytest.raises(HarnessError, match=r"ended with 1 at its start; the end of .*redis\.log:\n(.*\n)*.*AOF"):
        server.start()


def test_a_port_that_was_taken_meanwhile_is_named(server: RedisServer, campaign: Campaign, tmp_path: Path) -> None:
    server.start()
    second = RedisServer(campaign, server.binary, tmp_path / "second", server.port, "always", tmp_path / "second.log")
    with pytest.raises(HarnessError, match=f"on port {server.port} ended with 1"):
        second.start()


def test_only_a_death_that_nobody_ordered_is_the_harness_s_failure(server: RedisServer) -> None:
    server.start()
    server.check()
    server.kill()
    server.check()
    server.start()
    os.kill(server.pid, signal.SIGTERM)
    assert server._child is not None
    server._child.wait()
    with pytest.raises(HarnessError, match="died by itself"):
        server.check()


def test_a_probe_of_a_dead_server_has_no_answer(server: RedisServer) -> None:
    assert ping_s("127.0.0.1", server.port) is None
    server.start()
    delay_s = ping_s("127.0.0.1", server.port)
    assert delay_s is not None
    assert delay_s > 0
