"""One run whose load somebody else drives: the runner judges, users send, the ledger tells when jobs end.

    starting ──ready──► load ──plan through, or end()──► judging ──verdict──► over
                                    (any of them) ──error──► over

It knows no load tool: whoever drives it calls ``send_next`` from as many threads as they like, and is told each
response time, counted from the intended time of its arrival.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Literal, Protocol

from stormproof_target import JobSpec
from stormproof_target.spec import fails, succeeds

from loadtests.arrivals import Arrivals, ArrivalsError, profile
from loadtests.generator import Generator, Issued, Progress
from loadtests.ledger_tail import LedgerTail
from loadtests.producer_client import ProducerClient, ProducerError
from loadtests.runner_process import FAILED, USAGE, Ready, RunnerError, RunnerProcess, Verdict

ENQUEUE: Final = "enqueue"
JOB: Final = "job (end to end)"
JOBS: Final[Mapping[JobSpec, float]] = {succeeds(sleep_ms=15): 19, fails(times=1): 1}
LOG: Final = logging.getLogger("stormproof")

START_S: Final = 120.0
DRAIN_S: Final = 15.0
JUDGE_S: Final = 180.0
INTERRUPTED: Final = 130
POLL_S: Final = 0.1
JOBS_OUT_MAX: Final = 1_000_000

Phase = Literal["starting", "load", "judging", "over"]


class Report(Protocol):
    """Takes one response."""

    def __call__(self, name: str, response_ms: float, failed: str | None) -> None:
        """``name`` is ``ENQUEUE`` or ``JOB``; ``failed`` says why if it did."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asked for: profile, target, fault, seconds of load."""

    arrivals: str
    target: str
    fault: str
    for_s: float

    def plan(self) -> Arrivals[JobSpec]:
        """The load. Raises ``ArrivalsError``."""
        return profile(self.arrivals, for_s=self.for_s, jobs=JOBS)


class LoadRun:
    """One run, conducted by a thread of its own from ``start`` on."""

    def __init__(self, wanted: Wanted, *, program: Sequence[str], out: Path, report: Report) -> None:
        """``program`` is how ``stormproof`` is called; ``out`` the folder of its campaigns, made if absent."""
        self.wanted, self._program, self._out, self._report = wanted, program, out, report
        self.phase: Phase = "starting"
        self.verdict: Verdict | None = None
        self._generator: Generator | None = None
        self._began, self._stop, self._over = threading.Event(), threading.Event(), threading.Event()
        self._intended_ns: dict[str, int] = {}
        self._thread = threading.Thread(target=self._conduct, name="load run", daemon=True)

    def start(self, after: "LoadRun | None" = None) -> None:
        """Begin, once the run ``after`` is over: two at a time would disturb each other."""
        self._after = after
        self._thread.start()

    def send_next(self) -> bool:
        """Send the next arrival when it is due; False when there is none any more. Blocks while the run is starting."""
        self._began.wait()
        return self._generator is not None and self._generator.send_next()

    def end(self) -> None:
        """Cut the load short; what was sent is judged all the same. Returns at once."""
        self._stop.set()
        if self._generator is not None:
            self._generator.stop()

    def wait(self, timeout_s: float) -> bool:
        """Wait until the run is over; False if that takes longer than ``timeout_s`` seconds."""
        return self._over.wait(timeout_s)

    @property
    def over(self) -> bool:
        """Whether there is a verdict, of whatever kind."""
        return self._over.is_set()

    @property
    def exit_code(self) -> int:
        """The verdict's; 4 while there is none."""
        return FAILED if self.verdict is None else self.verdict.exit_code

    @property
    def progress(self) -> Progress | None:
        """The generator's counts; None before the load has begun."""
        return None if self._generator is None else self._generator.progress()

    def _conduct(self) -> None:
        try:
            if self._after is not None:
                self._after.wait(JUDGE_S)
                self._after = None
            self.verdict = self._run()
        except ArrivalsError as error:
            self.verdict = Verdict("not run", USAGE, str(error))
        except ProducerError as error:
            self.verdict = Verdict("harness failed", FAILED, str(error))
        except RunnerError as error:
            self.verdict = Verdict("harness failed", error.exit_code, str(error))
        finally:
            self.phase = "over"
            self._over.set()
            self._began.set()
            if self.verdict is not None:
                level = logging.INFO if self.verdict.exit_code == 0 else logging.ERROR
                LOG.log(level, "verdict: %s (exit code %d): %s", *_parts(self.verdict))

    def _run(self) -> Verdict:
        load = self.wanted.plan()
        self._out.mkdir(parents=True, exist_ok=True)
        with RunnerProcess(self._argv(), self._out / "serve-load.log") as runner:
            ready = self._ready(runner)
            tail = LedgerTail(ready.ledger)
            due = self._load(runner, ready, load, tail)
            self.phase = "judging"
            runner.load_ended(due)
            return self._verdict(runner, tail)

    def _argv(self) -> list[str]:
        wanted = self.wanted
        options = {"target": wanted.target, "fault": wanted.fault, "for": wanted.for_s, "out": self._out}
        return [*self._program, "serve-load", *(f"--{key}={value}" for key, value in options.items())]

    def _ready(self, runner: RunnerProcess) -> Ready:
        LOG.info("starting environment, producers and workers of target %s", self.wanted.target)
        waited_s = 0.0
        while waited_s < START_S and not self._stop.is_set():
            if ready := runner.ready(POLL_S):
                return ready
            waited_s += POLL_S
        if self._stop.is_set():
            raise RunnerError("stopped before the load began", INTERRUPTED)
        raise RunnerError(f"the runner: not ready after {START_S:g} s")

    def _load(self, runner: RunnerProcess, ready: Ready, load: Arrivals[JobSpec], tail: LedgerTail) -> int:
        """Send it; how many arrivals have fallen due."""
        slowed = load.slowed(ready.sustainable_rate_s, load.for_s)
        if slowed.count < load.count:
            LOG.warning(
                "%s takes %g jobs/s: %d of %d jobs are left out",
                *(self.wanted.target, ready.sustainable_rate_s, load.count - slowed.count, load.count),
            )
        with ExitStack() as stack:
            clients = [stack.enter_context(ProducerClient(path)) for path in ready.producers]
            generator = Generator(
                slowed.plan(Random(ready.seed)), clients, ready.t0_ns, on_due=self._due, on_known=self._known
            )
            self._generator, self.phase = generator, "load"
            self._began.set()
            LOG.info("load: %d arrivals in %g s", slowed.count, slowed.for_s)
            while not (through := generator.join(POLL_S)) and not self._stop.is_set():
                runner.check()
                self._observe(tail)
            generator.stop()  # it may have been made after `end` looked for it
            waited_s = 0.0
            while generator.drain(POLL_S) and waited_s < DRAIN_S:
                self._observe(tail)
                waited_s += POLL_S
        progress = generator.progress()
        LOG.info("load ended: %s", progress)
        cut_short = self._stop.is_set() or not through
        return progress.issued if cut_short else slowed.count

    def _verdict(self, runner: RunnerProcess, tail: LedgerTail) -> Verdict:
        waited_s = 0.0
        while waited_s < JUDGE_S:
            verdict = runner.verdict(POLL_S)
            self._observe(tail)
            if verdict:
                return verdict
            waited_s += POLL_S
        raise RunnerError(f"the runner: no verdict after {JUDGE_S:g} s")

    def _due(self, job: str, intended_ns: int) -> None:
        if len(self._intended_ns) >= JOBS_OUT_MAX:  # of a soak on a queue that loses them
            del self._intended_ns[next(iter(self._intended_ns))]
        self._intended_ns[job] = intended_ns

    def _known(self, issued: Issued) -> None:
        failed = None if issued.fate == "acked" else f"{issued.fate}: {issued.detail}"
        self._report(ENQUEUE, (issued.known_ns - issued.intended_ns) / 1e6, failed)
        if issued.fate in {"rejected", "unsent"}:
            self._intended_ns.pop(issued.job, None)

    def _observe(self, tail: LedgerTail) -> None:
        for job, ended_ns in tail.ends():
            intended_ns = self._intended_ns.pop(job, None)  # only its first good end is the job's
            if intended_ns is not None:
                self._report(JOB, (ended_ns - intended_ns) / 1e6, None)


def _parts(verdict: Verdict) -> tuple[str, int, str]:
    return verdict.verdict, verdict.exit_code, verdict.report
