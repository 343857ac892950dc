import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from chaos.campaign import ROOT, RUNTIME_PREFIX, SESSIONS, Campaign, reap
from chaos.errors import HarnessError
from chaos.procfs import CAMPAIGN_VARIABLE, belonging, process, processes, variables
from tests.listeners import listeners

from .conftest import KIT, wait_for

HARNESS = """
import json, sys, time
from pathlib import Path
sys.path[:0] = {path!r}
from chaos.binaries import find_toxiproxy
from chaos.campaign import Campaign
from chaos.environment.native import NativeEnvironment
from chaos.proxy.toxiproxy import ToxiproxyServer
from tests.chaos.conftest import start_worker

folder = Path({folder!r})
with (
    Campaign({name!r}) as campaign,
    ToxiproxyServer(campaign, find_toxiproxy(), folder / "toxiproxy.log") as toxiproxy,
    NativeEnvironment(folder / "scenario", campaign, toxiproxy, ["worker-0"]) as env,
):
    worker = start_worker(env, "worker-0", STRAY="1", CLOBBER="1")
    ports = [env.store.port, toxiproxy.port, *(link.port for link in env.links.values())]
    pids = [env.store.pid, toxiproxy.pid, *worker.tree()]
    print(json.dumps([str(campaign.runtime), ports, pids]), flush=True)
    time.sleep(600)
"""


class Harness:
    """A harness in a process of its own, in the middle of a scenario."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        program = HARNESS.format(path=[str(ROOT), str(KIT)], folder=str(folder), name=name)
        self.child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert self.child.stdout is not None
        runtime, self.ports, self.pids = json.loads(self.child.stdout.readline())
        self.runtime = Path(runtime)
        self.guardian = next(
            each.pid
            for each in processes().values()
            if each.ppid == self.child.pid and CAMPAIGN_VARIABLE not in variables(each.pid)
        )

    def own(self) -> list[int]:
        """Living processes of its campaign; that its worker overwrote its environment does not hide it."""
        marked = {each.pid for each in belonging([f"{CAMPAIGN_VARIABLE}={self.name}"])}
        return [pid for pid in marked.union(self.pids) if (now := process(pid)) is not None and now.state not in "ZX"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda each: each.name)
def test_a_harness_that_is_ended_in_mid_scenario_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    harness = Harness(tmp_path, f"ended-{os.getpid()}-{number.name}")
    assert len(harness.own()) >= 4  # Redis, Toxiproxy, the worker, its stray
    sockets = {(port, inode) for port, inode in listeners() if port in harness.ports}
    assert {port for port, _ in sockets} == set(harness.ports)

    harness.child.send_signal(number)
    harness.child.wait()
    wait_for(lambda: not harness.runtime.exists())  # the guardian's last act

    assert harness.own() == []
    wait_for(lambda: not sockets & listeners())  # a process has no environment a moment before it has no sockets


def test_the_guardian_is_not_ended_by_what_ends_others(tmp_path: Path) -> None:
    harness = Harness(tmp_path, f"signals-{os.getpid()}")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        os.kill(harness.guardian, number)
    harness.child.kill()
    harness.child.wait()
    wait_for(lambda: not harness.runtime.exists())
    assert harness.own() == []


def test_reaping_ends_what_a_killed_harness_and_a_killed_guardian_left_and_nothing_else(
    tmp_path: Path, campaign: Campaign
) -> None:
    living = campaign.spawn(["/bin/sleep", "600"], log=tmp_path / "log", variables={})
    harness = Harness(tmp_path, f"reaped-{os.getpid()}")
    os.kill(harness.guardian, signal.SIGKILL)
    harness.child.kill()
    harness.child.wait()
    assert len(harness.own()) >= 4

    said = reap()

    assert harness.own() == []
    assert not harness.runtime.exists()
    assert any(f"harness {harness.child.pid} is gone" in line for line in said)
    assert living.poll() is None
    assert campaign.runtime.is_dir()


def test_reaping_takes_no_process_for_ours_by_the_pids_of_an_earlier_boot() -> None:
    bystander = subprocess.Popen(["/bin/sleep", "600"], env={}, start_new_session=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{RUNTIME_PREFIX}1-1-"))
    (folder / SESSIONS).write_text(f"another-boot\n{bystander.pid}\n")
    reap()
    assert bystander.poll() is None
    assert not folder.exists()
    bystander.kill()
    bystander.wait()


def test_leaving_a_campaign_ends_what_it_spawned_even_by_an_error(tmp_path: Path) -> None:
    argv = ["/bin/sh", "-c", "setsid sleep 600 & exec sleep 600"]
    children = []

    def spawn_and_fail(campaign: Campaign) -> None:
        with campaign:
            children.append(campaign.spawn(argv, log=tmp_path / "log", variables={}))
            raise ZeroDivisionError

    campaign = Campaign(f"left-{os.getpid()}")
    with pytest.raises(ZeroDivisionError):
        spawn_and_fail(campaign)
    assert children[0].wait() == -signal.SIGKILL
    assert belonging([f"{CAMPAIGN_VARIABLE}={campaign.id}"]) == []
    assert not campaign.runtime.exists()


def test_a_program_that_can_not_be_started_is_one_clear_message(campaign: Campaign, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"`/no/such/program -x` can't be started: .*No such file"):
        campaign.spawn(["/no/such/program", "-x"], log=tmp_path / "log", variables={})


def test_a_missing_guardian_is_noticed_at_the_next_spawn(campaign: Campaign, tmp_path: Path) -> None:
    campaign._guardian.kill()
    campaign._guardian.wait()
    with pytest.raises(HarnessError, match="guardian"):
        campaign.spawn(["/bin/sleep", "600"], log=tmp_path / "log", variables={})
    for each in belonging([f"{CAMPAIGN_VARIABLE}={campaign.id}"]):
        os.kill(each.pid, signal.SIGKILL)
