"""The generator: sends each arrival at its intended time, whether or not the queue keeps up.

It never waits for an answer before it sends the next, and what it sends carries the intended time, so a stall
of the queue, of a producer, or of the generator itself lengthens latencies instead of thinning out the load.

What becomes of an arrival: ``acked``, ``rejected`` or ``unknown`` (as the producer says; a producer that dies
leaves all that it has not answered unknown), or ``unsent``: no producer was there to take it. An unsent
arrival changed nothing, is no job, and stands in no ledger; it counts against availability, which is taken
over *issued* arrivals.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from stormproof_target import JobSpec

from loadtests.answers import Answer
from loadtests.arrivals import Arrival
from loadtests.clock import Clock, SystemClock
from loadtests.lag import Lag
from loadtests.producer_client import NotSentError, ProducerClient, ProducerError

Fate = Literal["acked", "rejected", "unknown", "unsent"]
SYSTEM_CLOCK: Final = SystemClock()


@dataclass(frozen=True, slots=True)
class Issued:
    """What became of one arrival, once known. Times are monotonic ns; ``detail`` is the receipt, or why."""

    job: str
    spec: JobSpec
    intended_ns: int
    known_ns: int
    fate: Fate
    detail: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts so far. ``issued`` arrivals fell due: each is pending or has one of the four fates."""

    issued: int
    acked: int
    rejected: int
    unknown: int
    unsent: int
    lag_p50_ms: float
    lag_p99_ms: float
    lag_max_ms: float

    def __str__(self) -> str:
        """One line for a log."""
        return (
            f"{self.issued} arrivals: {self.acked} acked, {self.rejected} rejected, {self.unknown} unknown,"
            f" {self.unsent} unsent, {self.pending} pending; sent late by {self.lag_p50_ms:.1f} ms (p50),"
            f" {self.lag_p99_ms:.1f} ms (p99), {self.lag_max_ms:.1f} ms (most)"
        )

    @property
    def pending(self) -> int:
        """Sent, and without an answer yet."""
        return self.issued - self.acked - self.rejected - self.unknown - self.unsent

    @property
    def sent(self) -> int:
        """Handed to a producer."""
        return self.issued - self.unsent


def _ignore(*_: object) -> None:
    pass


class Generator:
    """Walks a plan: ``start`` in a thread of its own; Locust's users call ``send_next`` by themselves."""

    def __init__(
        self,
        plan: Iterable[Arrival[JobSpec]],
        clients: Sequence[ProducerClient],
        t0_ns: int,
        *,
        clock: Clock = SYSTEM_CLOCK,
        on_due: Callable[[str, int], None] = _ignore,
        on_known: Callable[[Issued], None] = _ignore,
    ) -> None:
        """``t0_ns`` (monotonic) is the plan's time 0. ``clients`` take turns; read anew for each arrival.

        ``on_due`` is called with job and intended time (ns) before it is sent; ``on_known`` once an arrival's fate is
        known, from whichever thread learns of it.
        """
        self._plan, self._clients, self._t0_ns = iter(plan), clients, t0_ns
        self._clock, self._on_due, self._on_known = clock, on_due, on_known
        self._taking, self._counting = threading.Lock(), threading.Condition()
        self._stop, self._ended = threading.Event(), threading.Event()
        self._taken = self._in_hand = self._issued = self._turn = 0
        self._exhausted = False
        self._fates: Counter[Fate] = Counter()
        self._lag = Lag()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send."""
        self._thread = threading.Thread(target=self.run, name="generator", daemon=True)
        self._thread.start()

    def run(self) -> None:
        """Send the whole plan, or as much of it as is due before ``stop``."""
        while self.send_next():
            pass

    def stop(self) -> None:
        """Send nothing more: arrivals that are not due yet are dropped."""
        self._stop.set()
        with self._taking:
            self._end_if_through(exhausted=True)

    def join(self, timeout_s: float) -> bool:
        """Wait until everything was sent; False if that takes longer than ``timeout_s`` seconds."""
        return self._ended.wait(timeout_s)

    @property
    def ended(self) -> bool:
        """Whether nothing more will be sent: the plan is through, or was stopped."""
        return self._ended.is_set()

    def drain(self, timeout_s: float) -> int:
        """Wait until all that was sent is answered, ``timeout_s`` seconds at most; return what is not."""
        with self._counting:
            self._counting.wait_for(lambda: self._pending() == 0, timeout_s)
            return self._pending()

    def progress(self) -> Progress:
        """Where it stands."""
        with self._counting:
            fates, lag = self._fates, self._lag
            return Progress(
                issued=self._issued,
                acked=fates["acked"],
                rejected=fates["rejected"],
                unknown=fates["unknown"],
                unsent=fates["unsent"],
                lag_p50_ms=lag.quantile_ms(0.5),
                lag_p99_ms=lag.quantile_ms(0.99),
                lag_max_ms=lag.max_ns / 1e6,
            )

    def send_next(self) -> bool:
        """Wait until the next arrival is due, and send it; False if there is none or ``stop`` came first.

        May be called from several threads: each takes an arrival of its own.
        """
        with self._taking:
            arrival = None if self._stop.is_set() else next(self._plan, None)
            if arrival is None:
                self._end_if_through(exhausted=True)
                return False
            self._taken += 1
            self._in_hand += 1
            job = f"w-{self._taken:04d}"
        try:
            due_ns = self._t0_ns + round(arrival.at_s * 1e9)
            self._clock.wait_until(due_ns, self._stop)
            if self._stop.is_set() and self._clock.now_ns() < due_ns:
                return False
            self._send(job, arrival, due_ns)
        finally:
            with self._taking:
                self._in_hand -= 1
                self._end_if_through(exhausted=self._stop.is_set())
        return True

    def _end_if_through(self, *, exhausted: bool) -> None:
        """Another thread may still wait with an arrival in its hand after the plan was found empty."""
        self._exhausted |= exhausted
        if self._exhausted and not self._in_hand:
            self._ended.set()

    def _send(self, job: str, arrival: Arrival[JobSpec], due_ns: int) -> None:
        client = self._next_client()
        self._on_due(job, due_ns)
        with self._counting:
            self._issued += 1
            self._lag.add(self._clock.now_ns() - due_ns)
        if client is None:
            self._know(Issued(job, arrival.job, due_ns, self._clock.now_ns(), "unsent", "no producer is connected"))
            return
        spec_json = _as_json(arrival.job)
        future = client.enqueue(job, arrival.queue, spec_json, due_ns, round(arrival.delay_s * 1e9))
        future.add_done_callback(lambda done: self._know(self._read(done, job, arrival.job, due_ns)))

    def _next_client(self) -> ProducerClient | None:
        clients = self._clients
        for _ in range(len(clients)):
            self._turn += 1
            client = clients[self._turn % len(clients)]
            if not client.closed:
                return client
        return None

    def _read(self, done: Future[Answer], job: str, spec: JobSpec, due_ns: int) -> Issued:
        error = done.exception()
        if error is None:
            answer = done.result()
            return Issued(job, spec, due_ns, answer.answered_ns, answer.outcome, answer.detail)
        if not isinstance(error, ProducerError):
            raise error
        fate: Fate = "unsent" if isinstance(error, NotSentError) else "unknown"
        return Issued(job, spec, due_ns, self._clock.now_ns(), fate, str(error))

    def _know(self, issued: Issued) -> None:
        with self._counting:
            self._fates[issued.fate] += 1
            if self._pending() == 0:
                self._counting.notify_all()
        self._on_known(issued)

    def _pending(self) -> int:
        return self._issued - sum(self._fates.values())


@lru_cache(maxsize=1024)
def _as_json(spec: JobSpec) -> str:
    return spec.to_json()
