"""Ten lawful histories, written by hand from what real queues do: no checker may find anything in them."""

from dataclasses import replace

import pytest
from stormproof_target import Promise
from stormproof_target.spec import exits, fails, hangs

from reports.verdict import Verdict
from scenarios.judge import judge
from scenarios.scenario import Scenario
from tests.scenarios.histories import (
    PROMISE,
    SCENARIO,
    Lines,
    acked,
    answered,
    canary,
    cut,
    exited,
    fault,
    frozen,
    history,
    killed,
    run,
    signal,
    spawned,
    state,
    target,
    with_policy,
)

pytestmark = pytest.mark.unit

FENCING = replace(PROMISE, self_fencing=True)
LIKE_RQ = replace(
    PROMISE, lease_s=90.0, heartbeat_s=0.0, margin_s=0.0, reconnect_s=62.0, recovery_s=float("inf"),
    fenced=False, slots=1,
    lost_reply_repeats=True, kill_costs_an_attempt=True, max_crashes=None, max_stalls=None,
)  # fmt: skip

SELF_FENCE = (
    acked("j", 0), acked("k", 0),
    run("j", 0.1, fence=1), fault("down", 0.5, 4, "cut", ["w1"]),
    exited("w1", 2.2),  # lease - margin after its last heartbeat
    run("k", 0.1, 0.3, on="w2"),
    run("j", 3.1, 3.2, on="w2", fence=2), state("j", "finished"), state("k", "finished"),
)  # fmt: skip
HARD_KILL_BY_TIMEOUT = (
    acked("j", 0, spec=hangs(in_c=True)),
    *(
        line
        for number, t in enumerate((0.1, 2.5, 5.5), start=1)
        for line in (run("j", t, attempt=number, slot=10 + number), exited("w1", t + 1.52, slot=10 + number))
    ),
    state("j", "dead", reason="timeout", attempts=3),
)  # fmt: skip
WORK_HORSE_EXITS_0 = (
    acked("j", 0, spec=fails(times=1)),
    run("j", 0.1, 0.2, "error", slot=11), exited("w1", 0.21, slot=11, status=0),
    run("j", 1.2, 1.3, slot=12), exited("w1", 1.31, slot=12, status=0),
    state("j", "finished"),
)  # fmt: skip
WORKER_EXITS_1_IN_AN_OUTAGE = (
    acked("j", 0), acked("k", 0.1),
    run("j", 0.3, 0.6), run("k", 0.4, slot=2),
    fault("redis restart", 0.5, 6, "store_down"),
    exited("w1", 3, slot=0, status=1), exited("w1", 3.01, slot=2), exited("w1", 3.01),
    spawned("w1", 4, life=2),
    run("j", 7, 7.1, life=2), run("k", 7.2, 7.3, life=2),
    state("j", "finished"), state("k", "finished"),
)  # fmt: skip
SIGTERM = (
    acked("j", 0), acked("k", 0),
    run("j", 0.1), run("k", 0.2, 0.9, slot=2),
    signal("w1", 0.5, "TERM", slot=0),
    exited("w1", 1.6), exited("w1", 1.6, slot=2), exited("w1", 1.7, slot=0, status=0),
     # aborted at the grace period's end
    spawned("w1", 2.7, life=2),
    run("j", 1.65, 1.9, on="w2"),
    state("j", "finished"), state("k", "finished"),
)  # fmt: skip
ZOMBIE = (
    acked("j", 0), acked("k", 0),
    run("j", 0.1, 5.1, fence=1), frozen("w1", 0.15, 5), run("j", 2.6, 2.7, on="w2", fence=2),
    run("k", 0.1, 0.2, on="w2"), state("j", "finished"), state("k", "finished"),
)  # fmt: skip
ORPHAN = (
    acked("j", 0),
    run("j", 0.1, 3), killed("w1", 0.5, slots=(0,)), exited("w1", 3.1, status=None), spawned("w1", 1.5, life=2),
    state("j", "running", found_in=["lease"]),
)  # fmt: skip
POISON = (
    acked("j", 0, spec=exits(status=1)), acked("k", 0),
    *(
        line
        for number, t in enumerate((0.1, 0.5, 0.9), start=1)
        for line in (run("j", t, attempt=1, slot=10 + number), exited("w1", t + 0.03, slot=10 + number, status=1))
    ),
    run("k", 0.2, 0.3, on="w2"),
    state("j", "dead", reason="crashed", attempts=0), state("k", "finished"),
)  # fmt: skip
UNKNOWN_RAN = (
    *(canary(n, n / 5) for n in range(1, 8)), canary(8, 1.55, acked=False), canary(9, 4),
    fault("redis restart", 1.5, 3, "store_down"),
    acked("j", 0), answered("unknown", "k", 1.4995), answered("rejected", "m", 2),
    run("j", 0.1, 0.2), run("k", 3.4, 3.5),
    state("j", "finished"), state("k", "finished"), state("m", "absent"),
)  # fmt: skip
DELAYED = (
    acked("j", 0, delay=5, spec=fails(times=1)),
    run("j", 5.3, 5.4, "error", attempt=1), run("j", 6.0, 6.1, attempt=2),
    state("j", "finished"),
)  # fmt: skip

PATIENT = with_policy(timeout_s=30.0)
RQ_CAN = target(
    {"delay", "retries", "attempt_numbers", "dead_letters", "soft_timeout", "crash_bound", "slot_processes"}, LIKE_RQ
)

LAWFUL: dict[str, tuple[tuple[Lines, ...], Promise, Scenario]] = {
    "a worker fences itself in a long cut": (SELF_FENCE, FENCING, PATIENT),
    "a body that hangs in C is killed at its hard timeout": (HARD_KILL_BY_TIMEOUT, PROMISE, SCENARIO),
    "a work horse exits 0 after each job": ((*WORK_HORSE_EXITS_0, RQ_CAN), LIKE_RQ, SCENARIO),
    "a worker exits 1 in an outage": (WORKER_EXITS_1_IN_AN_OUTAGE, PROMISE, PATIENT),
    "SIGTERM, grace, abort": (SIGTERM, PROMISE, SCENARIO),
    "a frozen zombie ends late": (ZOMBIE, FENCING, SCENARIO),
    "the supervisor is killed and its orphan ends well": ((*ORPHAN, RQ_CAN), LIKE_RQ, PATIENT),
    "poison kills its slot until it is a dead letter": (POISON, PROMISE, SCENARIO),
    "an enqueue that nobody answered runs after a restart": (UNKNOWN_RAN, PROMISE, SCENARIO),
    "a delayed job fails once": (DELAYED, PROMISE, SCENARIO),
}


@pytest.mark.parametrize("name", LAWFUL)
def test_no_checker_finds_anything_in_a_lawful_history(name: str) -> None:
    lines, promise, scenario = LAWFUL[name]
    judgement = judge(history(*lines), promise, scenario)
    assert not judgement.failed, [each.why for each in judgement.checkers if each.why]
    assert not [each.error for each in judgement.checkers if each.error]
    assert judgement.verdict is Verdict.PASS, [(each.name, each.verdict, each.why) for each in judgement.checkers]


def test_a_cut_that_hits_another_worker_excuses_nothing() -> None:
    """The same lawful history with its cut on the wrong worker is not lawful any more."""
    moved = (*SELF_FENCE[:3], cut("w2", 0.5, 4), *SELF_FENCE[4:])
    assert judge(history(*moved), FENCING, PATIENT).verdict is Verdict.FAIL
