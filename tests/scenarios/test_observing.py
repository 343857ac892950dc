"""What is observed besides runs, by the real thing: processes of this machine, keys of a real Redis, real workers."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from stormproof_target import KeyPattern, Promise

from chaos.campaign import Campaign
from chaos.environment.redis_server import native_redis
from chaos.errors import HarnessError
from reports.verdict import Verdict
from scenarios.campaign_plan import CampaignPlan, PartPlan
from scenarios.catalog import CATALOG
from scenarios.history import read_history
from scenarios.history_faults import PRODUCER
from scenarios.keys_at_rest import STRAYS_MAX, WEIGHED_MAX, KeyCount, count_keys
from scenarios.observing import AGE_S_MIN, Observing, Usage, usage
from scenarios.progress import Quiet
from scenarios.suite import run_campaign
from scenarios.target_program import resolve

CHILD = "import sys; f = [open('/dev/null') for _ in range(20)]; print(len(f), flush=True); sys.stdin.read()"


class Workers:
    """An environment of which only the workers are looked at."""

    def __init__(self, workers: dict[str, Any]) -> None:
        self.workers = workers
        self.told: list[dict[str, Any]] = []

    def tell(self, event: str, **fields: Any) -> int:  # noqa: ANN401  # a ledger line's fields
        assert event == "sample"
        self.told.append(fields)
        return time.monotonic_ns()


class Worker:
    def __init__(self, pid: int, tree: Callable[[], Sequence[int]]) -> None:
        self.pid, self.tree = pid, tree


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    program = [sys.executable, "-c", CHILD]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "20\n"
        yield child


def wait_for(condition: Callable[[], object]) -> None:
    end_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.01)


def look(pid: int) -> Usage:
    """A look that the machine interrupts is none, and is taken again."""
    end_s = time.monotonic() + 30
    while time.monotonic() < end_s:
        if (found := usage(pid)) is not None:
            return found
        time.sleep(0.01)
    raise AssertionError("never seen")


def test_a_process_is_seen_with_its_files_its_memory_and_its_time() -> None:
    before = look(os.getpid())
    with Path("/dev/null").open() as one, Path("/dev/null").open() as two:
        kept = bytearray(os.urandom(1)) * (64 << 20)
        spent_ns = time.process_time_ns()
        while time.process_time_ns() - spent_ns < 50_000_000:
            pass
        after = look(os.getpid())
        assert after.fds - before.fds == len({one.fileno(), two.fileno()})
    assert after.rss - before.rss > len(kept) // 2
    assert after.cpu_ns - before.cpu_ns >= 50_000_000
    assert before.cpu_ns <= time.process_time_ns()
    assert (after.pid, after.pid_start) == (before.pid, before.pid_start)


def test_a_process_that_is_gone_uses_nothing(child: subprocess.Popen[str]) -> None:
    assert look(child.pid).fds >= 23
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert usage(child.pid) is None  # a zombie
    child.wait()
    assert usage(child.pid) is None


def test_workers_are_sampled_and_what_they_fork_once_it_has_lived_a_while(child: subprocess.Popen[str]) -> None:
    env: Any = Workers({"worker-1": Worker(os.getpid(), lambda: [os.getpid(), child.pid, 2**22 - 1])})
    with Observing(env, every_s=0.02) as observing:
        wait_for(lambda: sum(told["pid"] == child.pid for told in env.told) > 3)
    observing.check()
    its = [told for told in env.told if told["pid"] == child.pid]
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - its[0]["pid_start"] / os.sysconf("SC_CLK_TCK")
    assert age_s >= AGE_S_MIN
    assert {told["worker"] for told in env.told} == {"worker-1"}
    assert {told["pid"] for told in env.told} == {os.getpid(), child.pid}
    assert its[0]["fds"] >= 23
    assert its[0]["rss"] > 1 << 20
    assert [told["cpu_ns"] for told in its] == sorted(told["cpu_ns"] for told in its)


def test_workers_that_can_t_be_watched_are_the_harness_s_failure() -> None:
    def broken() -> Sequence[int]:
        raise OSError("no /proc")

    env: Any = Workers({"worker-1": Worker(os.getpid(), broken)})
    with Observing(env, every_s=0.01) as observing:
        wait_for(lambda: observing.error is not None)
    with pytest.raises(HarnessError, match=r"can't be watched any more: no /proc"):
        observing.check()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Redis]:
    with Campaign(f"keys-{os.getpid()}-{tmp_path.name}") as campaign:
        (tmp_path / "logs").mkdir()
        store = native_redis(campaign, tmp_path, campaign.ports.take(), "no")
        store.start()
        with Redis.from_url(store.url) as client:
            yield client
        store.close()


def counted(client: Redis, *patterns: KeyPattern) -> dict[str, KeyCount]:
    return {count.pattern or count.name: count for count in count_keys(client, patterns)}


def test_keys_are_counted_by_the_first_pattern_that_they_match(client: Redis) -> None:
    for n in range(1200):  # more than one batch
        client.set(f"q:job:{n}", "x" * 100, ex=None if n < 3 else 60 + n)
    client.lpush("q:list:default", *range(10))
    client.set("q:job:1:dependents", 1)
    found = counted(client, KeyPattern("q:job:*:dependents"), KeyPattern("q:job:*", 60), KeyPattern("q:*"))
    assert set(found) == {"q:job:*", "q:job:*:dependents", "q:*"}
    jobs = found["q:job:*"]
    assert (jobs.n, jobs.without_ttl) == (1200, 3)
    assert 1_250_000 < jobs.ttl_ms_max <= 1_259_000
    assert 1200 * 100 < jobs.bytes < 1200 * 400
    assert jobs.name.startswith("q:job:")
    others = found["q:*"]
    assert (others.n, others.without_ttl, others.ttl_ms_max, others.name) == (1, 1, -1, "q:list:default")


def test_keys_that_no_pattern_matches_are_named_each_and_then_counted(client: Redis) -> None:
    names = [f"stray-{n}" for n in range(STRAYS_MAX + 30)]
    client.mset(dict.fromkeys(names, 1))
    client.set(b"not \xff text", 1)
    counts = list(count_keys(client, [KeyPattern("q:*")]))
    assert [count.pattern for count in counts] == [""] * STRAYS_MAX
    assert len({count.name for count in counts} & {*names, "not \\xff text"}) == STRAYS_MAX
    assert [count.n for count in counts] == [1] * (STRAYS_MAX - 1) + [len(names) + 1 - (STRAYS_MAX - 1)]
    assert all(count.bytes > 0 for count in counts)
    assert counts[-1].n > WEIGHED_MAX  # so its size is an estimate


def test_an_empty_store_has_no_keys(client: Redis) -> None:
    assert counted(client, KeyPattern("*")) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["reference", "rq"])
def test_a_real_run_tells_of_processes_and_of_keys(name: str, tmp_path: Path) -> None:
    result = run_campaign(CampaignPlan([PartPlan(resolve(name), [CATALOG["steady"]])], 5, tmp_path, ""), Quiet())
    (run,) = result.record.parts[0].scenarios
    history = read_history(tmp_path / "latest" / name / "steady")
    workers = {worker: lives for worker, lives in history.lives.items() if worker != PRODUCER}
    supervisors = {life.pid for lives in workers.values() for life in lives}
    assert supervisors <= set(history.samples["pid"])
    assert set(history.samples["worker"]) == set(workers)
    assert history.samples.select("rss", "fds", "cpu_ns").min().row(0) > (0, 0, 0)
    times = history.samples["t"].to_list()
    spread_s = (max(times) - min(times)) / 1e9
    assert history.samples.height >= len(supervisors) * spread_s  # one a second at least, where four are asked for
    assert history.keys["n"].sum() >= 2 * history.jobs.height  # each job's record and its result
    verdicts = {each.name: each.verdict for each in run.checkers}
    assert verdicts["results"] is Verdict.PASS
    if name == "reference":
        promise = Promise.from_dict(history.header.promise)
        assert set(history.keys["pattern"]) <= {each.pattern for each in promise.keys}
        assert set(history.writers.filter(history.writers["role"] == "worker")["pid"]) <= set(history.samples["pid"])
        assert verdicts["residue"] is verdicts["leaks"] is Verdict.PASS
