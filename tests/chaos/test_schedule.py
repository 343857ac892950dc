import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, ClassVar

import pytest

from chaos.causes import Cause
from chaos.environment import Environment
from chaos.environment.native import NativeEnvironment
from chaos.errors import HarnessError
from chaos.faults import Effect, Evidence, Injection
from chaos.faults.registry import freeze, kill, latency, redis_down
from chaos.planned import At, OnStarted, Plannable, Planned, problems
from chaos.schedule import ScheduleDriver

from .conftest import events, start_worker, wait_for

Drive = Callable[..., ScheduleDriver]


@dataclass(frozen=True)
class Noop(Plannable):
    """Breaks nothing, tells what was asked of it, and fails where it is told to."""

    for_s: float = 0.0
    fails_at: str = ""
    hits: tuple[str, ...] = ("worker-0",)
    log: list[tuple[str, float]] = field(default_factory=list, hash=False, compare=False)

    name: ClassVar[str] = "no op"
    effect: ClassVar[Effect] = "slow"
    needs: ClassVar[frozenset[str]] = frozenset()
    explains: ClassVar[frozenset[Cause]] = frozenset()

    def problems(self) -> Sequence[str]:
        return ()

    def targets(self, env: Environment) -> Sequence[str]:
        return tuple(env.links)

    def inject(self, env: Environment, rng: Random) -> Injection:  # noqa: ARG002
        self._step("inject", rng.random())
        return Injection(time.monotonic_ns())

    def evidence(self, env: Environment, injection: Injection) -> tuple[Evidence, ...]:  # noqa: ARG002
        self._step("evidence")
        return tuple(Evidence(each, f"{each} was hit") for each in self.hits)

    def heal(self, env: Environment, injection: Injection) -> None:  # noqa: ARG002
        self._step("heal")

    def _step(self, name: str, drew: float = 0.0) -> None:
        self.log.append((name, drew))
        if name == self.fails_at:
            raise HarnessError(f"{name} goes wrong")

    @property
    def steps(self) -> list[str]:
        return [name for name, _ in self.log]


class Ground:
    """Only what the driver itself uses of an environment: a view, links' names, a ledger."""

    def __init__(self) -> None:
        self.links = {"producer": None, "worker-0": None, "worker-1": None}
        self.first_started = 0
        self.told: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    @property
    def view(self) -> "Ground":
        return self

    def tell(self, event: str, **fields: Any) -> int:  # noqa: ANN401
        with self._lock:
            t = time.monotonic_ns()
            self.told.append({"e": event, "t": t, **fields})
            return t


@pytest.fixture
def ground() -> Ground:
    return Ground()


@pytest.fixture
def drive(ground: Ground) -> Iterator[Drive]:
    drivers: list[ScheduleDriver] = []

    def make(*faults: Planned, jobs: int = 100, seed: int = 1) -> ScheduleDriver:
        drivers.append(ScheduleDriver(ground, faults, seed=seed, jobs=jobs))  # type: ignore[arg-type]
        return drivers[-1]

    yield make
    for driver in drivers:
        driver.stop()


def test_a_fault_goes_through_inject_evidence_and_heal_and_is_told(ground: Ground, drive: Drive) -> None:
    fault = Noop(hits=("worker-0", "worker-0", "store"))
    driver = drive(fault.at(s=0))
    driver.start()
    wait_for(lambda: driver.done)
    (result,) = driver.stop()
    assert fault.steps == ["inject", "evidence", "heal"]
    assert (result.label, result.fired, result.workers, result.error) == ("no_op-1", True, ("worker-0",), "")
    assert [(each["phase"], each["workers"]) for each in ground.told] == [
        ("inject", ["producer", "worker-0", "worker-1"]),
        ("fired", ["worker-0"]),
        ("healed", ["worker-0"]),
    ]
    inject, fired, healed = ground.told
    assert fired["n"] == 3
    assert inject["t"] <= fired["at_ns"] == result.injected_ns <= healed["t"] == result.healed_ns
    driver.check()


def test_a_fault_without_evidence_did_not_fire(ground: Ground, drive: Drive) -> None:
    driver = drive(Noop(hits=()).at(s=0))
    driver.start()
    wait_for(lambda: driver.done)
    (result,) = driver.stop()
    assert not result.fired
    assert result.injected_ns is not None
    assert [each["phase"] for each in ground.told] == ["inject", "healed"]


def test_a_trigger_that_never_came_is_said_so(drive: Drive) -> None:
    fault = Noop()
    driver = drive(fault.on(started=0.5))
    driver.start()
    assert driver.waiting == ["no_op-1"]
    assert not driver.done
    (result,) = driver.stop()
    assert fault.steps == []
    assert result.injected_ns is None
    assert not result.fired
    assert result.trigger == "when 50% of the jobs have started"


def test_a_step_of_progress_triggers_when_it_is_reached_not_before(ground: Ground, drive: Drive) -> None:
    first, second = Noop(), Noop()
    driver = drive(first.on(started=0.5), second.on(started=1.0))
    driver.start()
    ground.first_started = 49
    time.sleep(0.05)
    assert first.steps == []
    ground.first_started = 50
    wait_for(lambda: first.steps == ["inject", "evidence", "heal"])
    assert second.steps == []
    assert driver.waiting == ["no_op-2"]


def test_jobs_of_a_warm_up_are_no_progress_of_the_load(ground: Ground, drive: Drive) -> None:
    fault = Noop()
    ground.first_started = 60
    driver = drive(fault.on(started=0.5))
    driver.start()
    ground.first_started = 109
    time.sleep(0.05)
    assert fault.steps == []
    ground.first_started = 110
    wait_for(lambda: fault.steps)


def test_times_count_from_the_load_s_start(drive: Drive) -> None:
    past, future = Noop(), Noop()
    driver = drive(past.at(s=5), future.at(s=1000))
    driver.start(time.monotonic_ns() - 10_000_000_000)
    wait_for(lambda: past.steps == ["inject", "evidence", "heal"])
    assert future.steps == []


def test_stopping_heals_at_once_what_would_have_lasted(drive: Drive) -> None:
    fault = Noop(for_s=1000)
    driver = drive(fault.at(s=0))
    driver.start()
    wait_for(lambda: fault.steps == ["inject"])
    assert driver.active == ["no_op-1"]
    (result,) = driver.stop()
    assert fault.steps == ["inject", "evidence", "heal"]
    assert result.fired
    assert driver.active == []
    driver.stop()


def test_several_faults_may_be_active_at_once(drive: Drive) -> None:
    faults = [Noop(for_s=1000) for _ in range(3)]
    driver = drive(*(fault.at(s=0) for fault in faults))
    driver.start()
    wait_for(lambda: len(driver.active) == 3)
    driver.stop()


def test_an_injection_that_fails_is_told_and_not_healed(drive: Drive) -> None:
    fault = Noop(fails_at="inject")
    driver = drive(fault.at(s=0))
    driver.start()
    wait_for(lambda: driver.done)
    assert fault.steps == ["inject"]
    with pytest.raises(HarnessError, match="no_op-1: not injected: HarnessError: inject goes wrong"):
        driver.check()


def test_a_look_for_evidence_that_fails_does_not_prevent_the_heal(drive: Drive) -> None:
    fault = Noop(fails_at="evidence")
    driver = drive(fault.at(s=0))
    driver.start()
    wait_for(lambda: driver.done)
    assert fault.steps == ["inject", "evidence", "heal"]
    assert not driver.results[0].fired
    with pytest.raises(HarnessError, match="no_op-1: no evidence"):
        driver.check()


def test_a_heal_that_fails_is_tried_again_and_then_told(drive: Drive) -> None:
    fault = Noop(fails_at="heal")
    driver = drive(fault.at(s=0))
    driver.start()
    wait_for(lambda: driver.done)
    assert fault.steps == ["inject", "evidence", "heal", "heal", "heal"]
    assert driver.results[0].healed_ns is None
    with pytest.raises(HarnessError, match="no_op-1: not healed"):
        driver.check()


def test_each_fault_draws_from_its_own_seed(drive: Drive) -> None:
    drawn = []
    for seed in (1, 1, 2):
        faults = [Noop(), Noop()]
        driver = drive(*(fault.at(s=0) for fault in faults), seed=seed)
        driver.start()
        wait_for(partial(getattr, driver, "done"))
        drawn.append([fault.log[0][1] for fault in faults])
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0][0] != drawn[0][1]


def test_a_line_of_evidence_fits_the_ledger_however_much_there_is(ground: Ground, drive: Drive) -> None:
    driver = drive(Noop(hits=tuple(f"worker-{'x' * 300}-{number}" for number in range(100))).at(s=0))
    driver.start()
    wait_for(lambda: driver.done)
    fired = next(each for each in ground.told if each["phase"] == "fired")
    assert fired["n"] == 100
    assert len(repr(fired)) < 3000


def test_everything_that_is_wrong_with_a_schedule_is_said_at_once() -> None:
    faults = [
        kill("slto").at(s=-1),
        latency(latency_ms=5, jitter_ms=9, for_s=0).on(started=1.5),
        freeze(for_s=0).at(s=99),
    ]
    found = problems(faults, load_s=8)
    assert [each.partition(":")[0] for each in found] == [
        "kill_slto-1",
        "kill_slto-1",
        "latency-2",
        "latency-2",
        "latency-2",
        "freeze-3",
        "freeze-3",
    ]
    assert problems([redis_down(for_s=1).at(s=3)], load_s=8) == []


def test_a_wrong_schedule_is_not_driven(drive: Drive) -> None:
    with pytest.raises(ValueError, match="one of slot, supervisor, tree is needed"):
        drive(kill("slto").at(s=1))


def test_a_slower_load_stretches_times_and_keeps_shares_and_lengths() -> None:
    assert freeze(for_s=3).at(s=2).stretched(1.5) == Planned(freeze(for_s=3), At(3.0))
    assert kill("tree").on(started=0.75).stretched(2) == Planned(kill("tree"), OnStarted(0.75))


def test_a_schedule_of_real_faults_is_carried_out(env: NativeEnvironment) -> None:
    """Two at once on one link, a kill while they last: all fire, all heal, and Redis can be reached by everybody."""
    start_worker(env, "worker-0")
    driver = ScheduleDriver(
        env,
        [latency(latency_ms=20, for_s=0.5).at(s=0), kill("slot").at(s=0.1), redis_down(for_s=0.1).at(s=0.2)],
        seed=7,
        jobs=100,
    )
    driver.start()
    wait_for(lambda: driver.done)
    results = driver.stop()
    driver.check()
    assert [result.healed_ns is not None for result in results] == [True] * 3
    assert [result.fired for result in results[1:]] == [True, True]
    assert {event["fault"] for event in events(env, "fault")} == {"latency-1", "kill_slot-2", "redis_down-3"}
    for link in env.links.values():
        link.expect(enabled=True, toxics={})
