"""Everything on this machine: Redis, a link a client, programs, the live view, all of it ended on every way out."""

import contextlib
import itertools
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from stormproof_target.ledger import INTACT_SUFFIX, Ledger, LedgerError

from chaos.campaign import Campaign
from chaos.canary import Canary
from chaos.environment import Durability, MakeStore, Operate, OwnStore
from chaos.environment.redis_server import native_redis
from chaos.errors import HarnessError
from chaos.guardian import end_all
from chaos.processes import Program, make_intact
from chaos.procfs import ENVIRONMENT_VARIABLE
from chaos.proxy.toxiproxy import ProxyLink, ToxiproxyServer
from chaos.pulse import Pulses
from chaos.stalls import Stalls
from chaos.view import LedgerView, Opened
from chaos.watch import Exit, Watch, Watched

PRODUCER: Final = "producer"
STOP_POLL_S: Final = 0.01

_numbers = itertools.count(1)


class NativeEnvironment:
    """One scenario's ground. Enter it, ``start_producer``, ``start_worker`` for each name, and leave it.

    ``links`` has one proxy for each of ``clients`` (``producer`` and the workers' names).
    """

    def __init__(
        self,
        directory: Path,
        campaign: Campaign,
        toxiproxy: ToxiproxyServer,
        worker_names: Sequence[str],
        durability: Durability = "always",
        make_store: MakeStore = native_redis,
    ) -> None:
        """``directory`` gets ``ledger/``, ``logs/`` and ``redis/``. Nothing is started before it is entered."""
        self.directory, self.campaign, self.toxiproxy = directory, campaign, toxiproxy
        self.clients = (PRODUCER, *worker_names)
        self.durability, self.make_store = durability, make_store
        self.mark = f"{campaign.id}.{next(_numbers)}"
        self.links: dict[str, ProxyLink] = {}
        self.workers: dict[str, Program] = {}
        self.producer: Program | None = None
        self.operate: Operate = _nobody_operates
        self._pulses = Pulses()

    def __enter__(self) -> Self:
        """Start Redis, the links, the view. Raises ``HarnessError``; what was started until then is ended."""
        with contextlib.ExitStack() as undo:
            self._make_folders()
            self._ledger = self._open_ledger()
            undo.callback(self._ledger.close)
            self.store = self._start_store(undo)
            ledger = self.directory / "ledger" / "canary.jsonl"
            self.canary = undo.enter_context(Canary("127.0.0.1", self.store.port, self.store.name, ledger))
            for client in self.clients:
                link = self.toxiproxy.link(f"{self.mark}-{client}", client, self.store.port)
                undo.callback(self._remove, link)
                self.links[client] = link
            self.view = LedgerView(self.directory / "ledger", self._opened)
            undo.callback(self.view.stop)
            self.watch = Watch(self._exited)
            undo.callback(self.watch.stop)
            undo.callback(self._end_processes)  # runs before the watch stops, which then tells who exited
            self.watch.start()
            self.view.start()
            self.stalls = undo.enter_context(Stalls(self.tell, self._pids, self._other_pids))
            self._undo = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every process of this environment and take its proxies away."""
        for program in self._programs():
            program.stop()
        self._undo.close()

    def start_worker(self, name: str, argv: Sequence[str], variables: Mapping[str, str]) -> Program:
        """Spawn a worker program; it is spawned again 1 s after it exits, until ``stop_workers``."""
        self.workers[name] = self._start(name, "worker", argv, variables)
        return self.workers[name]

    def start_producer(self, argv: Sequence[str], variables: Mapping[str, str]) -> Program:
        """Spawn the producer. One that exits is not spawned again."""
        self.producer = self._start(PRODUCER, PRODUCER, argv, variables)
        return self.producer

    def stop_workers(self, grace_s: float) -> None:
        """Ask every worker to stop (TERM to its first process), wait, and SIGKILL what is left of it."""
        for worker in self.workers.values():
            worker.stop()
        for worker in self.workers.values():
            if worker.alive:
                worker.signal([worker.pid], "CONT")
                worker.signal([worker.pid], "TERM")
        end_s = time.monotonic() + grace_s
        while any(worker.alive for worker in self.workers.values()) and time.monotonic() < end_s:
            time.sleep(STOP_POLL_S)
        for worker in self.workers.values():
            worker.signal(worker.tree(), "KILL")

    def socket_path(self, name: str) -> Path:
        """Where a Unix socket may lie: a path of less than 108 bytes, removed with the campaign."""
        return self.campaign.runtime / f"{self.mark.rpartition('.')[2]}-{name}"

    def tell(self, event: str, **fields: Any) -> int:  # noqa: ANN401  # a ledger line's fields
        """Write one event into the harness's own ledger; returns its time in monotonic ns. Raises ``HarnessError``."""
        try:
            return self._ledger.event(event, **fields)
        except LedgerError as error:
            raise HarnessError(
                f"{error}. What follows would not be evidence: free space there and run again"
            ) from error

    def broken_ledgers(self) -> list[str]:
        """Ledgers that refused a line (a full disk): nothing can be concluded from this scenario."""
        return [
            path.name
            for path in sorted((self.directory / "ledger").glob("*.jsonl"))
            if not Path(f"{path}{INTACT_SUFFIX}").exists()
        ]

    def check(self) -> None:
        """Raise ``HarnessError`` if the ground gave way: a ledger is broken, a server of ours died by itself."""
        if broken := self.broken_ledgers():
            raise HarnessError(
                f"a line could not be written to {', '.join(broken)} in {self.directory / 'ledger'}"
                f" ({shutil.disk_usage(self.directory).free // 2**20} MiB are free): free space there and run again"
            )
        for source in (self.view, self.watch, self.stalls, self.canary):
            if source.error is not None:
                raise HarnessError(f"the harness can't follow its processes any more: {source.error}") from source.error
        rounds = {
            "ledger's reader": self.view.rounds,
            "watch of processes": self.watch.rounds,
            "clock of host stalls": self.stalls.rounds,
            "canary": self.canary.rounds,
        }
        if silent := self._pulses.silent(rounds, time.monotonic()):
            raise HarnessError(f"the harness can't see what happens any more: {'; '.join(silent)}. Run again")
        self.toxiproxy.check()
        self.store.check()

    def _programs(self) -> list[Program]:
        return [*self.workers.values(), *([self.producer] if self.producer is not None else [])]

    def _start(self, name: str, role: str, argv: Sequence[str], variables: Mapping[str, str]) -> Program:
        program = Program(
            name,
            role,
            argv,
            variables,
            campaign=self.campaign,
            environment=self.mark,
            directory=self.directory,
            watch=self.watch,
            tell=self.tell,
        )
        program.spawn()
        return program

    def _make_folders(self) -> None:
        try:
            for name in ("ledger", "logs"):
                (self.directory / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HarnessError(f"the scenario's folder can't be made: {error}") from error

    def _open_ledger(self) -> Ledger:
        path = self.directory / "ledger" / "harness.jsonl"
        make_intact(path)
        try:
            return Ledger(str(path), "harness", "harness")
        except LedgerError as error:
            raise HarnessError(f"no ledger can be kept: {error}") from error

    def _start_store(self, undo: contextlib.ExitStack) -> OwnStore:
        ports = self.campaign.ports
        port = ports.take()
        undo.callback(ports.give_back, port)
        store = self.make_store(self.campaign, self.directory, port, self.durability)
        undo.callback(store.close)
        store.start()
        return store

    def _remove(self, link: ProxyLink) -> None:
        with contextlib.suppress(HarnessError):  # a dead Toxiproxy has no proxies
            link.remove()

    def _end_processes(self) -> None:
        end_all(
            [f"{ENVIRONMENT_VARIABLE}={self.mark}"], {pid for program in self._programs() for pid in program.sessions}
        )

    def _pids(self) -> dict[str, set[int]]:
        found = {name: {worker.pid} for name, worker in self.workers.items()}
        for opened in self.view.living():
            if opened.worker in found:
                found[opened.worker].add(opened.pid)
        return found

    def _other_pids(self) -> list[int]:
        """What else is the run's own work: producer, Toxiproxy, and the store where it is a process of ours."""
        pids = [self.toxiproxy.pid, getattr(self.store, "pid", None), self.producer and self.producer.pid]
        return [pid for pid in pids if pid]

    def _opened(self, opened: Opened) -> None:
        if opened.role not in {"harness", "canary"}:
            self.watch.add(Watched(opened.worker, opened.pid, opened.pid_start, opened.seen_ns))

    def _exited(self, exited: Exit) -> None:
        gone = exited.process
        self.view.poll()  # what it wrote last
        self.view.forget(gone.pid, gone.pid_start)
        self.tell(
            "exited",
            worker=gone.worker,
            pid=gone.pid,
            pid_start=gone.pid_start,
            status=exited.status,
            lo_ns=exited.lo_ns,
            caught=exited.caught,
        )
        worker = self.workers.get(gone.worker)
        if worker is not None and gone.child is not None:
            worker.respawn_later()


def _nobody_operates(step: str, on: str) -> str:
    raise HarnessError(f"nobody is there for {step} on {on}: no producer was started")
