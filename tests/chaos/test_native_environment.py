import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from redis.exceptions import RedisError

import chaos.binaries
from chaos.binaries import find_toxiproxy
from chaos.campaign import Campaign
from chaos.environment.native import NativeEnvironment
from chaos.environment.redis_server import connect
from chaos.errors import HarnessError
from chaos.ports import Ports
from chaos.processes import RESTART_AFTER_S, Program
from chaos.procfs import ENVIRONMENT_VARIABLE, belonging, process, variables
from chaos.proxy.toxiproxy import ToxiproxyServer

from .conftest import KIT, events, start_worker, wait_for


def more_started(env: NativeEnvironment, count: int) -> bool:
    return env.view.started > count


def is_dead(worker: Program) -> bool:
    return not worker.alive


def test_each_client_has_a_link_of_its_own(env: NativeEnvironment) -> None:
    assert list(env.links) == ["producer", "worker-0", "worker-1"]
    env.links["worker-0"].cut("test")
    assert [link.probe() is not None for link in env.links.values()] == [True, False, True]


def test_a_killed_worker_is_told_and_comes_back_a_second_later_with_a_new_ledger(env: NativeEnvironment) -> None:
    worker = start_worker(env, "worker-0")
    first = worker.pid
    worker.signal(worker.tree(), "KILL")
    wait_for(lambda: worker.lives == 2)

    spawned = events(env, "spawned")
    exited = next(event for event in events(env, "exited") if event["pid"] == first)
    killed = next(event for event in events(env, "signal") if event["pid"] == first)
    assert [event["life"] for event in spawned] == [1, 2]
    assert exited["status"] == -9
    assert exited["lo_ns"] <= exited["t"]
    assert killed["t"] <= exited["t"]
    assert spawned[1]["t"] - exited["t"] >= RESTART_AFTER_S * 1e9
    assert next(event["pid"] for event in events(env, "open", "worker-0-1")) != first
    wait_for(lambda: env.view.open_runs("worker-0"))
    assert (env.directory / "ledger" / "worker-0-2.jsonl").exists()


def test_an_orphan_that_outlives_its_supervisor_belongs_to_the_tree_still(env: NativeEnvironment) -> None:
    worker = start_worker(env, "worker-0", SLEEP_MS="60000")
    orphan = env.view.open_runs("worker-0")[0].pid
    worker.signal([worker.pid], "KILL")
    wait_for(lambda: worker.lives == 2)
    tree = worker.tree()
    assert tree[0] == worker.pid
    assert orphan in tree
    worker.signal([orphan], "KILL")
    wait_for(lambda: orphan in {event["pid"] for event in events(env, "exited")})


def test_of_a_queue_that_forks_a_job_nearly_every_process_s_end_is_seen(
    env: NativeEnvironment, record_property: Callable[[str, object], None]
) -> None:
    """15 ms jobs, each in a process of its own, in two workers that are killed in between."""
    workers = [start_worker(env, name) for name in env.clients[1:]]
    for worker in itertools.islice(itertools.cycle(workers), 4):
        wait_for(partial(more_started, env, env.view.started + 50))
        worker.signal(worker.tree(), "KILL")
        wait_for(partial(is_dead, worker))
    env.stop_workers(1.0)
    wait_for(lambda: not [each for each in env.view.living() if each.role == "worker"])
    share = env.watch.caught / (env.watch.caught + env.watch.missed)
    record_property("share of pids caught", f"{share:.4f} of {env.watch.caught + env.watch.missed}")

    named = [
        (event["pid"], event["pid_start"])
        for path in (env.directory / "ledger").glob("worker-*.jsonl")
        for line in path.read_text().splitlines()
        if (event := json.loads(line))["e"] == "open"
    ]
    told = [(event["pid"], event["pid_start"]) for event in events(env, "exited")]
    assert len(named) > 200
    assert set(named) <= set(told)  # caught or not, each has its interval
    assert len(told) == len(set(told))
    assert share > 0.5  # measured: all of them; what is missed on a starved machine is told as missed


def test_workers_stop_gracefully_within_the_grace_and_are_killed_after_it(env: NativeEnvironment) -> None:
    deaf = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    polite = start_worker(env, "worker-0")
    stubborn = env.start_worker("worker-1", [sys.executable, "-c", deaf], {})
    wait_for(lambda: "deaf" in stubborn.log.read_text())
    env.stop_workers(0.3)
    wait_for(lambda: not stubborn.alive)
    wait_for(lambda: {polite.pid, stubborn.pid} <= {each["pid"] for each in events(env, "exited")})
    status = {each["pid"]: each["status"] for each in events(env, "exited")}
    assert status[polite.pid] == -signal.SIGTERM
    assert status[stubborn.pid] == -signal.SIGKILL
    assert [worker.lives for worker in env.workers.values()] == [1, 1]


def test_leaving_ends_every_process_of_this_environment_and_frees_its_ports_and_no_other(
    campaign: Campaign, toxiproxy: ToxiproxyServer, tmp_path: Path, env: NativeEnvironment
) -> None:
    with NativeEnvironment(tmp_path / "second", campaign, toxiproxy, ["worker-0"]) as second:
        worker = start_worker(second, "worker-0", STRAY="1")
        mark, proxies = f"{ENVIRONMENT_VARIABLE}={second.mark}", {link.proxy for link in second.links.values()}
        pids = worker.tree()
        assert len(pids) >= 2
        second.store.check()
    assert [pid for pid in pids if (now := process(pid)) is not None and now.state not in "ZX"] == []
    assert belonging([mark]) == []
    assert not proxies & set(toxiproxy.proxies())
    assert not second.store.alive
    env.check()
    assert env.links["worker-0"].probe() is not None


def test_leaving_ends_orphans_of_former_lives_that_overwrote_their_environment(
    campaign: Campaign, toxiproxy: ToxiproxyServer, tmp_path: Path
) -> None:
    with NativeEnvironment(tmp_path / "scenario", campaign, toxiproxy, ["worker-0"]) as env:
        worker = start_worker(env, "worker-0", SLEEP_MS="60000", CLOBBER="1")
        orphan = env.view.open_runs("worker-0")[0].pid
        worker.signal([worker.pid], "KILL")
        wait_for(lambda: worker.lives == 2)
        assert ENVIRONMENT_VARIABLE not in variables(orphan)
        assert orphan in worker.tree()
    now = process(orphan)
    assert now is None or now.state in "ZX"


def test_a_ledger_on_a_full_disk_is_the_harness_s_failure(env: NativeEnvironment) -> None:
    (env.directory / "ledger" / "worker-0-1.jsonl").symlink_to("/dev/full")
    env.start_worker(
        "worker-0",
        [sys.executable, "-c", "from stormproof_target import ledger; ledger.from_environment()"],
        {"PYTHONPATH": str(KIT)},
    )
    wait_for(env.broken_ledgers)
    with pytest.raises(HarnessError, match=r"could not be written to worker-0-1\.jsonl .*free space"):
        env.check()


def test_a_redis_whose_disk_is_full_is_the_harness_s_failure_not_the_queue_s(
    campaign: Campaign, toxiproxy: ToxiproxyServer, tmp_path: Path
) -> None:
    disk = tmp_path / "scenario" / "redis"
    disk.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False).returncode:
        pytest.skip("a small disk needs root and the right to mount")
    try:
        with NativeEnvironment(tmp_path / "scenario", campaign, toxiproxy, []) as env:
            with connect(env.store.port) as client, contextlib.suppress(RedisError):
                for number in range(100):
                    client.set(f"key-{number}", "x" * 100_000)
            wait_for(lambda: not env.store.alive)
            with pytest.raises(HarnessError, match=r"died by itself \(status 1, 0 MiB free .*\n(.*\n)*.*to the AOF"):
                env.check()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_harness_that_can_not_write_its_own_ledger_does_not_start(
    campaign: Campaign, toxiproxy: ToxiproxyServer, tmp_path: Path
) -> None:
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "harness.jsonl").symlink_to("/dev/full")
    with (
        pytest.raises(HarnessError, match="No space left on device"),
        NativeEnvironment(tmp_path, campaign, toxiproxy, []),
    ):
        pass


def test_a_folder_that_can_not_be_made_is_one_clear_message(
    campaign: Campaign, toxiproxy: ToxiproxyServer, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(HarnessError, match="folder can't be made"),
        NativeEnvironment(tmp_path / "file", campaign, toxiproxy, []),
    ):
        pass


def test_without_redis_nothing_is_started(
    campaign: Campaign, toxiproxy: ToxiproxyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(chaos.binaries, "BIN", tmp_path)
    with (
        pytest.raises(HarnessError, match="no Redis server to be had"),
        NativeEnvironment(tmp_path / "scenario", campaign, toxiproxy, ["worker-0"]),
    ):
        pass
    assert toxiproxy.proxies() == {}


def test_when_ports_run_out_what_was_started_is_ended_again(tmp_path: Path) -> None:
    with Ports() as found:
        three = [found.take() for _ in range(3)]
    with (
        Campaign(f"few-ports-{os.getpid()}", Ports(three)) as campaign,
        ToxiproxyServer(campaign, find_toxiproxy(), tmp_path / "log") as toxiproxy,
    ):
        env = NativeEnvironment(tmp_path / "scenario", campaign, toxiproxy, ["worker-0"])
        with pytest.raises(HarnessError, match="all 3 of"), env:
            pass
        assert not env.store.alive
        assert toxiproxy.proxies() == {}


def test_a_socket_s_path_is_short_however_deep_the_campaign_s_folder_lies(env: NativeEnvironment) -> None:
    assert len(os.fsencode(env.socket_path("producer"))) < 100
    assert env.socket_path("producer").parent.is_dir()
