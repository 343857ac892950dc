import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.binaries import Binary, find_redis
from chaos.campaign import Campaign
from chaos.environment.redis_server import RedisServer, connect
from chaos.errors import HarnessError
from chaos.proxy.toxiproxy import ProxyLink, ToxiproxyError, ToxiproxyServer

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
def link(toxiproxy: ToxiproxyServer, server: RedisServer) -> ProxyLink:
    return toxiproxy.link("scenario-worker-0", "worker-0", server.port)


def test_a_link_leads_to_redis(link: ProxyLink) -> None:
    with connect(link.port) as client:
        assert client.ping()
        assert len(link.connections()) == 1


def test_a_cut_drops_connections_and_refuses_new_ones_until_mended(link: ProxyLink) -> None:
    with connect(link.port) as client:
        client.ping()
        link.cut("fault-1")
        assert link.connections() == frozenset()
        assert link.probe() is None
        link.mend("fault-1")
        assert link.probe() is not None


def test_a_link_that_two_faults_cut_is_down_until_both_are_healed(link: ProxyLink) -> None:
    link.cut("fault-1")
    link.cut("fault-2")
    link.mend("fault-1")
    assert link.probe() is None
    link.mend("fault-1")
    link.mend("fault-2")
    assert link.probe() is not None


def test_latency_is_seen_and_taken_back(link: ProxyLink) -> None:
    link.poison("fault-1", "latency", {"latency": 60, "jitter": 0})
    delay_s = link.probe()
    assert delay_s is not None
    assert delay_s >= 0.06
    link.cure("fault-1")
    link.cure("fault-1")
    link.expect(enabled=True, toxics={})


def test_reset_peer_ends_a_connection_at_its_next_byte(link: ProxyLink) -> None:
    with socket.create_connection(("127.0.0.1", link.port)) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(16) == b"+PONG\r\n"
        link.poison("fault-1", "reset_peer", {"timeout": 0})
        before = link.connections()
        assert len(before) == 1

        def is_lost() -> bool:
            try:
                connection.sendall(b"PING\r\n")
                return connection.recv(16) == b""
            except ConnectionError:
                return True

        wait_for(is_lost)
    wait_for(lambda: not link.connections() & before)
    link.cure("fault-1")
    assert link.probe() is not None


def test_curing_one_fault_leaves_the_toxics_of_another(link: ProxyLink) -> None:
    link.poison("fault-1", "latency", {"latency": 1, "jitter": 0})
    link.poison("fault-2", "latency", {"latency": 60, "jitter": 0})
    link.cure("fault-1")
    link.expect(enabled=True, toxics={"fault-2-downstream": 1})


@pytest.mark.parametrize("attributes", [{"latncy": 50}, {"latency": 50, "jitter": 5, "colour": 1}])
def test_an_attribute_that_toxiproxy_ignores_is_an_error(link: ProxyLink, attributes: dict[str, int]) -> None:
    with pytest.raises(ToxiproxyError, match="was given the toxics"):
        link.poison("fault-1", "latency", attributes)


def test_a_port_that_somebody_took_while_the_link_was_down_is_an_error_and_can_be_healed_later(
    link: ProxyLink,
) -> None:
    link.cut("fault-1")
    with (
        socket.create_server(("127.0.0.1", link.port)),
        pytest.raises(ToxiproxyError, match=f"127.0.0.1:{link.port}: bind: address already in use"),
    ):
        link.mend("fault-1")
    link.mend("fault-1")
    assert link.probe() is not None


def test_a_second_proxy_of_the_same_name_is_refused(
    toxiproxy: ToxiproxyServer, link: ProxyLink, server: RedisServer
) -> None:
    with pytest.raises(ToxiproxyError, match="ProxyExists"):
        toxiproxy.link(link.proxy, "worker-0", server.port)


def test_a_machine_s_http_proxy_is_not_asked_for_loopback(
    toxiproxy: ToxiproxyServer, link: ProxyLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert set(toxiproxy.proxies()) == {link.proxy}


def test_two_servers_in_one_process_are_not_mixed_up(
    campaign: Campaign, toxiproxy: ToxiproxyServer, link: ProxyLink, server: RedisServer, tmp_path: Path
) -> None:
    with ToxiproxyServer(campaign, toxiproxy.binary, tmp_path / "second.log") as second:
        other = second.link("other", "worker-1", server.port)
        link.cut("fault-1")
        assert other.probe() is not None
        assert set(toxiproxy.proxies()) == {link.proxy}
        assert set(second.proxies()) == {"other"}


def test_a_dead_toxiproxy_is_a_typed_error(toxiproxy: ToxiproxyServer, link: ProxyLink) -> None:
    toxiproxy._child.kill()
    toxiproxy._child.wait()
    with pytest.raises(ToxiproxyError, match="ended with -9"):
        toxiproxy.check()
    with pytest.raises(ToxiproxyError, match=f"Toxiproxy on port {toxiproxy.port}: ConnectionError"):
        link.cut("fault-1")


def test_a_toxiproxy_that_hangs_is_a_typed_error_after_a_bounded_wait(
    toxiproxy: ToxiproxyServer, link: ProxyLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaos.proxy.toxiproxy.HTTP_TIMEOUT_S", 0.1)
    os.kill(toxiproxy.pid, signal.SIGSTOP)
    with pytest.raises(ToxiproxyError, match="ReadTimeout"):
        link.cut("fault-1")
    os.kill(toxiproxy.pid, signal.SIGCONT)


def test_a_program_that_is_no_toxiproxy_is_one_clear_message(campaign: Campaign, tmp_path: Path) -> None:
    impostor = tmp_path / "toxiproxy-server"
    impostor.write_text("#!/bin/sh\necho I am no proxy >&2\nexit 3\n")
    impostor.chmod(0o755)
    with (
        pytest.raises(HarnessError, match=r"ended with 3; the end of .*\n.*I am no proxy"),
        ToxiproxyServer(campaign, Binary(impostor, "0"), tmp_path / "log"),
    ):
        pass


def test_removing_a_link_gives_its_port_back(toxiproxy: ToxiproxyServer, link: ProxyLink) -> None:
    link.remove()
    assert toxiproxy.proxies() == {}
    with socket.create_server(("127.0.0.1", link.port)):
        pass
