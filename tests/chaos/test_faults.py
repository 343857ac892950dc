"""Each fault against a real environment: it fires where somebody is hit, does not where nobody is, and heals."""

import json
import os
import socket
import time
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from redis.exceptions import NoScriptError, OutOfMemoryError
from stormproof_target import Setup

from chaos.environment.native import NativeEnvironment
from chaos.environment.redis_server import connect
from chaos.errors import HarnessError
from chaos.faults import Fault, Injection
from chaos.faults.registry import (
    FAULTS,
    backup,
    cancel,
    deploy,
    freeze,
    kill,
    latency,
    lost_replies,
    out_of_memory,
    pause,
    redis_down,
    redis_restart,
    reset_peer,
    restore_backup,
    roll_back,
    script_flush,
)
from chaos.faults.victims import SEARCH_S_MAX, Victim, catch, is_stopped
from chaos.procfs import process

from .conftest import events, start_worker, wait_for

OF_LINKS: Mapping[str, Fault] = {
    "redis_down": redis_down(for_s=0.1),
    "reset_peer": reset_peer(for_s=0.1),
    "latency": latency(latency_ms=40, jitter_ms=20, for_s=0.1),
    "redis_restart": redis_restart(down_s=0.1),
    "lost_replies": lost_replies(for_s=0.1, bytes_max=100),
}


def inject(env: NativeEnvironment, fault: Fault) -> Injection:
    return fault.inject(env, Random(1))


def victim_of(injection: Injection) -> Victim:
    assert isinstance(injection.state, Victim)
    return injection.state


@pytest.fixture(params=OF_LINKS)
def of_links(request: pytest.FixtureRequest) -> Fault:
    return OF_LINKS[request.param]


def test_a_fault_of_the_network_fires_on_those_that_have_connections(env: NativeEnvironment, of_links: Fault) -> None:
    start_worker(env, "worker-0")
    injection = inject(env, of_links)
    wait_for(lambda: of_links.evidence(env, injection))
    subjects = {each.subject for each in of_links.evidence(env, injection)}
    of_links.heal(env, injection)
    assert subjects - {"store"} == {"worker-0"}
    assert all(link.probe() is not None for link in env.links.values())


def test_a_fault_of_the_network_that_hits_nobody_did_not_fire(env: NativeEnvironment, of_links: Fault) -> None:
    injection = inject(env, of_links)
    assert of_links.evidence(env, injection) == ()
    of_links.heal(env, injection)


@pytest.mark.parametrize("name", ["redis_down", "reset_peer", "lost_replies"])
def test_a_connection_that_its_client_closed_is_no_evidence(
    env: NativeEnvironment, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A queue that forks a job closes one connection a job, whether or not the proxy did what it said it did."""
    fault, link = OF_LINKS[name], env.links["worker-0"]
    for change in ("cut", "poison"):
        monkeypatch.setattr(type(link), change, lambda *_: None)
    with socket.create_connection(("127.0.0.1", link.port)):
        wait_for(link.connections)
        injection = inject(env, fault)
    wait_for(lambda: not link.connections())
    assert fault.evidence(env, injection) == ()


def test_healing_twice_or_with_a_dead_store_is_fine(env: NativeEnvironment, of_links: Fault) -> None:
    injection = inject(env, of_links)
    env.store.kill()
    of_links.heal(env, injection)
    of_links.heal(env, injection)
    env.store.start()
    assert all(link.probe() is not None for link in env.links.values())


@pytest.mark.parametrize("name", ["redis_down", "reset_peer", "latency", "lost_replies"])
def test_an_injection_that_fails_half_way_leaves_nothing_broken(env: NativeEnvironment, name: str) -> None:
    env.links["worker-1"].remove()
    with pytest.raises(HarnessError, match=r"has no proxy .*worker-1"):
        inject(env, OF_LINKS[name])
    for client in ("producer", "worker-0"):
        env.links[client].expect(enabled=True, toxics={})


def test_a_healing_that_fails_for_one_link_heals_the_others(env: NativeEnvironment) -> None:
    fault = redis_down(for_s=0.1)
    injection = inject(env, fault)
    env.links["producer"].remove()
    with pytest.raises(HarnessError, match=r"has no proxy .*producer"):
        fault.heal(env, injection)
    assert env.links["worker-0"].probe() is not None


def test_reset_peer_of_one_client_spares_the_others(env: NativeEnvironment) -> None:
    for name in env.clients[1:]:
        start_worker(env, name)
    spared = env.links["worker-1"].connections()
    fault = reset_peer(for_s=0.1, of="worker-0")
    injection = inject(env, fault)
    wait_for(lambda: fault.evidence(env, injection))
    assert {each.subject for each in fault.evidence(env, injection)} == {"worker-0"}
    assert env.links["worker-1"].connections() == spared
    fault.heal(env, injection)


def test_a_command_whose_reply_is_lost_was_carried_out(env: NativeEnvironment) -> None:
    fault = lost_replies(for_s=0.1, of="worker-0", bytes_max=0)
    with (
        socket.create_connection(("127.0.0.1", env.links["worker-0"].port), 5) as mine,
        socket.create_connection(("127.0.0.1", env.links["worker-1"].port), 5) as other,
    ):
        wait_for(env.links["worker-0"].connections)
        injection = inject(env, fault)
        for connection in (mine, other):
            connection.settimeout(20)
            connection.sendall(b"INCR done\r\n")
        assert other.recv(64).startswith(b":")
        assert mine.recv(64) == b""
    (found,) = fault.evidence(env, injection)
    assert found.subject == "worker-0"
    fault.heal(env, injection)
    with connect(env.store.port) as client:
        wait_for(lambda: client.get("done") == "2")
    assert env.links["worker-0"].probe() is not None
    env.links["worker-0"].expect(enabled=True, toxics={})


def test_replies_are_lost_in_the_middle_and_on_old_connections_too(env: NativeEnvironment) -> None:
    with socket.create_connection(("127.0.0.1", env.links["worker-0"].port), 5) as mine:
        mine.settimeout(20)
        mine.sendall(b"PING\r\n")
        assert mine.recv(64) == b"+PONG\r\n"
        fault = lost_replies(for_s=0.1, of="worker-0", bytes_max=60)
        injection = fault.inject(env, Random(3))
        limit = Random(3).randint(0, 60)
        assert limit > 7
        came = b""
        mine.sendall(b"PING\r\n" * 20)
        while more := mine.recv(64):
            came += more
        assert came == (b"+PONG\r\n" * 20)[:limit]
        fault.heal(env, injection)


def test_flushed_scripts_are_met_by_whoever_calls_one_and_can_be_sent_again(env: NativeEnvironment) -> None:
    with connect(env.store.port) as client:
        sha = client.script_load("return 7")
        idle = script_flush()
        injection = inject(env, idle)
        assert idle.evidence(env, injection) == ()  # nobody called one
        with pytest.raises(NoScriptError):
            client.evalsha(sha, 0)
        (found,) = idle.evidence(env, injection)
        assert "NOSCRIPT" in found.says
        idle.heal(env, injection)
        assert client.eval("return 7", 0) == 7


def test_a_full_redis_refuses_writes_loses_nothing_and_gets_its_memory_back(env: NativeEnvironment) -> None:
    wait_for(lambda: env.canary.acked > 3)
    with connect(env.store.port) as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.set("before", 1)
        fault = out_of_memory(for_s=0.1)
        injection = inject(env, fault)
        with pytest.raises(OutOfMemoryError):
            client.set("meanwhile", 1)
        with pytest.raises(OutOfMemoryError):
            client.eval("return redis.call('SET', 'meanwhile', 1)", 0)
        assert client.get("before") == "1"
        (found,) = fault.evidence(env, injection)
        assert "OOM" in found.says
        fault.heal(env, injection)
        fault.heal(env, injection)
        settings = client.config_get("maxmemory*")
        assert (settings["maxmemory"], settings["maxmemory-policy"]) == (str(100 * 2**20), "allkeys-lru")
        assert client.get("meanwhile") is None
        acked = env.canary.acked
        wait_for(lambda: env.canary.acked > acked)
    assert env.canary.finish() == 0  # what was refused was never acknowledged, and so is not missing


def test_a_redis_that_two_faults_fill_is_full_until_both_have_healed(env: NativeEnvironment) -> None:
    first, second = (out_of_memory(for_s=for_s) for for_s in (0.1, 0.2))
    with connect(env.store.port) as client:
        one, other = inject(env, first), inject(env, second)
        first.heal(env, one)
        first.heal(env, one)
        with pytest.raises(OutOfMemoryError):
            client.set("meanwhile", 1)
        second.heal(env, other)
        assert client.set("after", 1)


def test_a_full_redis_that_is_killed_meanwhile_heals_by_its_start(env: NativeEnvironment) -> None:
    fault = out_of_memory(for_s=0.1)
    injection = inject(env, fault)
    env.store.kill()
    fault.heal(env, injection)
    env.store.start()
    with connect(env.store.port) as client:
        assert client.set("after", 1)


def write_ledger(env: NativeEnvironment, *lines: dict[str, Any]) -> None:
    with (env.directory / "ledger" / "p.jsonl").open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)


def acknowledged(job: str, queue: str = "default", delay_s: float = 0.0) -> list[dict[str, Any]]:
    now_ns = time.monotonic_ns()
    return [
        {"e": "invoked", "t": now_ns, "job": job, "queue": queue, "delay_ns": int(delay_s * 1e9)},
        {"e": "acked", "t": now_ns, "job": job},
    ]


def test_jobs_of_each_situation_are_cancelled_and_told(env: NativeEnvironment) -> None:
    asked: list[tuple[str, str]] = []

    def operate(step: str, job: str) -> str:
        asked.append((step, job))
        return {"w": "cancelled", "d": "cancelled", "r": "requested"}[job[0]]

    env.operate = operate
    process = {"e": "open", "t": 1, "w": "s-1-a", "role": "harness", "worker": "worker-0", "pid": 1, "pid_start": 1}
    started = {"e": "started", "t": 2, "w": "s-1-a", "run": "r-1", "attempt": 1}
    write_ledger(env, process, *acknowledged("r-1"), started | {"job": "r-1"})
    write_ledger(env, *acknowledged("w-1", "mail"), *acknowledged("w-2"), *acknowledged("d-1", delay_s=600))
    write_ledger(env, {"e": "invoked", "t": 3, "job": "unanswered", "queue": "default", "delay_ns": 0})
    write_ledger(env, *acknowledged("over"), started | {"job": "over", "run": "r-2"})
    write_ledger(env, {"e": "ended", "t": 4, "w": "s-1-a", "run": "r-2", "job": "over", "outcome": "ok"})
    fault = cancel(jobs=3)
    injection = inject(env, fault)
    first = [job for _, job in asked]
    assert (first[0], first[1][0], first[2]) == ("r-1", "w", "d-1")
    assert len(fault.evidence(env, injection)) == 3
    again = inject(env, fault)  # one waits: the others are cancelled already
    assert {job for _, job in asked} == {"r-1", "w-1", "w-2", "d-1"}
    assert len(fault.evidence(env, again)) == 1
    told = [event for event in events(env, "op") if event["job"] == "w-1"]
    assert [(each["phase"], each.get("outcome"), each["queue"]) for each in told] == [
        ("invoked", None, "mail"),
        ("acked", "cancelled", "mail"),
    ]


def test_what_is_refused_is_no_evidence_and_what_nobody_knows_is_told(env: NativeEnvironment) -> None:
    write_ledger(env, *acknowledged("w-1"), *acknowledged("w-2"))
    env.operate = lambda *_: "refused"
    fault = cancel(jobs=1)
    assert fault.evidence(env, inject(env, fault)) == ()

    def no_answer(_step: str, _job: str) -> str:
        raise HarnessError("no answer")

    env.operate = no_answer
    with pytest.raises(HarnessError, match="no answer"):
        inject(env, fault)
    assert [event["phase"] for event in events(env, "op")] == ["invoked", "acked", "invoked"]


def test_only_the_supervisor_stands_still_where_it_alone_is_frozen(env: NativeEnvironment) -> None:
    worker = start_worker(env, "worker-0", SLEEP_MS="300")
    fault = freeze(for_s=0.1, part="supervisor", open_s=(0.05, 5.0))
    injection = inject(env, fault)
    victim = victim_of(injection)
    wait_for(lambda: not any(is_stopped(pid) for pid in victim.pids if pid != worker.pid))
    assert is_stopped(worker.pid)
    (found,) = fault.evidence(env, injection)
    assert f"supervisor {worker.pid} stands still" in found.says
    wait_for(lambda: victim.runs[0].run in {event["run"] for event in events(env, "ended", "worker-0-1")})
    fault.heal(env, injection)
    wait_for(lambda: not is_stopped(worker.pid))


def test_redis_comes_back_with_its_data_after_the_restart(env: NativeEnvironment) -> None:
    wait_for(lambda: env.canary.acked > 5)
    with connect(env.store.port) as client:
        before = client.info("server")["run_id"]
    fault = redis_restart(down_s=0.0)
    injection = inject(env, fault)
    assert not env.store.alive
    env.check()
    fault.heal(env, injection)
    with connect(env.store.port) as client:
        assert client.info("server")["run_id"] != before
    assert env.canary.finish() == 0


def test_redis_comes_back_on_the_copy_and_has_forgotten_what_came_later(env: NativeEnvironment) -> None:
    start_worker(env, "worker-0")
    copied, fault = backup(), restore_backup(down_s=0.1)
    with connect(env.store.port, db=3) as client:
        client.set("before", 1)
        copy = inject(env, copied)
        copied.heal(env, copy)
        client.set("after", 1)
    (evidence,) = copied.evidence(env, copy)
    assert "bytes copied" in evidence.says
    injection = inject(env, fault)
    wait_for(lambda: fault.evidence(env, injection))
    fault.heal(env, injection)
    with connect(env.store.port, db=3) as client:
        assert (client.get("before"), client.get("after")) == ("1", None)
        client.set("later", 1)
        fault.heal(env, injection)  # a second one restores nothing
        assert client.get("later") == "1"


def test_a_restore_without_a_copy_is_the_harness_s_failure(env: NativeEnvironment) -> None:
    fault = restore_backup(down_s=0.1)
    injection = inject(env, fault)
    with pytest.raises(HarnessError, match="no such copy"):
        fault.heal(env, injection)


def test_a_pause_is_told_fires_when_jobs_wait_and_is_taken_back(env: NativeEnvironment) -> None:
    done: list[tuple[str, str]] = []

    def operate(step: str, queue: str) -> str:
        done.append((step, queue))
        return ""

    env.operate = operate
    fault = pause(for_s=0.1, queue="mail")
    injection = inject(env, fault)
    assert fault.evidence(env, injection) == ()  # nothing came
    (env.directory / "ledger" / "p.jsonl").write_text('{"e":"acked"}\n')
    wait_for(lambda: fault.evidence(env, injection))
    fault.heal(env, injection)
    assert done == [("pause", "mail"), ("resume", "mail")]
    told = [(each["op"], each["phase"], each["queue"]) for each in events(env, "op")]
    assert told == [(step, phase, "mail") for step in ("pause", "resume") for phase in ("invoked", "acked")]


def test_a_pause_that_may_have_taken_effect_is_taken_back(env: NativeEnvironment) -> None:
    done: list[str] = []

    def operate(step: str, _queue: str) -> str:
        done.append(step)
        if step == "pause":
            raise HarnessError("no answer")
        return ""

    env.operate = operate
    with pytest.raises(HarnessError, match="no answer"):
        inject(env, pause(for_s=0.1))
    assert done == ["pause", "resume"]


def release_of(env: NativeEnvironment, name: str) -> int:
    return Setup.from_environment(env.workers[name].variables).release


def test_a_deployment_goes_from_worker_to_worker_and_ends_when_all_have_run_a_job(env: NativeEnvironment) -> None:
    done: list[tuple[str, str]] = []

    def operate(step: str, on: str) -> str:
        done.append((step, on))
        return ""

    env.operate = operate
    names = ("worker-0", "worker-1")
    for name in names:
        start_worker(env, name, STORMPROOF_SETUP=Setup(worker=name, release=1).to_json())
    forward, back = deploy(release=2), roll_back(release=1)
    for lives, fault in enumerate((forward, back), 2):
        injection = inject(env, fault)
        told = [event["worker"] for event in events(env, "signal") if event["t"] >= injection.at_ns]
        assert len(told) == 1
        assert [each.subject for each in fault.evidence(env, injection)] == told
        fault.heal(env, injection)
        assert [env.workers[name].lives for name in names] == [lives, lives]
        assert [release_of(env, name) for name in names] == [fault.release, fault.release]
        assert all(b'"started"' in (env.directory / "ledger" / f"{name}-{lives}.jsonl").read_bytes() for name in names)
        fault.heal(env, injection)
    assert {event["name"] for event in events(env, "signal")} == {"TERM"}
    assert done == [("roll_back", "1")]


def test_a_release_that_runs_no_job_is_the_harness_s_failure(
    env: NativeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaos.faults.deploy.BACK_S_MAX", 0.2)  # less than a worker needs to come back
    start_worker(env, "worker-0", STORMPROOF_SETUP=Setup(worker="worker-0", release=1).to_json())
    fault = deploy(release=2)
    with pytest.raises(HarnessError, match="worker-0 of release 2 has run no job"):
        fault.heal(env, inject(env, fault))


def test_killing_a_slot_spares_its_supervisor(env: NativeEnvironment) -> None:
    worker = start_worker(env, "worker-0")
    fault = kill("slot")
    injection = inject(env, fault)
    victim = victim_of(injection)
    (found,) = fault.evidence(env, injection)
    assert found.subject == "worker-0"
    slot = victim.runs[0].pid
    wait_for(lambda: slot in {event["pid"] for event in events(env, "exited")})
    fault.heal(env, injection)
    assert (worker.lives, worker.alive) == (1, True)
    wait_for(lambda: env.view.open_runs("worker-0"))


def test_killing_a_supervisor_leaves_its_slot_to_end_as_an_orphan(env: NativeEnvironment) -> None:
    worker = start_worker(env, "worker-0", SLEEP_MS="1500")
    first = worker.pid
    fault = kill("supervisor")
    injection = inject(env, fault)
    victim = victim_of(injection)
    orphan = victim.runs[0]
    fault.heal(env, injection)
    assert worker.lives == 2
    assert process(first) is None
    wait_for(lambda: orphan.run in {event["run"] for event in events(env, "ended", "worker-0-1")})


def test_killing_a_tree_leaves_none_of_it(env: NativeEnvironment) -> None:
    worker = start_worker(env, "worker-0")
    fault = kill("tree")
    injection = inject(env, fault)
    victim = victim_of(injection)
    assert fault.evidence(env, injection)
    wait_for(lambda: set(victim.pids) <= {event["pid"] for event in events(env, "exited")})
    fault.heal(env, injection)
    assert worker.lives == 2
    assert bool(env.links["worker-0"].connections())


@pytest.mark.parametrize("part", ["slot", "supervisor", "tree"])
def test_what_a_kill_interrupted_never_ends(env: NativeEnvironment, part: str) -> None:
    """The evidence is true: a run that was open at the kill of its own process writes no ``ended``."""
    start_worker(env, "worker-0")
    fault = kill(part)
    injection = inject(env, fault)
    fault.heal(env, injection)
    victim = victim_of(injection)
    ended = {event["run"] for event in events(env, "ended", "worker-0-1")}
    assert part == "supervisor" or not ended & {run.run for run in victim.runs}


def test_a_frozen_tree_stands_still_until_it_is_healed(env: NativeEnvironment) -> None:
    start_worker(env, "worker-0")
    fault = freeze(for_s=0.1)
    injection = inject(env, fault)
    victim = victim_of(injection)
    assert all(is_stopped(pid) for pid in victim.pids)
    assert len(victim.pids) >= 2
    (found,) = fault.evidence(env, injection)
    assert victim.runs[0].job in found.says
    fault.heal(env, injection)
    fault.heal(env, injection)
    wait_for(lambda: victim.runs[0].run in {event["run"] for event in events(env, "ended", "worker-0-1")})
    stops = [
        event["pid"] for event in events(env, "signal") if event["name"] == "STOP" and event["t"] >= injection.at_ns
    ]
    assert set(victim.pids) <= set(stops)


def test_a_worker_that_one_fault_holds_is_left_alone_by_the_others(env: NativeEnvironment) -> None:
    for name in env.clients[1:]:
        start_worker(env, name, SLEEP_MS="60000")
    first, second = catch(env, Random(1)), catch(env, Random(1))
    assert first is not None
    assert second is not None
    assert {first.worker.name, second.worker.name} == {"worker-0", "worker-1"}
    first.let_go()
    assert all(is_stopped(pid) for pid in second.pids)
    second.let_go()


def test_a_kill_with_no_run_open_does_not_fire_and_hurts_nobody(
    env: NativeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chaos.faults.victims.SEARCH_S_MAX", 0.1)
    worker = env.start_worker("worker-0", ["/bin/sleep", "600"], {})
    fault = kill("tree")
    injection = inject(env, fault)
    assert fault.evidence(env, injection) == ()
    fault.heal(env, injection)
    assert worker.alive
    assert events(env, "signal") == []
    assert SEARCH_S_MAX > 0.1


def test_a_replay_picks_the_same_worker(env: NativeEnvironment) -> None:
    for name in env.clients[1:]:
        start_worker(env, name, SLEEP_MS="60000")
    picked = []
    for _ in range(2):
        for seed in range(4):
            victim = catch(env, Random(seed))
            assert victim is not None
            victim.let_go()
            picked.append(victim.worker.name)
    assert picked[:4] == picked[4:]
    assert set(picked) == {"worker-0", "worker-1"}


def test_every_fault_of_the_registry_says_what_it_is() -> None:
    settings: dict[str, dict[str, Any]] = {
        "backup": {},
        "cancel": {},
        "deploy": {"release": 2},
        "freeze": {"for_s": 1},
        "kill": {"part": "tree"},
        "latency": {"latency_ms": 10, "for_s": 1},
        "lost_replies": {"for_s": 1},
        "out_of_memory": {"for_s": 1},
        "pause": {"for_s": 1},
        "redis_down": {"for_s": 1},
        "redis_restart": {"down_s": 1},
        "reset_peer": {"for_s": 1},
        "restore_backup": {"down_s": 1},
        "roll_back": {"release": 1},
        "script_flush": {},
    }
    assert settings.keys() == FAULTS.keys()
    for name, make in FAULTS.items():
        fault = make(**settings[name])
        assert isinstance(fault, Fault)
        assert fault.name.split()[0] == name.split("_")[0]
        assert fault.explains or fault.effect in {
            "pause",
            "cancel",
            "backup",
            "forgotten",
        }  # these are no reason to run a job again
        assert not fault.problems()
        assert fault.__class__.__doc__
        assert hash(fault) == hash(make(**settings[name]))  # frozen data


def test_only_the_kill_of_a_slot_needs_slots_that_are_processes() -> None:
    assert kill("slot").needs == {"slot_processes"}
    assert kill("supervisor").needs == kill("tree").needs == frozenset()


def test_the_harness_itself_is_in_nobody_s_tree(env: NativeEnvironment) -> None:
    assert os.getpid() not in start_worker(env, "worker-0").tree()
