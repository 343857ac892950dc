"""Where a run's jobs come from: our own generator on the scenario's plan, or a load from outside."""

import time
from pathlib import Path
from random import Random
from typing import Final, Protocol

from chaos.errors import HarnessError
from loadtests.generator import Generator
from loadtests.producer_client import ProducerClient
from scenarios.fit import Fitted
from scenarios.waiting import NS_A_SECOND

DRAIN_S: Final = 10.0


class LoadSource(Protocol):
    """Where jobs come from while the scenario runs."""

    @property
    def lead_s(self) -> float:
        """Seconds that it needs from ``begin`` until its first arrival is due."""

    @property
    def ended(self) -> bool:
        """Nothing more will be sent, and the load's time is over."""

    def begin(self, client: ProducerClient, t0_ns: int, directory: Path) -> None:
        """The load's time 0 is ``t0_ns`` (monotonic), the run's folder ``directory``; returns at once."""

    def stop(self) -> None:
        """Send nothing more, and wait a bounded time for what is still unanswered."""

    def check(self, invoked: int, acked: int) -> None:
        """After ``stop``: raise ``HarnessError`` if less was sent than was planned, so that the load was another.

        ``invoked`` and ``acked``: the load's enqueues in the ledger. What is told to be sent may not be, and what was
        acknowledged may not be written down.
        """


class PlannedLoad:
    """Our own generator, on the scenario's plan."""

    lead_s = 0.1

    def __init__(self, fitted: Fitted, seed: int) -> None:
        """The plan is drawn from ``seed``."""
        self._for_ns = int(fitted.scenario.load.for_s * NS_A_SECOND)
        self._plan = fitted.scenario.load.plan(Random(f"{seed}-load"))
        self._count = fitted.scenario.load.count
        self._generator: Generator | None = None

    @property
    def ended(self) -> bool:
        """The plan is through, every enqueue answered, and the planned time over: a fault may still be due."""
        generator = self._generator
        if generator is None or not generator.ended or generator.progress().pending:
            return False
        return time.monotonic_ns() >= self._end_ns

    def begin(self, client: ProducerClient, t0_ns: int, directory: Path) -> None:  # noqa: ARG002  # others need it
        """Start to send."""
        self._end_ns = t0_ns + self._for_ns
        self._generator = Generator(self._plan, [client], t0_ns)
        self._generator.start()

    def stop(self) -> None:
        """Drop what is not due yet."""
        if self._generator is not None:
            self._generator.stop()
            self._generator.drain(DRAIN_S)

    def check(self, invoked: int, acked: int) -> None:
        """A generator that died, or that was starved past the load's end, and arrivals that no producer took."""
        if self._generator is None:
            return
        progress = self._generator.progress()
        if acked < progress.acked:
            raise HarnessError(
                f"the producer acknowledged {progress.acked} enqueues, and wrote {acked} of them into its ledger:"
                " what it says is no evidence"
            )
        sent = min(progress.sent, invoked)
        if sent < self._count:
            raise HarnessError(
                f"{sent} of {self._count} planned enqueues were sent: the producer ended, or this machine is too busy."
                " What follows would be a test under less load; see the producer's log, run again"
            )
