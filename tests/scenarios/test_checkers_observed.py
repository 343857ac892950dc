"""The checkers of what is observed besides runs: delays, results, processes, keys. A table a checker, as the others."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from stormproof_target.spec import fails, succeeds

from loadtests.arrivals import constant
from scenarios.checkers.registry import CHECKERS
from tests.scenarios.histories import (
    SCENARIO,
    SOURCE,
    Lines,
    acked,
    anchors,
    answered,
    at_ns,
    canary,
    cut,
    fault,
    invoked,
    key,
    killed,
    op,
    run,
    stall,
    state,
    used,
    with_policy,
)
from tests.scenarios.test_checkers import OBSERVED, Case, illegal, judged, legal, promised

pytestmark = pytest.mark.unit

MIB = 2**20


def clocks(at: float, wall: float) -> Lines:
    """A process begins, and writes down both clocks."""
    return [{"w": "harness-1-a", "t": at_ns(at), "e": "open", "role": "harness", "worker": "harness", "pid": 1,
             "pid_start": 1, "wall_ns": at_ns(1e6 + wall)}]  # fmt: skip


def rolled_back(at: float) -> Lines:
    return [*canary(1, at - 0.5), *canary(2, at, missing=True), *canary(3, at + 0.5)]


def jobs(count: int, a: float, b: float, on: str = "w1") -> Lines:
    """Short runs, evenly spread over a time."""
    step = (b - a) / count
    return [line for n in range(count) for line in run(f"n{n}", a + n * step, a + (n + 0.5) * step, on=on)]


def teeth(*turns: float, **more: Any) -> Lines:  # noqa: ANN401  # fields of ``used``
    """A saw-tooth: what grows begins anew at each turn."""
    return [line for a, b in pairwise(turns) for line in used("w1", a, b - 0.1, **more)]


LATE = acked("j", 0, delay=5)
EARLY = [
    legal("early", "at its time", LATE, run("j", 5, 5.1)),
    legal("early", "long after, since every slot was taken", LATE, run("j", 50, 50.1)),
    legal("early", "a server's clock that gains 1 ms in a second", LATE, run("j", 4.995, 5.1)),
    legal("early", "the wall clock was set forward meanwhile", LATE, clocks(0, 0), clocks(7, 8), run("j", 4.1, 4.2),
          explained=1),
    legal("early", "the server's clock was set forward meanwhile", LATE, anchors((0, 0), (2, 3.001), (6, 7)),
          run("j", 4.1, 4.2), explained=1),
    legal("early", "the server's clock was set forward and back", LATE, anchors((0, 0), (2, 4), (6, 6)),
          run("j", 3.1, 3.2), explained=1),
    legal("early", "no delay", acked("j", 0), run("j", 0, 0.1)),
    legal("early", "its retry has a delay of its own", acked("j", 0, delay=5, spec=fails(times=1)),
          run("j", 5, 5.1, "error"), run("j", 5.2, 5.3)),
    legal("early", "an operator asked for it", LATE, op("requeue", "j", 1), run("j", 2, 2.1), explained=1),
    illegal("early", "early start", "a tenth of a second before", LATE, run("j", 4.9, 5)),
    illegal("early", "early start", "at once", LATE, run("j", 0.01, 0.1)),
    illegal("early", "early start", "though nobody answered its enqueue", invoked("j", 0, delay=5), run("j", 3, 3.1)),
    illegal("early", "early start", "by more than the wall clock was set", LATE, clocks(0, 0), clocks(7, 8),
            run("j", 3.9, 4.2)),
    illegal("early", "early start", "though the server's clock was set back", LATE, anchors((0, 9), (2, 1), (6, 5)),
            run("j", 4.1, 4.2)),
    illegal("early", "early start", "and only a reading that took long allows for it", LATE,
            anchors((0, 0), (2, 2), (6, 6)), anchors((3, 4), took=1.5), run("j", 4.1, 4.2)),
    illegal("early", "early start", "and at its time once more", LATE, run("j", 1, 1.1), run("j", 5, 5.1)),
]  # fmt: skip

DONE = (acked("j", 0), run("j", 1, 2))
OVERTAKEN = (acked("j", 0), run("j", 1, 9, fence=1), run("j", 4, 5, fence=2, on="w2"))
RESULTS = [
    legal("results", "stored", *DONE, state("j", "finished", at=10)),
    legal("results", "stored after a retry", acked("j", 0, spec=fails(times=1)), run("j", 1, 2, "error"),
          run("j", 3, 4), state("j", "finished", at=10)),
    legal("results", "expired", *DONE, state("j", "finished", stored=""), explained=1),
    legal("results", "expired, and its record too", *DONE, state("j", "absent"), explained=1),
    legal("results", "none is kept", *DONE, state("j", "finished", stored="", at=10),
          scenario=with_policy(result_ttl_s=0), explained=1),
    legal("results", "of the run that took over", *OVERTAKEN, state("j", "finished", stored="j@4", at=20), explained=1),
    legal("results", "of either run, where leases are not fenced", *OVERTAKEN,
          state("j", "finished", stored="j@1", at=20), promise=promised(fenced=False)),
    legal("results", "of the first run, whose report came when its worker had been killed", acked("j", 0),
          run("j", 1, 2), killed("w1", 2.1), run("j", 5, 6, on="w2"), state("j", "finished", stored="j@1", at=20)),
    legal("results", "of a zombie, whose successor's lease the store forgot", *OVERTAKEN, rolled_back(6),
          state("j", "finished", stored="j@1", at=20), explained=1),
    legal("results", "lost by the store", *DONE, rolled_back(2.5), state("j", "finished", stored="", at=10),
          explained=1),
    legal("results", "its worker was killed before it could report", *DONE, killed("w1", 2.05, slots=(0, 1)),
          state("j", "absent", at=20), explained=1),
    legal("results", "read while it was on its way", acked("j", 0), run("j", 1, 9.9), state("j", "absent", at=10),
          undecided=1),
    legal("results", "an operator interfered", *DONE, op("discard", "j", 5), state("j", "absent", at=20), explained=1),
    legal("results", "a dead letter has none", acked("j", 0), run("j", 1, 2), state("j", "dead", at=10)),
    legal("results", "finished a moment ago, and its result is on its way", acked("j", 0), run("j", 99.9, 99.95),
          state("j", "finished", stored=""), undecided=1),
    illegal("results", "lost result", "not stored", *DONE, state("j", "finished", stored="", at=10)),
    illegal("results", "lost result", "neither it nor its record", *DONE, state("j", "absent", at=20)),
    illegal("results", "lost result", "of a run that took over", *OVERTAKEN,
            state("j", "finished", stored="", at=20)),
    illegal("results", "zombie result", "its successor ended well, too", *OVERTAKEN,
            state("j", "finished", stored="j@1", at=20)),
    illegal("results", "zombie result", "its successor failed", acked("j", 0), run("j", 1, 9, fence=1),
            run("j", 4, 5, "error", fence=2, on="w2"), state("j", "finished", stored="j@1", at=20)),
    illegal("results", "zombie result", "told by the times of their grants", acked("j", 0), run("j", 1, 9),
            run("j", 4, 5, on="w2"), state("j", "finished", stored="j@1", at=20)),
    illegal("results", "foreign result", "another job's", *DONE, acked("k", 0), run("k", 3, 4),
            state("k", "finished", at=20), state("j", "finished", stored="k@3", at=20)),
    illegal("results", "foreign result", "cut off", *DONE, state("j", "finished", stored="half of it", at=10)),
    illegal("results", "foreign result", "after a roll-back, too", *DONE, rolled_back(50),
            acked("k", 0), state("j", "finished", stored="half of it", at=10)),
]  # fmt: skip

JOB_WAITS = (acked("j", 0), state("j", "waiting"))
RESIDUE = [
    legal("residue", "all expire that should", *DONE, state("j", "finished"), key("q:job:*", n=3, ttl_s=59),
          key("q:slot:*", n=2, ttl_s=60), key("q:list:*", n=4, bare=4)),
    legal("residue", "a job that is not over", *JOB_WAITS, key("q:job:*", n=3, bare=1, ttl_s=59)),
    legal("residue", "a dead letter", acked("j", 0), state("j", "dead"), key("q:job:*", bare=1)),
    legal("residue", "a job whose state nobody read", acked("j", 0), key("q:job:*", bare=1)),
    legal("residue", "an enqueue of unknown outcome may have arrived by now", answered("unknown", "j", 0),
          state("j", "absent"), key("q:job:*", bare=1)),
    legal("residue", "a list whose keys may have a time to live", key("q:list:*", ttl_s=1e6)),
    legal("residue", "nobody looked at the keys", *DONE, state("j", "finished")),
    legal("residue", "a job was on its way", acked("j", 0), run("j", 1, 99.95), state("j", "finished"),
          key("q:job:*", bare=1), undecided=1),
    legal("residue", "a worker had just been spawned", acked("j", 0), killed("w1", 99.9, slots=(0, 1)),
          key("q:slot:*", bare=1), *JOB_WAITS, undecided=1),
    legal("residue", "the machine did not run since", *DONE, stall("host", 2.01, 99.99), state("j", "finished"),
          key("q:job:*", bare=1), undecided=1),
    legal("residue", "the store rolled back", *DONE, rolled_back(50), state("j", "finished"), key("q:job:*", bare=1),
          undecided=1),
    illegal("residue", "unknown key", "of no pattern", *DONE, key("", "q:lost+found")),
    illegal("residue", "unknown key", "though nothing was at rest", acked("j", 0), run("j", 1, 99.95),
            state("j", "running"), key("", "q:lost+found", n=12)),
    illegal("residue", "kept too long", "by a second", key("q:slot:*", n=7, ttl_s=61)),
    illegal("residue", "kept too long", "a job's", *DONE, key("q:job:*", n=7, ttl_s=86_400)),
    illegal("residue", "never expires", "one of many", key("q:slot:*", n=7, bare=1, ttl_s=60)),
    illegal("residue", "left behind", "one more than jobs are left", *JOB_WAITS, key("q:job:*", n=9, bare=2, ttl_s=60)),
    illegal("residue", "left behind", "by a job that was cancelled", acked("j", 0), state("j", "cancelled"),
            key("q:job:*", bare=1)),
    illegal("residue", "left behind", "by a job that the queue calls absent", acked("j", 0), run("j", 1, 2),
            state("j", "absent"), key("q:job:*", bare=1)),
]  # fmt: skip

HUNDRED = jobs(100, 0, 10)
OUT = cut("w1", 5, 8)
LARGE = replace(SCENARIO, load=constant(rate_s=10, for_s=1, jobs={succeeds(result_kb=1024): 1}))
THREADS = [  # at most eight at once
    line for n in range(100) for line in run(f"j{n}", n / 10, n / 10 + (0.05 if n < 50 else 0.75))
]
LEAKS = [
    legal("leaks", "as many descriptors as before", HUNDRED, used("w1", 0, 10)),
    legal("leaks", "a pool fills in the beginning", HUNDRED, used("w1", 0, 2, fds_s=30), used("w1", 2.25, 10, fds=68)),
    legal("leaks", "a pool fills slowly, and then it is full", HUNDRED, used("w1", 0, 6, fds_s=10),
          used("w1", 6.25, 10, fds=68)),
    legal("leaks", "descriptors that are given back from time to time", HUNDRED, teeth(0, 2, 4, 6, 8, 10, fds_s=12)),
    legal("leaks", "more descriptors, and no jobs", used("w1", 0, 10, fds_s=10)),
    legal("leaks", "more descriptors, for another worker's jobs", jobs(100, 0, 10, on="w2"),
          used("w1", 0, 10, fds_s=10)),
    legal("leaks", "a dozen more descriptors", HUNDRED, used("w1", 0, 10, fds_s=1.2)),
    legal("leaks", "a few jobs", jobs(20, 0, 10), used("w1", 0, 10, fds_s=10)),
    legal("leaks", "memory for some minutes", used("w1", 0, 600, every=5, rss_s=MIB)),
    legal("leaks", "memory in the beginning", used("w1", 0, 120, every=5, rss_s=MIB),
          used("w1", 125, 1500, every=5, rss=150 * MIB)),
    legal("leaks", "memory in steps that end", used("w1", 0, 500, every=5, rss_s=MIB / 10),
          used("w1", 505, 1500, every=5, rss=80 * MIB)),
    legal("leaks", "a collector lets memory grow and takes it back", teeth(*range(0, 3001, 150), every=5, rss_s=MIB)),
    legal("leaks", "hardly more memory", used("w1", 0, 3000, every=5, rss_s=1500)),
    legal("leaks", "tries to connect", OUT, used("w1", 0, 10, cpu=0.045)),
    legal("leaks", "has a job to run in an outage", OUT, run("j", 4, 9), used("w1", 0, 10, cpu=0.9)),
    legal("leaks", "has a run that nobody saw the end of", OUT, run("j", 4), used("w1", 0, 10, cpu=0.9)),
    legal("leaks", "works while nothing is out", HUNDRED, used("w1", 0, 10, cpu=0.9)),
    legal("leaks", "another worker's outage", cut("w2", 5, 8), used("w1", 0, 10, cpu=0.9)),
    legal("leaks", "an outage that hit nobody", fault("down", 5, 8, "cut", ["w1"], fired=0, kind="redis down"),
          used("w1", 0, 10, cpu=0.9)),
    legal("leaks", "each new connection is broken", fault("reset", 5, 8, "cut", ["w1"], kind="reset peer"),
          used("w1", 0, 10, cpu=0.9)),
    legal("leaks", "processes that began under load", OUT, used("w1", 2.8, 10, cpu=0.9),
          used("w1", 4.5, 10, slot=2, cpu=0.9)),
    legal("leaks", "a worker that has just begun", cut("w1", 0.5, 2.3), used("w1", 0, 10, cpu=0.9)),
    legal("leaks", "all its processes together take little", OUT,
          *(used("w1", 0, 10, slot=n, cpu=0.012) for n in range(4))),
    legal("leaks", "many processes that each take little", OUT,
          *(used("w1", 0, 10, slot=n, cpu=0.009) for n in range(20))),
    legal("leaks", "an outage of a moment", cut("w1", 5, 5.6), used("w1", 0, 10, cpu=0.9)),
    legal("leaks", "looked at too seldom", OUT, used("w1", 0, 10, every=3.5, cpu=0.9)),
    legal("leaks", "samples that the machine delayed", OUT, stall("host", 4.9, 7.6), used("w1", 0, 10, cpu=0.9)),
    legal("leaks", "waits for jobs", *DONE, state("j", "finished", at=20), used("w1", 0, 20, cpu=0.03)),
    legal("leaks", "nobody says when the system was at rest", *DONE, used("w1", 0, 20, cpu=0.9)),
    illegal("leaks", "descriptor leak", "one a job", HUNDRED, used("w1", 0, 10, fds_s=10)),
    illegal("leaks", "descriptor leak", "one in three jobs", HUNDRED, used("w1", 0, 10, fds_s=3.3)),
    illegal("leaks", "descriptor leak", "a supervisor's", HUNDRED, used("w1", 0, 10, slot=0, fds_s=10)),
    legal("leaks", "memory of many runs, of which nothing is promised", HUNDRED, used("w1", 0, 10, rss_s=5 * MIB),
          promise=promised(growth_mib=math.inf)),
    legal("leaks", "memory of many runs, by a number without a sentence", HUNDRED, used("w1", 0, 10, rss_s=5 * MIB),
          promise=promised(sources={"leaks": SOURCE})),
    legal("leaks", "memory for the first runs", HUNDRED, used("w1", 0, 5, rss_s=10 * MIB),
          used("w1", 5.25, 10, rss=80 * MIB)),
    legal("leaks", "a step in the later runs", HUNDRED, used("w1", 0, 7.5), used("w1", 7.75, 10, rss=60 * MIB)),
    legal("leaks", "memory that is given back every twenty runs", HUNDRED, teeth(0, 2, 4, 6, 8, 10, rss_s=12 * MIB)),
    legal("leaks", "memory of a run while it lasts", HUNDRED, used("w1", 0, 9.9),
          *(used("w1", at + 0.03, at + 0.04, rss=90 * MIB) for at in range(10))),
    legal("leaks", "memory of fewer runs", jobs(90, 0, 10), used("w1", 0, 10, rss_s=5 * MIB)),
    legal("leaks", "memory of another process's runs", HUNDRED, used("w1", 0, 10, slot=2, rss_s=5 * MIB)),
    legal("leaks", "less memory than promised", HUNDRED, used("w1", 0, 10, rss_s=1.5 * MIB)),
    legal("leaks", "memory for results of a MiB", HUNDRED, used("w1", 0, 10, rss_s=3 * MIB), scenario=LARGE),
    legal("leaks", "memory for ever more results of a MiB at once, by threads", THREADS,
          used("w1", 0, 11, rss_s=12 * MIB), scenario=LARGE),
    illegal("leaks", "memory kept of runs", "more than that of as many at once", THREADS,
            used("w1", 0, 11, rss_s=24 * MIB), scenario=LARGE),
    illegal("leaks", "memory kept of runs", "256 KiB of each", HUNDRED, used("w1", 0, 10, rss_s=2.56 * MIB)),
    illegal("leaks", "memory kept of runs", "beneath what is given back", jobs(120, 0, 10),
            *(used("w1", at, at + 0.8, every=0.1, rss=(30 + 6 * at) * MIB, rss_s=4 * MIB) for at in range(10))),
    illegal("leaks", "memory kept of runs", "though results are large", HUNDRED, used("w1", 0, 10, rss_s=5 * MIB),
            scenario=LARGE),
    illegal("leaks", "memory leak", "1 MiB a minute", used("w1", 0, 1000, every=5, rss_s=MIB / 60)),
    illegal("leaks", "memory leak", "beneath a saw-tooth",
            *(used("w1", at, at + 55, every=5, rss=(30 + at / 60) * MIB, rss_s=MIB / 10) for at in range(0, 1500, 60))),
    illegal("leaks", "hot loop", "in a cut", OUT, used("w1", 0, 10, cpu=0.9)),
    illegal("leaks", "hot loop", "beside eight more on two cores", OUT, used("w1", 0, 10, cpu=0.25)),
    illegal("leaks", "hot loop", "of a supervisor, when the store is down", used("w1", 0, 10, slot=0, cpu=0.9),
            fault("restart", 5, 7, "store_down", kind="redis restart")),
    illegal("leaks", "hot loop", "after its last run in the outage", OUT, run("j", 4, 6), used("w1", 0, 10, cpu=0.9)),
    illegal("leaks", "hot loop", "of all its processes together", OUT,
            *(used("w1", 0, 10, slot=n, cpu=0.02) for n in range(4))),
    illegal("leaks", "hot loop", "of many processes", OUT, *(used("w1", 0, 10, slot=n, cpu=0.02) for n in range(20))),
    illegal("leaks", "hot loop", "in a second without a connection", cut("w1", 5, 6), used("w1", 0, 10, cpu=0.9)),
    illegal("leaks", "hot loop", "at rest", *DONE, state("j", "finished", at=20), used("w1", 0, 20, cpu=0.5)),
    illegal("leaks", "hot loop", "in spite of a stall", OUT, stall("host", 6, 6.5), used("w1", 0, 10, cpu=0.9)),
]  # fmt: skip

CASES = [*EARLY, *RESULTS, *RESIDUE, *LEAKS]


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.checker}-{'illegal' if case.anomaly else 'legal'}-{case.name}"
)
def test_an_observer_finds_what_is_illegal_and_nothing_else(case: Case) -> None:
    result = judged(case)
    found = {finding.anomaly for finding in result.findings}
    assert found == ({case.anomaly} if case.anomaly else set()), result.findings
    assert (result.total > 0) == bool(case.anomaly)
    assert result.undecided == case.undecided
    assert case.explained is None or result.explained == case.explained


def test_every_observer_has_a_legal_and_an_illegal_history() -> None:
    assert CHECKERS.keys() >= OBSERVED
    assert {(case.checker, bool(case.anomaly)) for case in CASES} == {(n, v) for n in OBSERVED for v in (True, False)}
    assert len({(case.checker, case.name) for case in CASES}) == len(CASES)
