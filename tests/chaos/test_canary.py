import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.binaries import find_redis
from chaos.campaign import Campaign
from chaos.canary import DATABASE, KEY, Canary
from chaos.environment.redis_server import RedisServer, connect
from chaos.errors import HarnessError

from .conftest import wait_for


@pytest.fixture
def server(campaign: Campaign, tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(
        campaign, find_redis(), tmp_path / "redis", campaign.ports.take(), "always", tmp_path / "redis.log"
    )
    server.start()
    yield server
    server.kill()


@pytest.fixture
def canary(server: RedisServer, tmp_path: Path) -> Iterator[Canary]:
    with Canary("127.0.0.1", server.port, "redis", tmp_path / "canary.jsonl", every_s=0.002) as canary:
        yield canary


def numbers(canary: Canary, phase: str) -> list[int]:
    lines = [json.loads(line) for line in canary.path.read_text().splitlines()]
    return [line["n"] for line in lines if line["e"] == "canary" and line["phase"] == phase]


def roll_back(server: RedisServer, *lost: int) -> None:
    with connect(server.port, db=DATABASE) as client:
        for number in lost:
            client.setbit(KEY, number, 0)


def test_every_number_is_sent_acknowledged_and_found_again(canary: Canary) -> None:
    wait_for(lambda: canary.acked > 50)
    assert canary.finish() == 0
    assert numbers(canary, "sent") == numbers(canary, "acked") == list(range(1, canary.sent + 1))
    assert numbers(canary, "missing") == []


def test_what_the_store_lost_is_told_exactly_and_once(canary: Canary, server: RedisServer) -> None:
    wait_for(lambda: canary.acked > 40)
    lost = [3, 7, 8, 15, 16, 33]
    roll_back(server, *lost)
    assert canary.finish() == len(lost)
    assert canary.finish() == len(lost)
    assert numbers(canary, "missing") == lost


def test_a_store_that_is_down_leaves_numbers_that_were_sent_and_never_acknowledged(
    canary: Canary, server: RedisServer
) -> None:
    wait_for(lambda: canary.acked > 5)
    server.kill()
    acked = canary.acked
    wait_for(lambda: canary.sent > acked + 5)
    server.start()
    wait_for(lambda: canary.acked > acked + 5)
    assert canary.finish() == 0
    assert len(numbers(canary, "sent")) - len(numbers(canary, "acked")) >= 4
    assert canary.error is None


def test_a_loss_is_told_after_the_outage_not_only_at_the_end(canary: Canary, server: RedisServer) -> None:
    wait_for(lambda: canary.acked > 20)
    roll_back(server, 10, 11)
    server.kill()
    sent = canary.sent
    wait_for(lambda: canary.sent > sent)
    server.start()
    wait_for(lambda: canary.missing == 2)
    assert numbers(canary, "missing") == [10, 11]


def test_a_store_that_lost_everything_is_told_so(canary: Canary, server: RedisServer) -> None:
    wait_for(lambda: canary.acked > 20)
    with connect(server.port) as client:
        client.flushall()
    canary.finish()
    assert numbers(canary, "missing")[:20] == list(range(1, 21))


def test_a_canary_of_a_dead_store_ends_in_bounded_time_and_accuses_nobody(canary: Canary, server: RedisServer) -> None:
    wait_for(lambda: canary.acked > 5)
    server.kill()
    assert canary.finish() == 0


def test_the_target_s_keyspace_is_left_alone(canary: Canary, server: RedisServer) -> None:
    wait_for(lambda: canary.acked > 5)
    with connect(server.port) as client:
        assert client.dbsize() == 0


def test_a_canary_without_a_ledger_does_not_sing(server: RedisServer, tmp_path: Path) -> None:
    (tmp_path / "full.jsonl").symlink_to("/dev/full")
    with (
        pytest.raises(HarnessError, match="No space left"),
        Canary("127.0.0.1", server.port, "redis", tmp_path / "full.jsonl"),
    ):
        pass


def test_a_canary_that_has_stopped_says_so(
    canary: Canary, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing missing among nothing written is no evidence that anything survived."""
    wait_for(lambda: canary.acked > 5)

    def broken(*_: object) -> None:
        raise ValueError("a bug of the client")

    monkeypatch.setattr(canary._client, "setbit", broken)  # what it can't be told to do
    wait_for(lambda: canary.error is not None)
    canary.finish()
    assert canary.read_back
    server.kill()
    canary.finish()
    assert not canary.read_back
