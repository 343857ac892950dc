"""Every checker on histories that it must not flag and on histories that it must: a table a checker."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from stormproof_target import ABILITIES, BackoffPolicy, Promise
from stormproof_target.spec import exits, fails, hangs, kills_worker, segfaults, succeeds

from scenarios.checkers import Judged
from scenarios.checkers.registry import CHECKERS
from scenarios.scenario import Scenario
from tests.scenarios.histories import (
    PROMISE,
    SCENARIO,
    SOURCE,
    Lines,
    acked,
    anchors,
    answered,
    away,
    canary,
    cancelled,
    count,
    cut,
    exited,
    fault,
    frozen,
    granted,
    history,
    invoked,
    killed,
    op,
    paused,
    run,
    signal,
    spawned,
    stall,
    state,
    target,
    with_policy,
)

pytestmark = pytest.mark.unit

OBSERVED = {"early", "results", "leaks", "residue"}  # see test_checkers_observed.py


@dataclass(frozen=True)
class Case:
    """One history, and the anomaly that a checker must find in it ('': none)."""

    name: str
    checker: str
    lines: tuple[Lines, ...]
    anomaly: str = ""
    promise: Promise = PROMISE
    scenario: Scenario = SCENARIO
    explained: int | None = None
    undecided: int = 0


def legal(checker: str, name: str, *lines: Lines, **more: Any) -> Case:  # noqa: ANN401  # fields of Case
    return Case(name, checker, lines, **more)


def illegal(checker: str, anomaly: str, name: str, *lines: Lines, **more: Any) -> Case:  # noqa: ANN401  # as above
    return Case(name, checker, lines, anomaly, **more)


def judged(case: Case) -> Judged:
    return CHECKERS[case.checker].check(history(*case.lines), case.promise, case.scenario)


def promised(**changes: Any) -> Promise:  # noqa: ANN401  # fields of Promise
    return replace(PROMISE, **changes)


CALLED_OFF, TO_END = "started after its cancellation", "started again after a request to cancel"
GONE, STRANDED = "lost acknowledgement", "stranded job"
REPEATED, BACK = "unexplained repeat", "resurrected job"
GRACE = {"promise": replace(PROMISE, stop_grace_s=1.0)}
TWICE = (fault("replies", 0.9, 1.2, "cut", ["producer"]),)
HIDDEN_TWICE = (cut("w1", 1, 2), cut("w2", 20, 21), run("j", 40, 40.1, "error"), state("j", "dead"))
AT_MOST_ONCE = promised(delivery="at_most_once")
BUSY = tuple(
    line
    for number in range(40)
    for line in (
        acked(f"b{number}", 0),
        run(f"b{number}", number * 2.5, number * 2.5 + 2.4),
        state(f"b{number}", "finished"),
    )
)
FAILING = fails(times=1)

LOST = [
    legal("lost", "done", acked("j", 0), run("j", 0.1, 0.2), state("j", "finished")),
    legal("lost", "done, and its result has expired", acked("j", 0), run("j", 0.1, 0.2), state("j", "absent")),
    legal("lost", "still waiting while runs go on", acked("j", 0), state("j", "waiting"), *BUSY),
    legal("lost", "waiting, and every slot is taken by a job that hangs",
          acked("j", 0), state("j", "waiting"),
          *(run(f"h{n}", 0.1, on=f"w{1 + n // 2}", slot=1 + n % 2) for n in range(4))),
    legal("lost", "waiting, and no worker is alive", acked("j", 0), state("j", "waiting"),
          killed("w1", 1, slots=(0, 1)), killed("w2", 1, slots=(0, 1))),
    legal("lost", "waiting for less than the promise allows", acked("j", 97), state("j", "waiting")),
    legal("lost", "delayed, and not due yet", acked("j", 0, delay=98), state("j", "delayed")),
    legal("lost", "no time of recovery is promised", acked("j", 0), state("j", "waiting"),
          promise=promised(recovery_s=float("inf"))),
    legal("lost", "a dead letter", acked("j", 0), *(run("j", t, t + 0.1, "error") for t in (1, 3, 6)),
              state("j", "dead")),
    legal("lost", "cancelled", acked("j", 0), cancelled("j", 1), state("j", "cancelled")),
    legal("lost", "never acknowledged", answered("unknown", "j", 0), state("j", "absent")),
    legal("lost", "read while things moved", acked("j", 0), state("j", "absent"), run("k", 99.9, 100.1), acked("k", 1),
          undecided=1),
    legal("lost", "nobody looked", acked("j", 0), undecided=1),
    legal("lost", "acknowledged while the store rolled back", canary(1, 0.9), acked("j", 1), canary(2, 1.5,
              missing=True),
          canary(3, 3), state("j", "absent"), undecided=1),
    legal("lost", "lost by the store", canary(1, 0.8), canary(2, 0.9, missing=True), acked("j", 1), canary(3, 3),
          state("j", "absent"), explained=1),
    legal("lost", "at most once, and the run was killed", acked("j", 0), run("j", 0.1), killed("w1", 0.5),
          state("j", "absent"), promise=AT_MOST_ONCE, explained=1),
    legal("lost", "at most once, killed before its first line", acked("j", 0), killed("w1", 0.5), state("j", "absent"),
          promise=AT_MOST_ONCE, explained=1),
    legal("lost", "a queue without dead letters forgets what failed as often as it may",
          target(set(ABILITIES) - {"dead_letters"}), acked("j", 0),
          *(run("j", t, t + 0.1, "error") for t in (1, 3, 6)), state("j", "absent")),
    legal("lost", "at most once, and the parent of two slots is killed with three jobs fetched for each",
          *(acked(f"j{n}", 0) for n in range(6)), run("j0", 0.1, 0.4), run("j1", 0.1, 0.4, slot=2),
          killed("w1", 0.5, slots=(0,)), *(state(f"j{n}", "absent") for n in range(6)),
          promise=promised(delivery="at_most_once", prefetch=3)),
    legal("lost", "cancelled, and no record of it is kept", acked("j", 0, delay=50), cancelled("j", 1),
          state("j", "absent")),
    illegal("lost", GONE, "gone, although its cancellation was refused", acked("j", 0), cancelled("j", 1, "refused"),
            state("j", "absent")),
    legal("lost", "its queue is still paused", acked("j", 2), paused(1, None), state("j", "waiting")),
    legal("lost", "its queue was resumed just now", acked("j", 2), paused(1, 97), state("j", "waiting")),
    illegal("lost", STRANDED, "its queue was resumed long ago", acked("j", 2), paused(1, 50), state("j", "waiting")),
    legal("lost", "free slots of a worker that stops only", acked("j", 2), signal("w1", 60, "TERM", slot=0),
          state("j", "waiting"), run("h1", 50, on="w2"), run("h2", 50, on="w2", slot=2)),
    legal("lost", "delayed by the backoff of an attempt unseen", acked("j", 0),
          killed("w1", 10, slots=(0, 1)), spawned("w1", 11, life=2), state("j", "delayed", at=45),
          scenario=with_policy(max_attempts=5, backoff=BackoffPolicy("fixed", 40.0, 40.0, "none"))),
    illegal("lost", GONE, "in no key", acked("j", 0), state("j", "absent")),
    illegal("lost", GONE, "cancelled, and nobody had asked for it", acked("j", 0), state("j", "cancelled")),
    illegal("lost", GONE, "in no key, a stall just before the look", acked("j", 0), stall("host", 99.5, 99.9),
            state("j", "absent")),
    illegal("lost", STRANDED, "left behind by a killed worker, while another is free", acked("j", 0), run("j", 0.1),
            killed("w1", 0.5), spawned("w1", 1.5, life=2), state("j", "running")),
    legal("lost", "left behind by a killed worker, by a queue that promises no recovery", acked("j", 0), run("j", 0.1),
          killed("w1", 0.5), state("j", "running"), promise=replace(PROMISE, recovery_s=float("inf"))),
    legal("lost", "the host hardly ran since", acked("j", 0), stall("host", 0.2, 99.9), state("j", "absent"),
          undecided=1),
    illegal("lost", GONE, "in no key after a run that was killed", acked("j", 0), run("j", 0.1), killed("w1", 0.5),
            spawned("w1", 1.5, life=2), state("j", "absent")),
    illegal("lost", STRANDED, "says waiting, and nothing runs", acked("j", 0), state("j", "waiting")),
    illegal("lost", STRANDED, "says running, and its process is long dead", acked("j", 0), run("j", 0.1),
            killed("w1", 0.5), state("j", "running")),
    illegal("lost", GONE, "called finished, and never done: acknowledged before it ran", acked("j", 0), run("j", 0.1),
            killed("w1", 0.5), state("j", "finished")),
    illegal("lost", GONE, "survived the roll-back by the canary's word", acked("j", 0), canary(1, 1),
            canary(2, 2, missing=True), canary(3, 3), state("j", "absent")),
    illegal("lost", GONE, "at most once, but more jobs than kills could cost", acked("j", 0), acked("k", 0),
            killed("w1", 0.5), state("j", "absent"), state("k", "absent"), promise=AT_MOST_ONCE),
]  # fmt: skip

PHANTOM = [
    legal("phantom", "unknown, and it ran", answered("unknown", "j", 0), run("j", 1, 2)),
    legal("phantom", "started before its acknowledgement came", acked("j", 0, answered=1), run("j", 0.5, 0.6)),
    legal("phantom", "its producer died before an answer", invoked("j", 0), run("j", 0.5, 0.6)),
    illegal("phantom", "ghost run", "rejected, and it ran", answered("rejected", "j", 0), run("j", 1, 2)),
    illegal("phantom", "ghost run", "never invoked", run("j", 1, 2)),
    illegal("phantom", "ghost run", "started before it was invoked", acked("j", 2), run("j", 1, 2.5)),
    illegal("phantom", "corrupted arguments", "other arguments", acked("j", 0), run("j", 1, 2, args_sum="0")),
]

HELD: dict[str, Any] = {"promise": promised(hold_s=2.0)}
OUTAGE = fault("full", 1.95, 5.1, "refused") + away(2, 5)


def back_at(start: float, *more: Lines) -> tuple[Lines, ...]:
    """A job of w1 that ends in an outage, while w1 is frozen, and runs again elsewhere."""
    return (OUTAGE, acked("j", 0), run("j", 1.9, 7.2, fence=1), frozen("w1", 2.1, 7.1), *more,
            run("j", start, start + 0.1, on="w2", fence=2))  # fmt: skip


def held_long(*more: Lines, again: float = 11.6, dies: float = 8.1) -> tuple[Lines, ...]:
    """A job of 12 s that runs before the store restarts, and again soon after, and what else there is."""
    return (acked("j", 7.55), run("j", 7.6, 20, fence=1), frozen("w1", 7.7, 19), *more,
            fault("restart", 8, 11.05, "store_down", kind="redis restart"), away(dies, 11),
            run("j", again, again + 0.05, on="w2", fence=2))  # fmt: skip


def all_killed(at: float, life: int) -> Lines:
    """Both workers, which are back 1.7 s later."""
    names = "w1", "w2"
    return [
        line
        for name in names
        for line in killed(name, at, life=life, slots=(0, 1, 2)) + spawned(name, at + 1.7, life=life + 1)
    ]


def all_frozen(a: float, b: float) -> Lines:
    """Both workers."""
    return frozen("w1", a, b) + frozen("w2", a, b)


LONG: dict[str, Any] = {"promise": promised(hold_s=2.0, sweep_s=2.0), "scenario": with_policy(timeout_s=30.0)}
IN_TIME = anchors((0, 0), (7, 7), (11.1, 11.1), (11.2, 11.2), (30, 30))

DUPLICATES = [
    legal("duplicates", "its lease ended in an outage, after which nothing is held", *back_at(5.2), explained=1),
    legal("duplicates", "held after an outage, and not renewed even then", *back_at(6.95), explained=1, **HELD),
    legal("duplicates", "its lease may have ended before the outage", *back_at(5.2, cut("w1", 0.9, 2.0)), explained=1,
          **HELD),
    legal("duplicates", "an outage that was shorter than a lease", acked("j", 0), run("j", 0.4, 7, fence=1),
          frozen("w1", 0.5, 6.9), fault("full", 2.9, 5.1, "refused"), away(3, 5),
          run("j", 5.2, 5.3, on="w2", fence=2), explained=1, **HELD),
    legal("duplicates", "after an outage its worker was killed", *back_at(5.5, killed("w1", 5.2)), explained=1, **HELD),
    legal("duplicates", "a machine that stood still may have looked like two outages before",
          *back_at(5.2, stall("host", -3, -1.5), stall("host", 0.1, 1.5)), explained=1, **HELD),
    legal("duplicates", "nobody was seen to be hit by the outage", acked("j", 0), run("j", 1.9, 7, fence=1),
          frozen("w1", 2.1, 6.9), fault("full", 1.95, 5.1, "refused", fired=0), away(2, 5),
          run("j", 5.2, 5.3, on="w2", fence=2), explained=1, **HELD),
    legal("duplicates", "nobody knows when the store was away", acked("j", 0), run("j", 1.9, 7, fence=1),
          frozen("w1", 2.1, 6.9), fault("full", 2, 5, "refused"), run("j", 5.2, 5.3, on="w2", fence=2), explained=1,
          **HELD),
    legal("duplicates", "links were down, one after the other", acked("j", 0), run("j", 1.9, 7, fence=1),
          frozen("w1", 2.1, 6.9), fault("down", 2, 5, "cut", kind="redis down"),
          run("j", 5.2, 5.3, on="w2", fence=2), explained=1, **HELD),
    legal("duplicates", "sweeps were late three times before, since everybody was frozen",
          *held_long(all_frozen(1, 2.7), all_frozen(3.5, 5.2), all_frozen(5.9, 7.5)), explained=1, **LONG),
    legal("duplicates", "sweeps were late three times before, since everybody was killed", acked("j", 7.55),
          run("j", 7.6, 20, life=4, fence=1), *(all_killed(0.5 + 2.4 * n, n + 1) for n in range(3)),
          frozen("w1", 7.7, 19, life=4), fault("restart", 8, 11.05, "store_down", kind="redis restart"), away(8.1, 11),
          run("j", 11.6, 11.7, on="w2", life=4, fence=2), explained=1, **LONG),
    legal("duplicates", "each sweep was late before, since all was slow", *held_long(fault("slow", 1, 7.5, "slow")),
          explained=1, **LONG),
    legal("duplicates", "sweeps were late before, since the store was away by itself",
          *held_long(*(away(a, a + 1, first=1000 * (n + 1)) for n, a in enumerate((2, 3.5, 5, 6.5)))), explained=1,
          **LONG),
    legal("duplicates", "the clock was set forward in a hold",
          *held_long(anchors((0, 0), (7, 7), (11.1, 11.1), (11.2, 12.6), (30, 31.4)), again=11.8), explained=1, **LONG),
    legal("duplicates", "the clock was set back in an outage, so that it looked short",
          *held_long(anchors((0, 0), (7, 7), (11.1, 9.1), (30, 28))), explained=1, **LONG),
    legal("duplicates", "the store was told to restart, and died later", *held_long(again=9.65, dies=9.7), explained=1,
          **LONG),
    legal("duplicates", "the clock was set forward in its run", acked("j", 0), run("j", 0.1, 3, fence=1),
          anchors((0, 0), (0.7, 0.7), (0.75, 2.15), (30, 31.4)), run("j", 1.3, 1.4, on="w2", fence=2), explained=1),
    legal("duplicates", "the clock was set forward before its end was reported", acked("j", 0), run("j", 0.1, 0.7),
          anchors((0, 0), (0.7, 0.7), (0.75, 2.75), (30, 32)), run("j", 1.3, 1.4, on="w2"), explained=1),
    illegal("duplicates", BACK, "the clock was set forward long after its end", acked("j", 0), run("j", 0.1, 0.2),
            anchors((0, 0), (0.7, 0.7), (0.75, 2.75), (30, 32)), run("j", 1.3, 1.4, on="w2")),
    illegal("duplicates", "unexplained repeat", "the clock was set back in its run", acked("j", 0),
            run("j", 0.1, 3, fence=1), anchors((0, 0), (0.7, 0.7), (0.75, -2), (30, 27.25)),
            run("j", 1.3, 1.4, on="w2", fence=2)),
    illegal("duplicates", "unexplained repeat", "no lease was held after an outage", *back_at(5.2), **HELD),
    illegal("duplicates", "unexplained repeat", "the machine stood still once before",
            *back_at(5.2, stall("host", -3, -2)), **HELD),
    illegal("duplicates", "unexplained repeat", "none was held long enough", *back_at(6.75), **HELD),
    illegal("duplicates", "unexplained repeat", "no lease was held after a restart", *held_long(), **LONG),
    illegal("duplicates", "unexplained repeat", "no lease was held, and the clocks agree", *held_long(IN_TIME), **LONG),
    illegal("duplicates", "unexplained repeat", "sweeps were late once before",
            *held_long(all_frozen(5.9, 7.2)), **LONG),
    illegal("duplicates", "unexplained repeat", "sweeps were late more often, and in time for long",
            *(line for line in held_long(all_frozen(-9, -7), all_frozen(-6, -5), all_frozen(-4, -2))), **LONG),
    legal("duplicates", "failed, and retried", acked("j", 0), run("j", 1, 1.1, "error"), run("j", 2, 2.1), explained=1),
    legal("duplicates", "a cut that is shorter than the lease, but not than lease - heartbeat - margin", acked("j", 0),
          run("j", 0, 3), cut("w1", 0.6, 2.2), run("j", 2.05, 2.1, on="w2")),
    legal("duplicates", "killed in its run", acked("j", 0), run("j", 1), killed("w1", 1.5), run("j", 2, 2.1, on="w2")),
    legal("duplicates", "killed between its end and its report", acked("j", 0), run("j", 1, 1.5), killed("w1", 1.55),
          run("j", 2, 2.1, on="w2")),
    legal("duplicates", "its supervisor was killed before the report", acked("j", 0), run("j", 1, 1.5),
          killed("w1", 1.55, slots=(0,)), run("j", 4, 4.1, on="w2")),
    legal("duplicates", "its supervisor gave up in an outage", acked("j", 0), run("j", 1, 1.5), cut("w1", 1.4, 4),
          exited("w1", 3, slot=0, status=1), run("j", 3.6, 3.7, on="w2")),
    legal("duplicates", "frozen past its lease", acked("j", 0), run("j", 1, 5), frozen("w1", 1.1, 4.9),
          run("j", 3.2, 3.3, on="w2")),
    legal("duplicates", "the host stalled past its lease", acked("j", 0), run("j", 1, 5), stall("host", 1.1, 4.9),
          run("j", 3.2, 3.3, on="w2")),
    legal("duplicates", "the store rolled back", canary(1, 0), acked("j", 1), run("j", 1.1, 1.2), canary(2,
              1.3, missing=True),
          canary(3, 2), run("j", 2.5, 2.6)),
    legal("duplicates", "a lost reply, and the queue repeats then", acked("j", 0), run("j", 1, 1.2),
          fault("reset", 1.1, 1.3, "cut", ["w1"]), run("j", 1.5, 1.6, on="w2"),
          promise=promised(lost_reply_repeats=True)),
    legal("duplicates", "told to stop between its end and its report", acked("j", 0), run("j", 1, 1.1),
          signal("w1", 1.15, "TERM", slot=0), exited("w1", 1.2, slot=0), run("j", 1.8, 1.9, on="w2")),
    legal("duplicates", "its worker went with another job, and came back for what it had", acked("j", 0),
          acked("p", 0, spec=kills_worker()), run("p", 1, slot=2), run("j", 0.5, 1.09),
          *(exited("w1", 1.1, slot=slot) for slot in (0, 1, 2)), spawned("w1", 1.5, life=2), run("j", 1.9, 2, life=2)),
    legal("duplicates", "at most once, and the store forgot that it was taken", canary(1, 0.5), acked("j", 0.6),
          run("j", 1, 1.04), canary(2, 1.05, missing=True), canary(3, 3), run("j", 3.1, 3.2), promise=AT_MOST_ONCE),
    legal("duplicates", "at most once, and enqueued twice", acked("j", 1, answered=1.3), *TWICE,
          run("j", 1.4, 1.5), run("j", 1.5, 1.6, on="w2"),
          promise=promised(delivery="at_most_once", lost_reply_repeats=True)),
    legal("duplicates", "an operator asked", acked("j", 0), run("j", 1, 1.2), op("requeue", "j", 20),
              run("j", 30, 30.1)),
    legal("duplicates", "told to stop in its run", acked("j", 0), run("j", 1, 1.2), signal("w1", 1.1, "TERM", slot=0),
          run("j", 2, 2.1, on="w2")),
    legal("duplicates", "its process was killed at its timeout", acked("j", 0), run("j", 1), exited("w1", 2.5),
          run("j", 4, 4.1, on="w2")),
    legal("duplicates", "without fences the other order explains it", acked("j", 0), run("j", 3.15, 5, on="w2"),
          frozen("w1", 0.96, 3.5), run("j", 3.6, 3.7)),
    legal("duplicates", "with a batch in hand its grant is earlier", acked("i", 0), acked("j", 0), run("i", 1, 2.9),
          run("j", 3, 4), cut("w1", 1.1, 2.6), run("j", 3.1, 3.2, on="w2"), promise=promised(prefetch=2)),
    illegal("duplicates", BACK, "a kill a minute later", acked("j", 0), run("j", 0, 0.1), killed("w1", 60),
            run("j", 61, 61.1, on="w2")),
    illegal("duplicates", BACK, "two runs for no reason", acked("j", 0), run("j", 0, 0.1), run("j", 5, 5.1)),
    illegal("duplicates", BACK, "another worker was killed", acked("j", 0), run("j", 1, 1.5), killed("w2", 1.2),
            run("j", 2, 2.1)),
    illegal("duplicates", REPEATED, "another worker was cut off", acked("j", 0), run("j", 1, 5), cut("w2", 1, 4),
            run("j", 3.5, 3.6, on="w2", slot=2)),
    illegal("duplicates", REPEATED, "two cuts of which neither is long enough", acked("j", 0), run("j", 1, 5),
            cut("w1", 1, 1.7), cut("w1", 2.8, 3.4), run("j", 3.5, 3.6, on="w2")),
    illegal("duplicates", REPEATED, "a lost reply, but the queue promises not to repeat", acked("j", 0),
                run("j", 1, 1.2),
            fault("reset", 1.1, 1.3, "cut", ["w1"]), run("j", 1.5, 1.6, on="w2")),
    illegal("duplicates", REPEATED, "at most once, and the run was killed", acked("j", 0), run("j", 1),
            killed("w1", 1.5), run("j", 2, 2.1, on="w2"), promise=AT_MOST_ONCE),
    illegal("duplicates", REPEATED, "failed while its repeat was running", acked("j", 0), run("j", 1, 3, "error"),
            run("j", 2, 2.1, on="w2")),
    illegal("duplicates", REPEATED, "failed as often as it may, and ran again", acked("j", 0),
            *(run("j", t, t + 0.1, "error") for t in (1, 3, 6)), run("j", 9, 9.1)),
    illegal("duplicates", REPEATED, "told to stop, and the queue promises that this repeats nothing", acked("j", 0),
            run("j", 1, 1.2), signal("w1", 1.1, "TERM", slot=0), run("j", 2, 2.1, on="w2"),
            promise=promised(stop_is_a_cause=False)),
    legal("duplicates", "a retry with a lower fence, which overlap finds", acked("j", 0),
          run("j", 1, 1.05, "error", fence=2), run("j", 1.1, 1.2, on="w2", fence=1)),
    legal("duplicates", "told to stop, and reported when the grace may have been over", acked("j", 0), run("j", 1, 1.9),
          signal("w1", 1.05, "TERM", slot=0), run("j", 2.5, 2.6, on="w2"), **GRACE),
    legal("duplicates", "told to stop, and cut off when it had to report", acked("j", 0), run("j", 1, 1.2),
          signal("w1", 1.1, "TERM", slot=0), cut("w1", 1.15, 1.3), run("j", 2, 2.1, on="w2"), **GRACE),
    legal("duplicates", "told to stop, and the host stalled until the grace was over", acked("j", 0), run("j", 1, 1.2),
          signal("w1", 1.1, "TERM", slot=0), stall("host", 1.15, 2), run("j", 2.2, 2.3, on="w2"), **GRACE),
    illegal("duplicates", BACK, "told to stop, and the host stalled for a moment", acked("j", 0), run("j", 1, 1.2),
            signal("w1", 1.1, "TERM", slot=0), stall("host", 1.15, 1.3), run("j", 2, 2.1, on="w2"), **GRACE),
    legal("duplicates", "told to stop twice", acked("j", 0), run("j", 1, 1.2), signal("w1", 1.1, "TERM", slot=0),
          signal("w1", 1.15, "TERM", slot=0), run("j", 2, 2.1, on="w2"), **GRACE),
    legal("duplicates", "broken off by a stop", acked("j", 0), run("j", 1), signal("w1", 1.1, "TERM", slot=0),
          exited("w1", 2.2), run("j", 3, 3.1, on="w2"), **GRACE),
    legal("duplicates", "a new release may have had it stop before we did", acked("j", 0), run("j", 1, 1.9),
          fault("deploy", 0.2, 5, "deploy", ["w1", "w2"]), signal("w1", 1.8, "TERM", slot=0),
          run("j", 2.5, 2.6, on="w2"), **GRACE),
    legal("duplicates", "told to stop, cut off, and it left", acked("j", 0), run("j", 1, 1.2), cut("w1", 1.15, 1.25),
          signal("w1", 1.22, "TERM", slot=0), exited("w1", 1.3, slot=0, status=0),
          run("j", 3.5, 3.6, on="w2"), **GRACE),
    legal("duplicates", "told to stop, and its supervisor ended badly", acked("j", 0), run("j", 1, 1.2),
          signal("w1", 1.1, "TERM", slot=0), exited("w1", 1.3, slot=0, status=1), run("j", 3, 3.1, on="w2"), **GRACE),
    illegal("duplicates", BACK, "a cut a minute later", acked("j", 0), run("j", 0, 0.1), cut("w1", 60, 64),
            run("j", 65, 65.1, on="w2")),
    illegal("duplicates", BACK, "told to stop, and long gone", acked("j", 0), run("j", 1, 1.2),
            signal("w1", 1.1, "TERM", slot=0), exited("w1", 1.3, slot=0, status=0), run("j", 9, 9.1, on="w2"), **GRACE),
    illegal("duplicates", BACK, "told to stop, ended and reported within the grace", acked("j", 0), run("j", 1, 1.2),
            signal("w1", 1.1, "TERM", slot=0), exited("w1", 1.3, slot=0, status=0), run("j", 2, 2.1, on="w2"), **GRACE),
    illegal("duplicates", BACK, "ended just before it was told to stop", acked("j", 0), run("j", 1, 1.2),
            signal("w1", 1.25, "TERM", slot=0), run("j", 2, 2.1, on="w2"), **GRACE),
    illegal("duplicates", BACK, "its work horse exited by itself after its end", acked("j", 0), run("j", 1, 1.2),
            exited("w1", 1.25, status=0), run("j", 2, 2.1, on="w2")),
]  # fmt: skip

OVERLAP = [
    legal("overlap", "frozen past its lease", acked("j", 0), run("j", 0, 9.1), frozen("w1", 0.6, 9),
              run("j", 2.1, 2.2, on="w2"),
          explained=1),
    legal("overlap", "its supervisor was killed, and nobody renewed for the orphan", acked("j", 0), run("j", 0, 9),
          killed("w1", 1, slots=(0,)), run("j", 4, 4.1, on="w2"), explained=1),
    legal("overlap", "one after the other", acked("j", 0), run("j", 0, 1), run("j", 5, 6)),
    legal("overlap", "its death is not known exactly", acked("j", 0), run("j", 0), exited("w1", 3, seen=1),
              run("j", 2, 2.5, on="w2")),
    legal("overlap", "fenced itself in time", acked("j", 0), run("j", 0), fault("down", 1, 6, "cut", ["w1"]),
          exited("w1", 2.8), run("j", 3.2, 3.3, on="w2"), promise=promised(self_fencing=True)),
    legal("overlap", "frozen within the cut, so it could not fence itself", acked("j", 0), run("j", 0, 9),
          fault("down", 1, 6, "cut", ["w1"]), frozen("w1", 1.5, 8.9), promise=promised(self_fencing=True)),
    legal("overlap", "the cut was never seen to hit anybody", acked("j", 0), run("j", 0, 9),
          fault("down", 1, 6, "cut", ["w1"], fired=0), promise=promised(self_fencing=True)),
    illegal("overlap", "double lease", "a cut too short to end the lease", acked("j", 0), run("j", 0, 3),
            cut("w1", 1, 1.8), run("j", 2.05, 2.5, on="w2")),
    illegal("overlap", "double lease", "fenced, and no fault at all", acked("j", 0), run("j", 0, 3, fence=1),
            run("j", 1, 2, on="w2", fence=2)),
    legal("overlap", "a grant from before a freeze starts behind its successor's end", acked("j", 0),
          frozen("w1", 0.5, 6), run("j", 3, 3.2, on="w2", fence=2), run("j", 6.1, 6.3, fence=1)),
    legal("overlap", "fences that go back where the store rolled back", canary(1, 0.5), acked("j", 0.6),
          run("j", 1, 1.04, "error", fence=9), canary(2, 1.05, missing=True), canary(3, 3),
          run("j", 3.1, 3.2, fence=4)),
    legal("overlap", "fences that go back where nobody promises that they grow", acked("j", 0),
          run("j", 1, 1.1, "error", fence=2), run("j", 3, 3.1, fence=1),
          promise=promised(sources={"overlap": PROMISE.sources["fenced"]})),
    legal("overlap", "two starts so close that either may have been granted first, each with a cause", acked("j", 0),
          run("j", 1.1, 1.15, "error", fence=2), run("j", 1.05, 1.06, "error", on="w2", fence=1)),
    legal("overlap", "fences of two jobs", acked("j", 0), acked("k", 0), run("j", 1, 1.1, fence=2),
          run("k", 3, 3.1, fence=1)),
    illegal("overlap", "fence went back", "a retry with a lower fence", acked("j", 0),
            run("j", 1, 1.1, "error", fence=2), run("j", 3, 3.1, on="w2", fence=1)),
    illegal("overlap", "fence went back", "a retry with the same fence", acked("j", 0),
            run("j", 1, 1.1, "error", fence=2), run("j", 3, 3.1, on="w2", fence=2)),
    illegal("overlap", "fence went back", "a zombie's is the higher one", acked("j", 0), run("j", 0, 9.1, fence=2),
            frozen("w1", 0.6, 9), run("j", 2.5, 2.6, on="w2", fence=1)),
    illegal("overlap", "fence went back", "a retry at once, which nothing else can have made", acked("j", 0),
            run("j", 1, 1.05, "error", fence=2), run("j", 1.1, 1.2, on="w2", fence=1)),
    illegal("overlap", "unfenced zombie", "went on for longer than a lease", acked("j", 0), run("j", 0, 9),
            fault("down", 1, 6, "cut", ["w1"]), promise=promised(self_fencing=True)),
]  # fmt: skip


POISON = exits(status=1)


def crashing(*times: float) -> list[Lines]:
    """Runs that end their process, each in a slot of its own."""
    return [
        line
        for number, t in enumerate(times, start=1)
        for line in (run("j", t, slot=10 + number), exited("w1", t + 0.05, slot=10 + number, status=1))
    ]


def failing(*times: float, last: str = "error", **more: Any) -> list[Lines]:  # noqa: ANN401  # arguments of run
    return [run("j", t, t + 0.1, last if t == times[-1] else "error", **more) for t in times]


ATTEMPTS = [
    legal("attempts", "each of two cuts may have hidden a grant", acked("j", 0, spec=fails()), *HIDDEN_TWICE),
    legal("attempts", "enqueued twice, each with its attempts", acked("j", 1, answered=1.3, spec=fails()), *TWICE,
          *failing(2, 4, 8, 12, 20, 30), promise=promised(lost_reply_repeats=True)),
    legal("attempts", "its first run is attempt 2, since its worker was killed before", acked("j", 0),
              killed("w2", 0.5),
          run("j", 1, 1.1, attempt=2)),
    legal("attempts", "as many as allowed", acked("j", 0, spec=fails(times=2)), *failing(1, 3, 6, last="ok")),
    legal("attempts", "one more, since one was killed", acked("j", 0), *failing(1, 3), run("j", 6), killed("w1", 6.1),
          run("j", 9, 9.1, "error", on="w2"), explained=1),
    legal("attempts", "dead after one run, two were hidden by kills", acked("j", 0), killed("w1", 0.1),
              killed("w2", 0.2),
          run("j", 1, 1.1, "error", life=1), state("j", "dead")),
    legal("attempts", "a grant from before a freeze starts last, behind three failures",
          acked("j", 0.4, spec=fails()), frozen("w1", 0.5, 6), run("j", 3, 3.2, "error", on="w2"),
          run("j", 4, 4.2, "error", on="w2"), run("j", 5, 5.2, "error", on="w2"),
          run("j", 6.1, 6.3, "error"), state("j", "dead", attempts=3), promise=promised(fenced=False)),
    legal("attempts", "told one more with each failure", acked("j", 0),
          *(line for n, t in enumerate((1, 3, 6), 1) for line in (run("j", t, t + 0.1, "error", attempt=n),))),
    legal("attempts", "told the same again, since its worker was killed before it had reported", acked("j", 0),
          run("j", 1, 1.1, "error", attempt=1), killed("w1", 1.15, slots=(0,)), run("j", 3, 3.1, on="w2", attempt=1)),
    legal("attempts", "told the same again, since a crash is no failure", acked("j", 0), run("j", 1, attempt=1),
          killed("w1", 1.1), run("j", 3, 3.1, on="w2", attempt=1)),
    legal("attempts", "told one more, since a crash is a failure", acked("j", 0), run("j", 1, attempt=1),
          killed("w1", 1.1), run("j", 3, 3.1, on="w2", attempt=2)),
    legal("attempts", "failed while its successor ran, which was granted before that", acked("j", 0),
          run("j", 1, 5, "error", attempt=1), frozen("w1", 1.1, 4.9), run("j", 4, 5.5, "error", on="w2", attempt=1),
          run("j", 7, 7.1, on="w2", attempt=2)),
    legal("attempts", "counted anew, since an operator asked for it", acked("j", 0),
          run("j", 1, 1.1, "error", attempt=1), op("requeue", "j", 2), run("j", 3, 3.1, attempt=1)),
    legal("attempts", "one grant may have been given back by a worker that stops", acked("j", 0),
          signal("w2", 0.5, "TERM", slot=0), run("j", 1, 1.1, attempt=2)),
    legal("attempts", "told nothing", acked("j", 0), *failing(1, 3)),
    legal("attempts", "told anything, where nobody promises it", acked("j", 0), run("j", 1, 1.1, "error", attempt=1),
          run("j", 3, 3.1, attempt=1), promise=promised(sources={"max_attempts": PROMISE.sources["max_attempts"]})),
    legal("attempts", "told anything, by a target that can't tell", target(set(ABILITIES) - {"attempt_numbers"}),
          acked("j", 0), run("j", 1, 1.1, "error", attempt=1), run("j", 3, 3.1, attempt=1)),
    illegal("attempts", "false attempt number", "failed, and told the same again", acked("j", 0),
            run("j", 1, 1.1, "error", attempt=1), run("j", 3, 3.1, on="w2", attempt=1)),
    illegal("attempts", "false attempt number", "failed twice, retried at once", acked("j", 0),
            run("j", 1, 1.05, "error", attempt=1), run("j", 1.1, 1.15, "error", attempt=2),
            run("j", 1.2, 1.25, attempt=2)),
    illegal("attempts", "false attempt number", "its first run is told attempt 2", acked("j", 0),
            run("j", 1, 1.1, attempt=2)),
    illegal("attempts", "false attempt number", "a failure long heard of before another worker was killed",
            acked("j", 0), run("j", 1, 1.1, "error", attempt=1), run("j", 3, on="w2", attempt=2),
            killed("w2", 3.1), run("j", 6, 6.1, attempt=1)),
    illegal("attempts", "uncounted attempt", "failed four times", acked("j", 0), *failing(1, 3, 6, 9)),
    illegal("attempts", "uncounted attempt", "ran again after its last failure", acked("j", 0), *failing(1,
                3, 6, 9, last="ok")),
    illegal("attempts", "uncounted attempt", "by the queue's own count", acked("j", 0), run("j", 1, 1.1, attempt=4)),
    illegal("attempts", "uncounted crash", "ends its process for ever", acked("j", 0, spec=POISON),
            *crashing(1, 2, 3, 4, 5)),
    illegal("attempts", "early give-up", "exhausted after two", acked("j", 0), *failing(1, 3), state("j", "dead")),
]  # fmt: skip

FIXED = with_policy(backoff=BackoffPolicy("fixed", 1.0, 1.0, "none"))
JITTERED = with_policy(backoff=BackoffPolicy("fixed", 4.0, 4.0, "full"))


def spread(delays: Iterable[float]) -> tuple[Lines, ...]:
    """One failing job a delay, one after the other."""
    lines: list[Lines] = []
    for number, delay in enumerate(delays):
        at = number * 10.0
        lines += [acked(f"s{number}", at, spec=FAILING), run(f"s{number}", at + 0.1, at + 0.2, "error"),
                  run(f"s{number}", at + 0.2 + delay, at + 0.3 + delay)]  # fmt: skip
    return tuple(lines)


def one_delay_each(*delays: float, times: int, more: int = 0) -> tuple[Lines, ...]:
    """Processes of four slots, whose retries all wait as long as the first; ``more`` fail and do not come back."""
    lines: list[Lines] = []
    for number in range((times + more) * len(delays)):
        who, at = number % len(delays), 10.0 * (number // len(delays)) + 0.1 * (number % len(delays))
        where: Any = {"on": f"w{1 + who % 2}", "slot": 1 + who // 2}
        lines += [acked(f"s{number}", at, spec=FAILING), run(f"s{number}", at + 0.1, at + 0.2, "error", **where)]
        if number < times * len(delays):
            again = at + 0.22 + delays[who] + 0.001 * (number % 7)
            lines.append(run(f"s{number}", again, again + 0.05, **where))
    return tuple(lines)


ALL_BUSY = (*(acked(f"b{n}", 0) for n in range(4)),
            *(run(f"b{n}", 0.5, 3, on=f"w{1 + n // 2}", slot=1 + n % 2) for n in range(4)))  # fmt: skip


def retried_after(delay: float, *more: Lines) -> tuple[Lines, ...]:
    return (acked("j", 0, spec=FAILING), run("j", 1, 1.1, "error"), run("j", 1.1 + delay, 1.2 + delay), *more)


BACKOFF = [
    legal("backoff", "counted from its timeout, which its body took a while to heed", acked("j", 0, spec=hangs()),
          run("j", 1, 2.4, "timeout"), run("j", 3.1, 3.2), scenario=FIXED),
    legal("backoff", "on time", *retried_after(1.05), scenario=FIXED),
    legal("backoff", "five seconds late because of backlog", *retried_after(5,
          *(run(f"c{n}", n * 0.15, n * 0.15 + 0.14, on=f"w{1 + n % 2}", slot=1 + n // 2 % 2) for n in range(60))),
          scenario=FIXED),
    legal("backoff", "late behind jobs of threads, which share a process", *retried_after(5,
          *(run(f"c{n}", n * 0.15, n * 0.15 + 0.14, on=f"w{1 + n % 2}") for n in range(60))), scenario=FIXED),
    legal("backoff", "late in an outage", *retried_after(5, cut("w1", 1.2, 6), cut("w2", 1.2, 6)), scenario=FIXED),
    legal("backoff", "early, but because its worker was killed", *retried_after(0.2, killed("w1", 1.05)),
              scenario=FIXED, explained=1),
    legal("backoff", "spread as full jitter does",
              *spread(4 * ((n * 0.618) % 1) + 0.05 for n in range(120)), scenario=JITTERED),
    legal("backoff", "two delays in each process, as long as each other", *one_delay_each(0.5, 1.5, 2.5, 3.5, times=2),
          scenario=JITTERED),
    legal("backoff", "a dozen in one process, spread as full jitter does",
          *spread(4 * ((n * 0.618) % 1) + 0.05 for n in range(12)), scenario=JITTERED),
    legal("backoff", "the others of each process have yet to come back",
          *one_delay_each(0.5, 0.6, 0.7, 0.8, times=6, more=1), scenario=JITTERED),
    legal("backoff", "all of a process come back when a slot is free",
          *(acked(f"s{n}", 0, spec=FAILING) for n in range(30)), *ALL_BUSY,
          *(run(f"s{n}", 0.1 + n / 100, 0.105 + n / 100, "error") for n in range(30)),
          *(run(f"s{n}", 3.01 + n / 100, 3.015 + n / 100) for n in range(30)), scenario=JITTERED),
    legal("backoff", "one delay a process, where the policy has no jitter", *one_delay_each(1, 1, 1, 1, times=15),
          scenario=FIXED),
    legal("backoff", "a process a job", *(line for n in range(60) for line in (
          acked(f"s{n}", n * 10, spec=FAILING), run(f"s{n}", n * 10 + 0.1, n * 10 + 0.2, "error", slot=1 + n),
          run(f"s{n}", n * 10 + 0.3 + n * 0.618 % 1 * 4, n * 10 + 5, slot=1 + n))), scenario=JITTERED),
    illegal("backoff", "early retry", "after 0.2 s of 1 s", *retried_after(0.2), scenario=FIXED),
    legal("backoff", "late, where nobody promises when an idle slot takes a job", *retried_after(5), scenario=FIXED),
    illegal("backoff", "late retry", "with every slot idle", *retried_after(5), scenario=FIXED,
            promise=promised(claim_s=0.5)),
    legal("backoff", "every delay the longest, as far as anybody knows", *spread(4.02 for _ in range(120)),
          scenario=JITTERED),
    illegal("backoff", "no jitter", "every delay the longest", *spread(4.02 for _ in range(120)), scenario=JITTERED,
            promise=promised(claim_s=0.5)),
    illegal("backoff", "no jitter", "every delay the shortest", *spread(0.02 for _ in range(120)), scenario=JITTERED),
]  # fmt: skip

DEAD_LETTERS = [
    legal("dead_letters", "each of two cuts may have hidden a grant", acked("j", 0, spec=fails()), *HIDDEN_TWICE),
    illegal("dead_letters", "premature dead letter", "one cut is too few for two hidden grants",
            acked("j", 0, spec=fails()), *HIDDEN_TWICE[1:]),
    legal("dead_letters", "cancelled while it failed, and no record is kept", acked("j", 0, spec=fails()),
          *failing(1, 3, 6), cancelled("j", 6.05, "requested"), state("j", "absent")),
    legal("dead_letters", "exhausted", acked("j", 0, spec=fails()), *failing(1, 3, 6), state("j", "dead", attempts=3)),
    legal("dead_letters", "crashed after two visible runs and one kill before a first line", acked("j", 0, spec=POISON),
          *crashing(1, 2), killed("w2", 3), state("j", "dead", reason="crashed")),
    legal("dead_letters", "crashed, by the bound", acked("j", 0, spec=segfaults()), *crashing(1, 2, 3),
          state("j", "dead", reason="crashed")),
    legal("dead_letters", "timed out on its last attempt", acked("j", 0, spec=hangs()), run("j", 1, 2, "timeout"),
          run("j", 3, 4, "timeout"), run("j", 5, 6, "timeout"), state("j", "dead", reason="timeout")),
    legal("dead_letters", "its last report was cut off: it may still be waiting", acked("j", 0,
              spec=fails()), *failing(1, 3, 6),
          cut("w1", 6.05, 7), state("j", "waiting"), explained=1),
    legal("dead_letters", "no reason, where the queue gives none at all", acked("j", 0, spec=fails()),
              *failing(1, 3, 6),
          [{**state("j", "dead")[0], "reason": ""}]),
    legal("dead_letters", "an ok run of which the queue may not have heard", acked("j", 0), *failing(1, 3),
              run("j", 6, 6.1),
          killed("w1", 6.11), state("j", "dead")),
    illegal("dead_letters", "missing dead letter", "used up, and called finished", acked("j", 0,
                spec=fails()), *failing(1, 3, 6),
            state("j", "finished")),
    illegal("dead_letters", "missing dead letter", "used up, and nowhere", acked("j", 0, spec=fails()),
                *failing(1, 3, 6),
            state("j", "absent")),
    illegal("dead_letters", "missing dead letter", "crashed more often than it may", acked("j", 0, spec=POISON),
            *crashing(1, 2, 3, 4), state("j", "waiting")),
    illegal("dead_letters", "premature dead letter", "after one failure", acked("j", 0, spec=fails()), *failing(1),
            state("j", "dead")),
    illegal("dead_letters", "dead although done", "it ended well", acked("j", 0), run("j", 1, 1.1), state("j", "dead")),
    illegal("dead_letters", "doubled dead letter", "twice in one list", acked("j", 0, spec=fails()), *failing(1, 3, 6),
            state("j", "dead", found_in=["dead", "dead"])),
    illegal("dead_letters", "false reason", "crashed, it says", acked("j", 0, spec=fails()), *failing(1, 3, 6),
            state("j", "dead", reason="crashed")),
    illegal("dead_letters", "false reason", "timed out, it says", acked("j", 0, spec=fails()), *failing(1, 3, 6),
            state("j", "dead", reason="timeout")),
    illegal("dead_letters", "no reason", "where others have one", acked("j", 0, spec=fails()), *failing(1, 3, 6),
            [{**state("j", "dead")[0], "reason": ""}], acked("k", 0, spec=fails()),
            *(run("k", t, t + 0.1, "error", on="w2") for t in (1, 3, 6)), state("k", "dead")),
    illegal("dead_letters", "false history", "tells of seven attempts", acked("j", 0, spec=fails()), *failing(1, 3, 6),
            state("j", "dead", attempts=7)),
]  # fmt: skip

TAKES_ITS_WORKER = kills_worker()


def takes_its_worker(*times: float) -> tuple[Lines, ...]:
    """The job runs at each of these times in the next life of w1, and ends worker and itself 0.1 s later."""
    found = [acked("j", 0, spec=TAKES_ITS_WORKER)]
    for life, at in enumerate(times, 1):
        found += [spawned("w1", at - 1, life), run("j", at, life=life), *gone("w1", at + 0.1, life)]
    return tuple(found)


def gone(worker: str, at: float, life: int) -> list[Lines]:
    return [exited(worker, at, life=life, slot=slot) for slot in (0, 1)]


DEAD_LETTERS += [
    legal("dead_letters", "took its worker with it three times, stalled", *takes_its_worker(2, 6, 10),
          state("j", "dead", reason="stalled")),
    legal("dead_letters", "took its worker with it twice, and waits", *takes_its_worker(2, 6), state("j", "waiting")),
    illegal("dead_letters", "missing dead letter", "took its worker with it four times",
            *takes_its_worker(2, 6, 10, 14), state("j", "waiting")),
]  # fmt: skip
ATTEMPTS += [
    legal("attempts", "took its worker with it as often as it may", *takes_its_worker(2, 6, 10),
          state("j", "dead", reason="stalled")),
    illegal("attempts", "uncounted stall", "takes one worker after another", *takes_its_worker(2, 6, 10, 14, 18),
            state("j", "waiting")),
]  # fmt: skip

SOFT_ONLY = target(set(ABILITIES) - {"hard_timeout"})
TIMEOUTS = [
    legal("timeouts", "a pool of processes, which ends with any of them", acked("j", 0), acked("k", 0),
          run("j", 0.1), run("k", 0.1, slot=2), killed("w1", 0.3, slots=(2,)), exited("w1", 0.35)),
    legal("timeouts", "ended at its timeout", acked("j", 0, spec=hangs()), run("j", 1, 2.05, "timeout")),
    legal("timeouts", "killed at the end of its grace", acked("j", 0, spec=hangs(in_c=True)), run("j", 1),
              exited("w1", 2.55)),
    legal("timeouts", "frozen meanwhile", acked("j", 0), run("j", 1, 6), frozen("w1", 1.2, 5.9), explained=1),
    legal("timeouts", "starved meanwhile", acked("j", 0), run("j", 1, 6), stall("w1", 1.2, 5.9, "starved"),
              explained=1),
    legal("timeouts", "an orphan, with nobody to end it", acked("j", 0), run("j", 1, 6), killed("w1", 1.5,
              slots=(0,)), explained=1),
    legal("timeouts", "hangs in C, where no hard timeout is promised", SOFT_ONLY, acked("j", 0, spec=hangs(in_c=True)),
          run("j", 1, 9), explained=1),
    legal("timeouts", "killed by the harness at half its timeout", acked("j", 0), run("j", 1), killed("w1",
              1.5), explained=1),
    legal("timeouts", "its spec ends its process", acked("j", 0, spec=POISON), run("j", 1), exited("w1",
              1.1, status=1), explained=1),
    legal("timeouts", "fenced itself in a cut", acked("j", 0), run("j", 1), cut("w1", 0.9, 3), exited("w1",
              1.6), explained=1),
    legal("timeouts", "gone before anybody could look", acked("j", 0), run("j", 1), exited("w1", 1.6,
              seen=0.9), explained=1),
    legal("timeouts", "a worker ends the run whose job went to another", acked("j", 0), run("j", 1),
          run("j", 1.5, 1.7, on="w2"), exited("w1", 1.8)),
    illegal("timeouts", "overdue run", "slept twice as long", acked("j", 0,
                spec=succeeds(sleep_ms=3000)), run("j", 1, 4)),
    illegal("timeouts", "overdue run", "hangs for ever, seen alive till the end", acked("j", 0, spec=hangs()),
            run("j", 1), exited("w1", 90, seen=89.9)),
    legal("timeouts", "its timeout began with its grant, as early as it may have come", acked("j", 0.9),
          run("j", 1.05, 1.9, "timeout")),
    illegal("timeouts", "early timeout", "it was enqueued after that", acked("j", 1), run("j", 1.05, 1.9, "timeout")),
    illegal("timeouts", "early timeout", "at half its timeout", acked("j", 0), run("j", 1, 1.5, "timeout")),
    legal("timeouts", "broken off when the grace of a stop was over", acked("j", 0), run("j", 1),
          signal("w1", 1.1, "TERM", slot=0), exited("w1", 2.15), **GRACE, scenario=with_policy(timeout_s=3)),
    illegal("timeouts", "unexplained exit", "told to stop, and broken off within the grace", acked("j", 0),
            run("j", 1), signal("w1", 1.1, "TERM", slot=0), exited("w1", 1.5), **GRACE,
            scenario=with_policy(timeout_s=3)),
    illegal("timeouts", "unexplained exit", "for no reason", acked("j", 0), run("j", 1), exited("w1", 1.3)),
]  # fmt: skip

STATES = [
    legal("states", "done and finished", acked("j", 0), run("j", 1, 1.1), state("j", "finished")),
    legal("states", "killed between end and report, waiting", acked("j", 0), run("j", 1, 1.1), killed("w1", 1.11),
          state("j", "waiting")),
    legal("states", "done, expired", acked("j", 0), run("j", 1, 1.1), state("j", "absent")),
    legal("states", "in two places while it may be moving", acked("j", 0), run("j", 99.8, 99.95),
          state("j", "finished", found_in=["lease", "finished"]), undecided=1),
    legal("states", "a claim broken off half way by a kill", acked("j", 0), killed("w1", 0.5),
          state("j", "running", found_in=["intermediate", "wip"]), explained=1),
    illegal("states", "flipped outcome", "it ended well", acked("j", 0), run("j", 1, 1.1), state("j", "failed")),
    illegal("states", "job in two places", "finished and cancelled", acked("j", 0), run("j", 1, 1.1),
            state("j", "finished", found_in=["finished", "canceled"])),
    illegal("states", "job in two places", "twice in the waiting list", acked("j", 0), run("j", 1, 1.1),
            state("j", "waiting", found_in=["queue", "queue"])),
    legal("states", "a zombie ended well, and so did the run that took over", acked("j", 0), run("j", 1, 6, fence=1),
          run("j", 4, 4.5, on="w2", fence=2), state("j", "finished")),
    legal("states", "a superseded run decides, where the queue does not fence", acked("j", 0), run("j", 1, 6, fence=1),
          run("j", 4, 7, "error", on="w2", fence=2), state("j", "finished"), promise=promised(fenced=False)),
    legal("states", "its fences went back, so they tell nobody's place", acked("j", 0),
          run("j", 1, 6, "error", fence=2), frozen("w1", 1.1, 5.9), run("j", 4, 4.5, on="w2", fence=1),
          state("j", "finished")),
    illegal("states", "zombie completion", "a superseded run decides", acked("j", 0), run("j", 1, 6, fence=1),
            run("j", 4, 7, "error", on="w2", fence=2), state("j", "finished")),
    legal("states", "cancelled, and stays so", acked("j", 0, delay=50), cancelled("j", 1), state("j", "cancelled")),
    legal("states", "its cancellation was asked for while it ran, and it ended first", acked("j", 0), run("j", 1, 9),
          cancelled("j", 2, "requested"), state("j", "finished")),
    legal("states", "cancelled while a zombie was at it", acked("j", 0), run("j", 0.5, 9), frozen("w1", 1, 8.9),
          cancelled("j", 4), state("j", "finished")),
    legal("states", "cancelled, and its enqueue was sent again", acked("j", 0, answered=2), cut("producer", 0.1, 1),
          cancelled("j", 3), run("j", 50, 50.1), state("j", "finished")),
    legal("states", "cancelled, and an operator asked for it again", acked("j", 0), cancelled("j", 1),
          op("requeue", "j", 9), run("j", 50, 50.1), state("j", "finished")),
    legal("states", "the queue refused to cancel it", acked("j", 0), cancelled("j", 1, "refused"),
          run("j", 50, 50.1), state("j", "finished")),
    legal("states", "a queue that promises nothing about it", acked("j", 0), cancelled("j", 1), run("j", 50, 50.1),
          state("j", "finished"), promise=promised(sources={"states": PROMISE.sources["states"]})),
    illegal("states", "undone cancellation", "cancelled and finished", acked("j", 0, delay=50), cancelled("j", 1),
            run("j", 50, 50.1), state("j", "finished")),
    illegal("states", "undone cancellation", "cancelled, and it waits", acked("j", 0), cancelled("j", 1),
            state("j", "waiting")),
    illegal("states", "false completion", "none of its runs ended well", acked("j", 0), run("j", 1),
                killed("w1", 1.1),
            state("j", "finished")),
]  # fmt: skip

TAKES = acked("i", 0)
UNKNOWN = [
    legal("unknown", "in an outage", answered("unknown", "j", 2), fault("down", 1, 3, "cut")),
    legal("unknown", "while the queue recovers", answered("unknown", "j", 6), fault("down", 1, 3, "cut")),
    legal("unknown", "its producer was killed", invoked("j", 2), signal("producer", 2.5, "KILL")),
    legal("unknown", "rejected in an outage", TAKES, answered("rejected", "j", 2), fault("down", 1, 3, "cut")),
    legal("unknown", "rejected while its producer finds back", TAKES, answered("rejected", "j", 3.9),
          fault("down", 1, 3, "cut"), promise=promised(reconnect_s=1.0)),
    legal("unknown", "rejected, and begun in an outage", TAKES, answered("rejected", "j", 2.9995),
          fault("down", 1, 3, "cut", ["producer"])),
    legal("unknown", "rejected, as the machine stood still", TAKES, answered("rejected", "j", 2),
          stall("host", 1, 2.5)),
    legal("unknown", "rejected soon after the machine had stood still for long", TAKES, answered("rejected", "j", 3),
          stall("host", 1, 2.5), promise=promised(reconnect_s=1.0)),
    illegal("unknown", "rejected in calm", "soon after the machine had stood still for a moment",
            TAKES, answered("rejected", "j", 3), stall("host", 2.4, 2.5), promise=promised(reconnect_s=1.0)),
    legal("unknown", "rejected by a store that was away by itself", TAKES, answered("rejected", "j", 2), canary(1, 1),
          canary(2, 1.5, acked=False), canary(3, 2.5)),
    legal("unknown", "rejected by a producer that was stopped", TAKES, answered("rejected", "j", 2),
          signal("producer", 1, "STOP"), signal("producer", 1.5, "CONT")),
    legal("unknown", "rejected by a queue that may refuse what it likes", TAKES, answered("rejected", "j", 2),
          promise=promised(sources={"delivery": SOURCE})),
    legal("unknown", "rejected soon after the machine had stood still for moments, again and again", TAKES,
          *(stall("producer", 1 + n * 0.26, 1.24 + n * 0.26) for n in range(12)), answered("rejected", "j", 4.115),
          promise=promised(reconnect_s=1.0)),
    legal("unknown", "rejected for its size", acked("i", 0, spec=succeeds(args_kb=8192)),
          answered("rejected", "j", 2, spec=succeeds(args_kb=16384))),
    legal("unknown", "rejected, and nothing was ever taken", answered("rejected", "j", 2)),
    illegal("unknown", "rejected in calm", "no larger than what was taken later",
            answered("rejected", "j", 2, spec=succeeds(args_kb=64)), acked("i", 3, spec=succeeds(args_kb=64))),
    illegal("unknown", "rejected in calm", "nothing was broken", TAKES, answered("rejected", "j", 2), canary(1, 1),
            canary(2, 3)),
    illegal("unknown", "rejected in calm", "long after an outage", TAKES, answered("rejected", "j", 4.1),
            fault("down", 1, 3, "cut"), promise=promised(reconnect_s=1.0)),
    illegal("unknown", "rejected in calm", "while a worker was cut off", TAKES, answered("rejected", "j", 2),
            cut("w1", 1, 3), killed("w2", 1.5)),
    illegal("unknown", "unknown outcome", "nothing was broken", answered("unknown", "j", 2)),
    illegal("unknown", "unknown outcome", "never answered at all", invoked("j", 2), acked("k", 50)),
]  # fmt: skip

LIMITED: dict[str, Any] = {"promise": promised(concurrency=2), "scenario": with_policy(concurrency=2)}
LEASE_ENDS_AFTER_S = 2 - 0.67 - 0.2  # a cut as long as this may end a lease


def bodies(*spans: tuple[float, float], on: str = "w2", first: int = 0) -> tuple[Lines, ...]:
    """Jobs that run in these intervals."""
    numbered = list(enumerate(spans, first))
    return tuple(
        line for n, (a, b) in numbered for line in (acked(f"j{n}", 0), run(f"j{n}", a, b, on=on, slot=1 + n % 2))
    )


CUT_OFF = (*bodies((1, 8), (1, 8), on="w1"), cut("w1", 2, 6))
CONCURRENCY = [
    legal("concurrency", "given back at a stop, and its body goes on", acked("j", 0), run("j", 0.1, 0.9),
          signal("w1", 0.3, "TERM", slot=0), *bodies((0.5, 0.8), (0.5, 0.8), on="w2"), **LIMITED),
    legal("concurrency", "called off, and its body goes on", acked("j", 0), run("j", 0.1, 0.9),
          cancelled("j", 0.3, "requested"), *bodies((0.5, 0.8), (0.5, 0.8), on="w2"), **LIMITED),
    legal("concurrency", "two at once, and the third when one has ended", *bodies((1, 2), (1, 3), (2, 4)), **LIMITED),
    legal("concurrency", "any number where nothing is limited", *bodies((1, 2), (1, 2), (1, 2))),
    legal("concurrency", "a dead slot, seen 30 ms later", acked("j", 0), run("j", 1),
          signal("w1", 1.5, "KILL"), exited("w1", 1.53, seen=1.5),
          *bodies((1, 3), (1.51, 2.5)), **LIMITED),
    legal("concurrency", "bodies outlive their leases in a cut", *CUT_OFF,
          *bodies((2.01 + LEASE_ENDS_AFTER_S, 5), (4, 5), first=2), explained=2, **LIMITED),
    legal("concurrency", "a zombie, whose job was granted again", acked("j", 0), run("j", 1, 9), frozen("w1", 1.5, 8.9),
          run("j", 5, 6, on="w2"), *bodies((5.5, 6)), **LIMITED),
    legal("concurrency", "as many leases as allowed", *bodies((1, 2)), count(2, 1.5), **LIMITED),
    illegal("concurrency", "exceeded concurrency", "three, and nothing is broken", *bodies((1, 2), (1, 2), (1.5, 3)),
            **LIMITED),
    illegal("concurrency", "exceeded concurrency", "before a cut can have ended a lease", *CUT_OFF,
            *bodies((1.99 + LEASE_ENDS_AFTER_S, 5), first=2), **LIMITED),
    illegal("concurrency", "exceeded concurrency", "in a cut too short to end a lease",
            *bodies((1, 8), (1, 8), on="w1"), cut("w1", 2, 2.4), *bodies((4, 5), first=2), **LIMITED),
    illegal("concurrency", "exceeded leases", "by the word of its own keys", *bodies((1, 2)), count(3, 1.5), **LIMITED),
]  # fmt: skip

RATED: dict[str, Any] = {
    "promise": promised(rate_n=2, rate_window_s=1.0), "scenario": with_policy(rate_n=2, rate_window_s=1.0),
}  # fmt: skip


def brief(*starts: float, on: str = "w2", first: int = 0) -> tuple[Lines, ...]:
    """Jobs that start at these times."""
    return bodies(*((at, at + 0.01) for at in starts), on=on, first=first)


def server_clock(*readings: float) -> Lines:
    """The harness reads the server's clock half a second apart; what it was set by, in all, at each reading."""
    return [line for k, by in enumerate(readings) for line in anchors((k / 2, k / 2 + by))]


RATE = [
    legal("rate", "two at the end of a window, two a window later", *brief(0.97, 0.98, 2.0, 2.01), **RATED),
    legal("rate", "the third one's grant may lie a window after the first", *brief(1, 1.1, 1.8), **RATED),
    legal("rate", "any number where nothing is limited", *brief(1, 1.1, 1.2)),
    legal("rate", "the way from grant to start may be as long as the window", *brief(1, 1.1, 1.2),
          promise=promised(rate_n=2, rate_window_s=1.0, start_gap_s=0.3)),
    legal("rate", "a cut kept grants waiting", cut("w2", 0.2, 1.05), *brief(1.1, 1.15, 1.2), explained=3, **RATED),
    legal("rate", "each of them behind a cut of its own", cut("w1", 0.2, 1.05), cut("w2", 0.25, 1.1),
          *brief(1.12, 1.15, on="w1"), *brief(1.2, first=2), explained=3, **RATED),
    legal("rate", "one of three may have been granted before the stall", stall("w1", 0.2, 1.1),
          *brief(1.15, on="w1"), *brief(1.2, 1.25, first=1), explained=3, **RATED),
    legal("rate", "the server's clock was set forward between them", *brief(1, 1.1, 1.2), server_clock(0, 0, 0.9),
          explained=3, **RATED),
    legal("rate", "the store forgot grants", *brief(1, 1.1, 1.2), canary(1, 0.5), canary(2, 1.05, missing=True),
          canary(3, 1.5), explained=3, **RATED),
    legal("rate", "fetched ahead, at any time before", *brief(1, 1.1, 1.2),
          promise=promised(rate_n=2, rate_window_s=1.0, prefetch=4), scenario=RATED["scenario"]),
    illegal("rate", "exceeded rate", "a short cut moves a grant by its length only", cut("w2", 1.02, 1.18),
            *brief(1, 1.1, 1.2), **RATED),
    illegal("rate", "exceeded rate", "all but one behind a cut, which no grant may have preceded",
            *(acked(name, 1) for name in "jk"), cut("w2", 0.2, 1.05),
            run("j", 1.1, 1.11, on="w2"), run("k", 1.15, 1.16, on="w2"), *brief(1.2, on="w1"), **RATED),
    illegal("rate", "exceeded rate", "though the server's clock was set later on", *brief(1, 1.1, 1.2),
            server_clock(0, 0, 0, 0, 0, 3), **RATED),
    illegal("rate", "exceeded rate", "though the store forgot grants later on", *brief(1, 1.1, 1.2), canary(1, 2.5),
            canary(2, 3, missing=True), canary(3, 3.5), **RATED),
    illegal("rate", "exceeded rate", "two and two round a fixed window's edge", *brief(0.98, 0.99, 1.01, 1.02),
            **RATED),
    legal("rate", "granted a window apart, by its own word", *brief(1), granted(1, 1.2, 2, 2.2), **RATED),
    illegal("rate", "exceeded grants", "granted a microsecond too early", *brief(1), granted(1, 1.2, 1.999999),
            **RATED),
    illegal("rate", "exceeded rate", "just too early", *brief(1, 1.1, 1.79), **RATED),
]  # fmt: skip

CONTROL = [
    legal("control", "fetched by its worker's parent, and started by a child behind three others",
          *(acked(name, 0) for name in "abcd"), run("a", 0.1, 1), run("b", 0.1, 1, slot=2), paused(0.5, 9),
          run("c", 1.01, 1.9), run("d", 1.95, 2.5, slot=2), promise=promised(prefetch=2), explained=2),
    legal("control", "fetched by a parent that forks a process a job", acked("a", 0), acked("b", 0), run("a", 0.1, 1),
          paused(0.5, 9), run("b", 1.05, 1.9, slot=2), promise=promised(prefetch=2, slots=1), explained=1),
    illegal("control", "started while paused", "its worker had nothing to do before, so nothing in hand",
            acked("a", 0), acked("b", 0), run("a", 0.1, 0.2), paused(0.5, 9), run("b", 5, 5.1),
            promise=promised(prefetch=2)),
    legal("control", "starts when it is resumed", *bodies((3, 4)), paused(1, 3)),
    legal("control", "granted before, started after", *bodies((1.2, 2)), paused(1, 3), explained=1),
    legal("control", "granted before a cut, started behind it", *bodies((2.5, 2.6)), cut("w2", 0.9, 2.4), paused(1, 3),
          explained=1),
    legal("control", "another queue is paused", *bodies((2, 2.5)), paused(1, 3, queue="other")),
    legal("control", "while its end was asked for", *bodies((3.1, 4)), paused(1, 3, took=0.5)),
    illegal("control", "started while paused", "one second into the pause", *bodies((2, 2.5)), paused(1, 3)),
    illegal("control", "started while paused", "never resumed", *bodies((50, 51)), paused(1, None)),
    illegal("control", "started while paused", "just too late to have been granted before", *bodies((1.22, 2)),
            paused(1, 3)),
    legal("control", "cancelled while it waited, and never started", acked("j", 0), cancelled("j", 1),
          state("j", "cancelled"), explained=0),
    legal("control", "granted before its cancellation", acked("j", 0), cancelled("j", 1), run("j", 1.2), explained=1),
    legal("control", "granted before a cut, and cancelled in it", acked("j", 0), cut("w1", 0.9, 2.4),
          cancelled("j", 1), run("j", 2.5), explained=1),
    legal("control", "its queue promises nothing about cancellations", acked("j", 0), cancelled("j", 1), run("j", 2.5),
          promise=promised(sources={"pause": SOURCE})),
    legal("control", "its end was only asked for", acked("j", 0), run("j", 0.5, 0.9, "error"),
          cancelled("j", 0.7, "requested"), run("j", 3), promise=promised(sources={"cancel": SOURCE})),
    legal("control", "asked to end, and it did", acked("j", 0), run("j", 0.5, 0.9, "cancelled"),
          cancelled("j", 0.7, "requested"), state("j", "cancelled"), explained=0),
    legal("control", "asked to end between its grant and its body", acked("j", 0), cancelled("j", 1, "requested"),
          run("j", 1.2), explained=1),
    legal("control", "its claim is answered again behind a cut, in which its end was asked for", acked("j", 0),
          cut("w1", 0.9, 2.4), cancelled("j", 1, "requested"), run("j", 2.5), explained=1),
    legal("control", "asked to end, became a dead letter, and was asked for again", acked("j", 0),
          run("j", 0.5, 0.9, "error"), cancelled("j", 0.7, "requested"), op("requeue", "j", 2), run("j", 3),
          explained=1),
    legal("control", "the store forgot that it was asked to end", acked("j", 0), run("j", 0.5),
          cancelled("j", 1, "requested"), killed("w1", 1.5), run("j", 3, on="w2"), canary(1, 0.5),
          canary(2, 0.9, missing=True), canary(3, 2), explained=1),
    illegal("control", TO_END, "killed for it, and given back", acked("j", 0), run("j", 0.5),
            cancelled("j", 0.7, "requested"), exited("w1", 0.9), run("j", 1.5, 1.6, on="w2")),
    illegal("control", TO_END, "a retry of a run that failed meanwhile", acked("j", 0), run("j", 0.5, 0.9, "error"),
            cancelled("j", 0.7, "requested"), run("j", 3)),
    illegal("control", TO_END, "its worker was killed before it could end it", acked("j", 0), run("j", 0.5),
            cancelled("j", 0.7, "requested"), killed("w1", 0.8, slots=(0, 1)), run("j", 5, on="w2")),
    legal("control", "its cancellation was refused", acked("j", 0), cancelled("j", 1, "refused"), run("j", 3)),
    legal("control", "cancelled, and asked for again", acked("j", 0), cancelled("j", 1), op("requeue", "j", 2),
          run("j", 3), explained=1),
    legal("control", "the store forgot the cancellation", acked("j", 0), cancelled("j", 1), run("j", 3),
          canary(1, 0.5), canary(2, 0.9, missing=True), canary(3, 2), explained=1),
    legal("control", "its enqueue may have been sent twice", acked("j", 0), cancelled("j", 1), run("j", 3),
          fault("x", 0, 0.5, "cut", ["producer"]), promise=promised(lost_reply_repeats=True), explained=1),
    legal("control", "another job was cancelled", acked("j", 0), acked("k", 0), cancelled("k", 1), run("j", 3)),
    illegal("control", CALLED_OFF, "waited, was cancelled, and ran", acked("j", 0), cancelled("j", 1), run("j", 2.2)),
    illegal("control", CALLED_OFF, "a retry that was cancelled", acked("j", 0), run("j", 0.5, 0.6, "error"),
            cancelled("j", 1), run("j", 3)),
    illegal("control", CALLED_OFF, "asked for again only later", acked("j", 0), cancelled("j", 1), run("j", 3),
            op("requeue", "j", 4)),
    illegal("control", CALLED_OFF, "a lost reply is no excuse where none repeats", acked("j", 0), cancelled("j", 1),
            run("j", 3), fault("x", 0, 0.5, "cut", ["producer"])),
]  # fmt: skip

TAKEN: dict[str, Any] = {"promise": promised(claim_s=0.5)}
AROUND = acked("a", 0), run("a", 0.1, 0.2), acked("b", 6), run("b", 6.1, 6.2)  # w1's first slot is idle from .2 to 6.1
BESIDE = "idle slot beside a due job"


def waits(since: float, until: float, *more: Lines, **also: Any) -> tuple[Lines, ...]:  # noqa: ANN401  # as above
    """A job waits so long for a slot of w2, while one of w1 is idle from 0.2 to 6.1, and what else there is."""
    return (*AROUND, acked("j", since, **also), run("j", until, until + 0.1, on="w2"), *more)


LATE = [
    legal("late", "taken in time", *waits(1, 1.7), explained=0, **TAKEN),
    legal("late", "nothing is promised", *waits(1, 6.1)),
    legal("late", "no slot was idle, as far as anybody knows", acked("j", 1), run("j", 6.1, 6.2), explained=1, **TAKEN),
    legal("late", "a slot that took nothing afterwards may have ended", acked("a", 0), run("a", 0.1, 0.2),
          acked("j", 1), run("j", 6.1, 6.2, on="w2"), explained=1, **TAKEN),
    legal("late", "idle until shortly after it was due", *waits(5.5, 9), explained=1, **TAKEN),
    legal("late", "the slot's last report may have taken a while", acked("a", 0), run("a", 0.1, 0.2), acked("b", 0.1),
          run("b", 1.09, 1.1), acked("j", 0.2), run("j", 1.09, 1.2, on="w2"), explained=2, **TAKEN),
    legal("late", "due at the end of its delay", *waits(1, 6.1, delay=4.5), explained=0, **TAKEN),
    legal("late", "every slot had something to do", acked("j", 0), *(run(f"h{n}", 0.1 + n, 1.1 + n) for n in range(6)),
          run("j", 6.1, 6.2, on="w2"), explained=1, **TAKEN),
    legal("late", "its enqueue was answered late", *waits(1, 6.1, answered=5.5), explained=0, **TAKEN),
    legal("late", "nobody knows that it was enqueued", *AROUND, answered("unknown", "j", 1),
          run("j", 6.1, 6.2, on="w2"), **TAKEN),
    legal("late", "in an outage", *waits(1, 4.5, cut("w1", 0.5, 1.5)), explained=1, **TAKEN),
    legal("late", "another worker was killed, and may have had it in hand", *waits(1, 5, killed("w2", 1.2, slots=(0,))),
          explained=1, **TAKEN),
    legal("late", "a worker was told to stop, and may have had it in hand", *waits(1, 4.9, signal("w2", 1.2, "TERM")),
          explained=1, **TAKEN),
    legal("late", "the store was away by itself",
          *waits(1, 4.9, canary(1, 1), canary(2, 1.2, acked=False), canary(3, 2)), explained=1, **TAKEN),
    legal("late", "paused", *waits(1, 5.9, paused(0.9, 5.4)), explained=1, **TAKEN),
    legal("late", "the machine stood still", *waits(1, 6.1, stall("host", 1.2, 6)), explained=1, **TAKEN),
    legal("late", "slots that fetch ahead may have it in hand", *waits(1, 6.1),
          promise=promised(claim_s=0.5, prefetch=2)),
    legal("late", "a rate may hold it back", *waits(1, 6.1), promise=promised(claim_s=0.5, rate_n=2)),
    legal("late", "its queue may have been at its limit",
          *waits(1, 6.1, acked("h", 0), run("h", 0.1, 5.4, on="w2", slot=2)),
          promise=promised(claim_s=0.5, concurrency=1), explained=1),
    legal("late", "its queue may have been at its limit by a lease that nobody saw end",
          *waits(1, 6.1, acked("h", 0), run("h", 0.1, on="w2", slot=2), exited("w2", 1.5, slot=2)),
          promise=promised(claim_s=0.5, concurrency=1), explained=1),
    illegal("late", BESIDE, "five seconds", *waits(1, 6.1), explained=0, **TAKEN),
    illegal("late", BESIDE, "just too long", *waits(1, 1.71), **TAKEN),
    illegal("late", BESIDE, "before and after a pause", *waits(1, 6.1, paused(2, 2.5)), **TAKEN),
    illegal("late", BESIDE, "before and after a pause that was asked for twice",
            *waits(1, 6.1, paused(2, None), paused(2.2, 2.5)), **TAKEN),
    legal("late", "paused twice", *waits(1, 5.9, paused(0.9, 5.4, took=0.2), paused(5.5, 5.85)),
          explained=1, **TAKEN),
    illegal("late", BESIDE, "after its delay", *waits(1, 6.1, delay=2), **TAKEN),
    illegal("late", BESIDE, "though the machine stood still for a while", *waits(1, 6.1, stall("host", 2, 4)), **TAKEN),
    illegal("late", BESIDE, "below the limit", *waits(1, 6.1, acked("h", 0), run("h", 0.1, 5.4, on="w2", slot=2)),
            promise=promised(claim_s=0.5, concurrency=2)),
    illegal("late", BESIDE, "long after an outage", *waits(1, 6.1, cut("w2", 0.3, 0.5)), **TAKEN),
]  # fmt: skip

CASES = [
    *CONTROL,
    *LATE,
    *CONCURRENCY,
    *RATE,
    *LOST,
    *PHANTOM,
    *DUPLICATES,
    *OVERLAP,
    *ATTEMPTS,
    *BACKOFF,
    *DEAD_LETTERS,
    *TIMEOUTS,
    *STATES,
    *UNKNOWN,
]


IN_A_FILE_OF_THEIR_OWN = {"early", "results", "leaks", "residue"}
"""Those that judge what is observed beside the runs."""


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: f"{case.checker}-{'illegal' if case.anomaly else 'legal'}-{case.name}"
)
def test_a_checker_finds_what_is_illegal_and_nothing_else(case: Case) -> None:
    result = judged(case)
    found = {finding.anomaly for finding in result.findings}
    assert found == ({case.anomaly} if case.anomaly else set()), result.findings
    assert (result.total > 0) == bool(case.anomaly)
    assert result.undecided == case.undecided
    assert case.explained is None or result.explained == case.explained


def test_every_checker_has_a_legal_and_an_illegal_history() -> None:
    told = {(case.checker, bool(case.anomaly)) for case in CASES}
    here = CHECKERS.keys() - IN_A_FILE_OF_THEIR_OWN
    assert told == {(name, verdict) for name in here for verdict in (True, False)}
