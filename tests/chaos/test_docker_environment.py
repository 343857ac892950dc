"""A scenario's ground with its store in a container: the same faults, the same evidence."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos.campaign import Campaign
from chaos.environment.docker import CAMPAIGN_LABEL, IMAGE_VARIABLE, ContainerRedis
from chaos.environment.native import NativeEnvironment
from chaos.environment.redis_server import connect
from chaos.errors import HarnessError
from chaos.faults.registry import kill, latency, redis_down, redis_restart
from chaos.proxy.toxiproxy import ToxiproxyServer
from chaos.schedule import ScheduleDriver

from .conftest import events, start_worker, wait_for

pytestmark = pytest.mark.docker


@pytest.fixture
def env(engine: Any, campaign: Campaign, toxiproxy: ToxiproxyServer, tmp_path: Path) -> Iterator[NativeEnvironment]:  # noqa: ANN401
    folder = tmp_path / "scenario"
    try:
        with NativeEnvironment(folder, campaign, toxiproxy, ["worker-0"], make_store=ContainerRedis) as env:
            yield env
        assert containers(engine, campaign) == []
    finally:
        for container in containers(engine, campaign):
            container.remove(force=True, v=True)


def containers(engine: Any, campaign: Campaign) -> list[Any]:  # noqa: ANN401
    found: list[Any] = engine.containers.list(all=True, filters={"label": f"{CAMPAIGN_LABEL}={campaign.id}"})
    return found


def test_the_store_is_a_container_bound_to_loopback_and_durable_as_declared(
    env: NativeEnvironment,
    engine: Any,  # noqa: ANN401
    campaign: Campaign,
) -> None:
    (container,) = containers(engine, campaign)
    (binding,) = container.attrs["NetworkSettings"]["Ports"]["6379/tcp"]
    assert (binding["HostIp"], binding["HostPort"]) == ("127.0.0.1", str(env.store.port))
    with connect(env.store.port) as client:
        assert client.config_get("append*")["appendfsync"] == "always"
    assert env.store.binary.version[0].isdigit()


def test_it_keeps_its_data_and_its_port_over_a_restart(env: NativeEnvironment) -> None:
    with connect(env.store.port) as client:
        client.set("key", "value")
    env.store.kill()
    assert not env.store.alive
    env.check()
    env.store.start()
    with connect(env.store.port) as client:
        assert client.get("key") == "value"


def test_a_container_that_dies_by_itself_is_the_harness_s_failure(
    env: NativeEnvironment,
    engine: Any,  # noqa: ANN401
    campaign: Campaign,
) -> None:
    (container,) = containers(engine, campaign)
    container.kill()
    container.wait()
    with pytest.raises(HarnessError, match="died by itself"):
        env.check()


def test_the_same_schedule_fires_and_heals_on_it(env: NativeEnvironment) -> None:
    start_worker(env, "worker-0")
    faults = [
        latency(latency_ms=20, for_s=0.2).at(s=0),
        redis_down(for_s=0.2).at(s=0.5),
        kill("slot").at(s=1.2),
        redis_restart(down_s=0.2).at(s=1.8),
    ]
    driver = ScheduleDriver(env, faults, seed=1, jobs=100)
    driver.start()
    wait_for(lambda: driver.done, limit_s=60)
    results = driver.stop()
    driver.check()
    assert [(result.label, result.fired) for result in results] == [
        ("latency-1", True),
        ("redis_down-2", True),
        ("kill_slot-3", True),
        ("redis_restart-4", True),
    ]
    assert all(link.probe() is not None for link in env.links.values())
    acked = env.canary.acked
    wait_for(lambda: env.canary.acked > acked)
    assert env.canary.finish() == 0
    assert len([event for event in events(env, "fault") if event["phase"] == "healed"]) == 4


@pytest.mark.usefixtures("engine")
def test_an_image_that_can_not_be_had_is_one_clear_message(
    campaign: Campaign, toxiproxy: ToxiproxyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(IMAGE_VARIABLE, "stormproof.invalid/no-such-image:0")
    with (
        pytest.raises(HarnessError, match=rf"no Redis from a container of stormproof\.invalid.*{IMAGE_VARIABLE} names"),
        NativeEnvironment(tmp_path / "scenario", campaign, toxiproxy, [], make_store=ContainerRedis),
    ):
        pass
