"""Runs one fitted scenario on one target: environment, workers, load, faults, rest, and what raw keys say in the end.

    enter environment → producer, workers → warm-up → load + faults → rest → states of all jobs → stop → history

The runner owns environment, faults and verdict, always; where the load comes from is a ``LoadSource``.
"""

import gc
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stormproof_target import Description, Setup
from stormproof_target.spec import succeeds

from chaos.aftermath import check_healed
from chaos.anchors import Anchors
from chaos.campaign import Campaign
from chaos.environment import MakeStore
from chaos.environment.native import PRODUCER, NativeEnvironment
from chaos.environment.redis_server import native_redis
from chaos.errors import HarnessError
from chaos.proxy.toxiproxy import ToxiproxyServer
from chaos.schedule import FaultResult, ScheduleDriver
from loadtests.producer_client import ProducerClient, ProducerError
from reports.run_record import Server
from scenarios.counting import CLOSE_S, INTERVAL_S, Counting
from scenarios.fit import Fitted
from scenarios.history import History, read_history
from scenarios.keys_at_rest import tell_keys
from scenarios.load_source import DRAIN_S, LoadSource, PlannedLoad
from scenarios.observing import Observing
from scenarios.progress import Progress, Tick
from scenarios.receipts import receipts
from scenarios.target_program import TargetError, TargetProgram
from scenarios.waiting import NS_A_SECOND, Look, Patience

POLL_S: Final = 0.05
STALLED_S_MAX: Final = 2.0  # what is judged as quiet is less than what passed: a busy machine's stalls are taken off
MOVES_MARGIN_S: Final = 0.5
READY_S: Final = 30.0
WARM_UP_S: Final = 0.2
WARM_UP_ROUNDS: Final = 2  # of jobs for every slot, that may be under way
WARM_UP_QUIET_S: Final = 1.0  # then what is left of the warm-up is stuck, which is for the checkers to find
STOP_GRACE_S: Final = 3.0
HEAL_S_MAX: Final = 15.0


class Cancelled(Exception):  # noqa: N818  # no error: somebody asked for it
    """The campaign is being interrupted."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What one run left behind; ``history`` has been read back from the files, as ``check`` would."""

    history: History
    faults: tuple[FaultResult, ...]
    server: Server


class ScenarioRunner:
    """One scenario, once."""

    def __init__(  # noqa: PLR0913  # what an experiment is made of
        self,
        program: TargetProgram,
        description: Description,
        fitted: Fitted,
        *,
        seed: int,
        directory: Path,
        campaign: Campaign,
        toxiproxy: ToxiproxyServer,
        progress: Progress,
        load: LoadSource | None = None,
        cancelled: threading.Event | None = None,
        make_store: MakeStore = native_redis,
    ) -> None:
        """``directory`` gets ledgers, logs and ``history.parquet``."""
        self.program, self.description, self.fitted = program, description, fitted
        self.scenario, self.seed, self.directory = fitted.scenario, seed, directory
        self.campaign, self.toxiproxy, self.progress, self.make_store = campaign, toxiproxy, progress, make_store
        self.load = load if load is not None else PlannedLoad(fitted, seed)
        self._cancelled = cancelled if cancelled is not None else threading.Event()
        self._phase = "starting"
        self._warm_acked = self._warm_ended_ok = 0  # progress counts the load's jobs

    def run(self) -> RunResult:
        """All of it. Raises ``HarnessError`` or ``TargetError``; on every way out all is healed and ended."""
        names = [f"worker-{number}" for number in range(1, self.fitted.worker_programs + 1)]
        environment = NativeEnvironment(
            self.directory, self.campaign, self.toxiproxy, names, self.scenario.durability, self.make_store
        )
        with environment as env:
            faults = self._experiment(env, names)
            binary = env.store.binary
            server = Server(name=binary.product, binary=binary.name, version=binary.version)
        history = read_history(self.directory)
        history.write_parquet(self.directory / "history.parquet")
        return RunResult(history, faults, server)

    def _experiment(self, env: NativeEnvironment, names: list[str]) -> tuple[FaultResult, ...]:
        promise = self.description.promise
        env.tell(
            "target",
            name=self.description.name,
            version=self.description.version,
            abilities=sorted(self.description.abilities),
            promise=promise.to_dict(),
        )
        with ExitStack() as stack:
            client = stack.enter_context(self._producer(env))
            for name in names:
                env.start_worker(name, [*self.program.argv, "worker"], self._variables(env, name))
            self._warm_up(env, client, names)
            stack.enter_context(Anchors(env.tell, env.store.port))
            with Counting(env, client, self._count_every_s) as counting, Observing(env) as observing:
                faults = self._under_load(env, client)
                self._rest(env, counting)
            counting.check()
            observing.check()
            self._states(env, client)
            tell_keys(env, promise.keys)
            env.tell("phase", name="end")
            self._phase = "stopping"
            env.stop_workers(STOP_GRACE_S)
            env.canary.finish()
            env.check()
            if not (env.canary.acked and env.canary.read_back):
                raise HarnessError(
                    f"the canary had {env.canary.acked} writes acknowledged and can't read them back from"
                    f" {env.store.url}: nobody knows what the store lost. See {self.directory / 'logs' / 'redis.log'}"
                )
        return faults

    @property
    def _count_every_s(self) -> float:
        return INTERVAL_S if self.scenario.policy.concurrency is None else CLOSE_S

    # ---- beginning

    def _variables(self, env: NativeEnvironment, name: str) -> dict[str, str]:
        setup = Setup(
            redis_url=env.links[name].url,
            direct_url=env.store.url,
            worker=name,
            queues=tuple(self.scenario.queues),
            slots=self.fitted.slots,
            policy=self.scenario.policy,
            release=int(any(planned.fault.effect == "deploy" for planned in self.scenario.faults)),
        )
        return self.program.environment(setup)

    @contextmanager
    def _producer(self, env: NativeEnvironment) -> Iterator[ProducerClient]:
        socket = env.socket_path(PRODUCER)
        program = env.start_producer([*self.program.argv, "produce", str(socket)], self._variables(env, PRODUCER))
        try:
            client = ProducerClient(socket, alive=lambda: program.alive, log=program.log, wait_s=READY_S)
        except ProducerError as error:
            raise TargetError(f"target {self.program.label}: {error}") from error
        with client:
            env.operate = client.operate
            yield client

    def _warm_up(self, env: NativeEnvironment, client: ProducerClient, names: list[str]) -> None:
        """Jobs, until every worker has run one: the load then meets a system that works."""
        self._phase = "warming up"
        env.tell("phase", name="warm_up")
        end_s, number = time.monotonic() + READY_S, 0
        each, spec = self.fitted.slots * len(names), succeeds(sleep_ms=20).to_json()
        while silent := [name for name in names if not self._has_run(name)]:
            if time.monotonic() > end_s:
                logs = ", ".join(str(env.workers[name].log) for name in silent)
                raise TargetError(
                    f"target {self.program.label}: {', '.join(silent)} ran none of {number} warm-up jobs within"
                    f" {READY_S:g} s; see {logs}"
                )
            # enough for whoever comes up, and no backlog of ours that would be before the load's first jobs
            for _ in range(each if number - env.view.ended_ok < WARM_UP_ROUNDS * each else 0):
                number += 1
                client.enqueue(f"warm-{number}", self.scenario.queues[0], spec, time.monotonic_ns())
            self._look(env, left_s=self.scenario.load.for_s + self.scenario.rest_s)
            time.sleep(WARM_UP_S)
        end_s += READY_S
        while env.view.ended_ok < number and time.monotonic() < end_s:  # what is left would delay the load's first jobs
            if time.monotonic_ns() - env.view.last_run_event_ns > WARM_UP_QUIET_S * NS_A_SECOND:
                break
            self._look(env, left_s=self.scenario.load.for_s + self.scenario.rest_s)
            time.sleep(POLL_S)

    def _has_run(self, worker: str) -> bool:
        return any(b'"e":"started"' in path.read_bytes() for path in self.directory.glob(f"ledger/{worker}-*.jsonl"))

    # ---- load and faults

    def _under_load(self, env: NativeEnvironment, client: ProducerClient) -> tuple[FaultResult, ...]:
        scenario = self.scenario
        self._phase = "load"
        gc.collect()
        gc.freeze()  # what was imported lives on anyway; a full collection of it would delay arrivals by 0.1 s and more
        t0_ns = env.tell("phase", name="load_begin") + int(self.load.lead_s * NS_A_SECOND)
        end_ns = t0_ns + int(scenario.load.for_s * NS_A_SECOND)
        driver = ScheduleDriver(env, scenario.faults, seed=self.seed, jobs=scenario.load.count)
        env.view.poll()
        before = env.view.invoked, env.view.acked
        self._warm_acked, self._warm_ended_ok = env.view.acked, env.view.ended_ok
        try:
            driver.start(t0_ns)
            self.load.begin(client, t0_ns, self.directory)
            self._watch_load(env, client, driver, end_ns)
            self.load.stop()
            env.view.poll()
            self.load.check(env.view.invoked - before[0], env.view.acked - before[1])
            env.tell("phase", name="load_end")
            self._phase = "last faults heal"
            heal_by_s = time.monotonic() + HEAL_S_MAX
            while driver.active and time.monotonic() < heal_by_s:
                self._look(env, driver.active, heal_by_s - time.monotonic())
                time.sleep(POLL_S)
        finally:
            self.load.stop()
            results = driver.stop()
        driver.check()
        check_healed(env)
        return tuple(results)

    def _watch_load(self, env: NativeEnvironment, client: ProducerClient, driver: ScheduleDriver, end_ns: int) -> None:
        """Until the load is over; bounded, since an enqueue may never be answered."""
        while not self.load.ended:
            self._look(env, driver.active, (end_ns - time.monotonic_ns()) / NS_A_SECOND + self.scenario.rest_s)
            if client.closed or time.monotonic_ns() > end_ns + DRAIN_S * NS_A_SECOND:
                return
            time.sleep(POLL_S)

    def _look(self, env: NativeEnvironment, active: Sequence[str] = (), left_s: float = 0.0) -> None:
        """One look round: is the ground firm, and what is to be shown."""
        if self._cancelled.is_set():
            raise Cancelled
        env.check()
        self.progress.tick(
            Tick(
                target=self.program.label,
                title=self.scenario.title,
                phase=self._phase,
                planned=self.scenario.load.count,
                acked=env.view.acked - self._warm_acked,
                ended_ok=env.view.ended_ok - self._warm_ended_ok,
                active_faults=tuple(active),
                left_s=left_s,
            )
        )

    # ---- end

    def _rest(self, env: NativeEnvironment, counting: Counting) -> None:
        self._phase = "coming to rest"
        scenario, promise = self.scenario, self.description.promise
        rest_s = max(scenario.rest_s, promise.moves_s + MOVES_MARGIN_S)  # else a job in no key could not be called lost
        patience = Patience(time.monotonic_ns(), rest_s, scenario.settle_s, promise.recovery_s + STALLED_S_MAX)
        while True:
            self._look(env, left_s=patience.left_s(time.monotonic_ns()))
            look = Look(time.monotonic_ns(), env.view.last_run_event_ns, counting.outstanding)
            if patience.is_over(look):
                env.tell("phase", name="rest")
                return
            time.sleep(POLL_S)

    def _states(self, env: NativeEnvironment, client: ProducerClient) -> None:
        """Where every job is, told by raw keys; the last word of the experiment."""
        self._phase = "reading raw keys"
        env.tell("phase", name="states")
        try:
            for state in client.states(receipts(self.directory)):
                env.tell(
                    "state",
                    job=state.job,
                    found_in=list(state.found_in),
                    state=state.state,
                    reason=state.reason,
                    history=state.history,
                    sum=state.result_sum,
                    ttl_ms=state.ttl_ms,
                )
            for queue, times in client.grants().items() if self.scenario.policy.rate_n is not None else ():
                for server_us in times:
                    env.tell("granted", queue=queue, server_us=server_us)
        except ProducerError as error:
            raise HarnessError(f"the jobs' final states can't be read: {error}") from error
