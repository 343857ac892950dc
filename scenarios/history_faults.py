"""What the harness did and what the machine did, as intervals: faults, signals, lives of workers, stalls, store loss.

These are few, so they are plain data. All times in monotonic nanoseconds.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from scenarios.history_types import FOREVER

PRODUCER: Final = "producer"
HOST: Final = "host"
SLOW_NS: Final = 250_000_000  # a store that takes longer to answer the canary may be taken for one that is away
Event = Mapping[str, Any]
Ended = Callable[[set[int]], Iterable[Event]]
"""The events ``exited`` of processes with these pids."""


@dataclass(frozen=True, slots=True)
class FaultSpan:
    """One planned fault as it went. ``workers``: named by any of its phases; empty: whoever shares the link.

    ``fired``: how many clients were seen to be affected (0: it did not fire). ``healed``: ``FOREVER`` if it never was.
    """

    label: str
    kind: str
    effect: str
    inject: int
    healed: int
    workers: frozenset[str]
    fired: int
    evidence: tuple[str, ...]

    def hits(self, worker: str) -> bool:
        """Whether it may have affected this worker (or ``producer``): doubt counts as yes, since a hit excuses."""
        return self.effect == "store_down" or not self.workers or worker in self.workers


def fault_spans(events: Iterable[Event]) -> tuple[FaultSpan, ...]:
    """From the ``fault`` events, in order of injection."""
    spans: dict[str, FaultSpan] = {}
    columns = ("t", "fault", "kind", "effect", "phase", "workers", "n", "evidence")
    for t, label, kind, effect, phase, workers, n, evidence in _rows(events, columns):
        span = spans.get(label)
        if span is None:
            span = FaultSpan(label, kind or label, effect or "", t, FOREVER, frozenset(), 0, ())
        span = replace(span, workers=span.workers | frozenset(workers or ()))
        if phase == "fired":
            span = replace(
                span,
                fired=span.fired + (1 if n is None else n),
                evidence=span.evidence + tuple(evidence or ()),
            )
        elif phase == "healed":
            span = replace(span, healed=t)
        spans[label] = span
    return tuple(sorted(spans.values(), key=lambda span: span.inject))


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal that the harness sent; ``t`` is before the call."""

    t: int
    worker: str
    pid: int
    name: str


@dataclass(frozen=True, slots=True)
class Life:
    """One spawn of a worker program. Its first process, the supervisor, ended within [exit_lo, exit_hi]."""

    worker: str
    life: int
    pid: int
    born: int
    exit_lo: int = FOREVER
    exit_hi: int = FOREVER
    status: int | None = None
    killed: int = FOREVER  # when the harness first sent it KILL
    told_to_stop: int = FOREVER  # when any process of it was first sent TERM


def signals(events: Iterable[Event]) -> tuple[Signal, ...]:
    """From the ``signal`` events."""
    rows = _rows(events, ("t", "worker", "pid", "name"))
    return tuple(Signal(t, worker or "", pid or 0, name) for t, worker, pid, name in rows)


def lives(spawned: Iterable[Event], exited: Ended, sent: Iterable[Signal]) -> dict[str, tuple[Life, ...]]:
    """Worker → its lives in order. ``exited``: the ends of these processes by pid, many where jobs are forked."""
    found: dict[str, list[Life]] = defaultdict(list)
    by_process: dict[tuple[int, int], tuple[str, int]] = {}
    for t, worker, pid, pid_start in _rows(spawned, ("t", "worker", "pid", "pid_start")):
        found[worker].append(Life(worker, len(found[worker]) + 1, pid, t))
        by_process[pid, pid_start] = worker, len(found[worker]) - 1
    wanted = {pid for pid, _ in by_process}
    for t, pid, pid_start, lo, status in _rows(exited(wanted), ("t", "pid", "pid_start", "lo_ns", "status")):
        if (pid, pid_start) in by_process:
            worker, index = by_process[pid, pid_start]
            found[worker][index] = replace(found[worker][index], exit_lo=lo or 0, exit_hi=t, status=status)
    for signal in sent:
        _mark(found.get(signal.worker, []), signal)
    return {worker: tuple(each) for worker, each in found.items()}


def _mark(mine: list[Life], signal: Signal) -> None:
    for index in range(len(mine) - 1, -1, -1):
        life = mine[index]
        if life.born <= signal.t:
            if signal.name == "KILL" and signal.pid == life.pid:
                mine[index] = replace(life, killed=min(life.killed, signal.t))
            elif signal.name == "TERM":
                mine[index] = replace(life, told_to_stop=min(life.told_to_stop, signal.t))
            return


@dataclass(frozen=True, slots=True)
class Stall:
    """Time in which a worker (or the whole ``host``) could not run, for no doing of the harness."""

    worker: str
    lo: int
    hi: int
    by: str


def stalls(events: Iterable[Event]) -> tuple[Stall, ...]:
    """From the ``stall`` events."""
    rows = _rows(events, ("t", "worker", "lo_ns", "by"))
    return tuple(Stall(worker or HOST, lo, t, by or "") for t, worker, lo, by in rows)


def freezes(sent: Iterable[Signal]) -> dict[str, list[tuple[int, int]]]:
    """Worker → intervals between STOP and CONT of any of its processes."""
    stopped: dict[tuple[str, int], int] = {}
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for signal in sent:
        key = signal.worker, signal.pid
        if signal.name == "STOP":
            stopped.setdefault(key, signal.t)
        elif signal.name in {"CONT", "KILL"} and key in stopped:
            found[signal.worker].append((stopped.pop(key), signal.t))
    for (worker, _), since in stopped.items():
        found[worker].append((since, FOREVER))
    return found


@dataclass(frozen=True, slots=True)
class StoreLoss:
    """One roll-back of the store, as the canary shows it.

    What was acknowledged before ``safe`` survived; what was invoked after ``lost_from`` and acknowledged before
    ``down`` was lost; what was invoked after ``until`` came to a store that was back; between is undecided.
    """

    safe: int
    lost_from: int
    down: int
    until: int


@dataclass(frozen=True, slots=True)
class Canary:
    """Numbers written to the store, acknowledged by it, and acknowledged but missing at the end.

    ``silences``: from the sending of a number that the store did not answer in time until it answered one again.
    ``away``: from the second to the last of numbers in a row that it never took, each when it was sent; where there
    is more than one store, none is everybody's.
    """

    sent: int = 0
    acked: int = 0
    missing: int = 0
    losses: tuple[StoreLoss, ...] = field(default_factory=tuple)
    silences: tuple[tuple[int, int], ...] = field(default_factory=tuple)
    away: tuple[tuple[int, int], ...] = field(default_factory=tuple)


def canary(events: Iterable[tuple[Any, ...]]) -> Canary:
    """From the ``canary`` events (t, server, n, phase): blocks of acknowledged numbers that are missing."""
    phases = _by_phase(events)
    losses: list[StoreLoss] = []
    silences: list[tuple[int, int, bool]] = []
    for seen in phases.values():
        losses += _losses(seen["sent"], seen["acked"], seen["missing"])
        silences += _silences(seen["sent"], seen["acked"])
    return Canary(
        sum(len(seen["sent"]) for seen in phases.values()),
        sum(len(seen["acked"]) for seen in phases.values()),
        sum(len(seen["missing"].keys() & seen["acked"].keys()) for seen in phases.values()),
        tuple(losses),
        tuple((sent, answered) for sent, answered, _ in silences),
        tuple(_away(silences)) if len(phases) == 1 else (),
    )


def _silences(sent: Mapping[int, int], acked: Mapping[int, int]) -> Iterator[tuple[int, int, bool]]:
    """Back from the last number: whatever was not answered in time lasted until the next answer; whether at all."""
    answered = FOREVER
    for n in sorted(sent, reverse=True):
        answered = acked.get(n, answered)
        if n not in acked or acked[n] - sent[n] > SLOW_NS:
            yield sent[n], answered, n in acked


def _away(silences: Iterable[tuple[int, int, bool]]) -> Iterator[tuple[int, int]]:
    """Of the first number of a row it is only known that the store was away before the second was sent."""
    rows: dict[int, list[int]] = defaultdict(list)
    for sent, answered, late in silences:
        if not late:
            rows[answered].append(sent)
    yield from ((sorted(row)[1], max(row)) for row in rows.values() if len(row) > 1)


def _losses(sent: Mapping[int, int], acked: Mapping[int, int], missing: Mapping[int, int]) -> list[StoreLoss]:
    """A number without an acknowledgement may be missing rightly: it neither begins nor ends a block.

    The first one behind a block shows that the store was down: whatever was acknowledged later, it was by a new one.
    """
    losses: list[StoreLoss] = []
    block: list[int] = []
    before = 0
    silent = sorted(sent.keys() - acked.keys()) if missing else []

    def loss(until: int) -> StoreLoss:
        down = next((sent[n] for n in silent if n > block[-1]), FOREVER)
        return StoreLoss(sent.get(before, 0), acked[block[0]], min(down, until), until)

    for n in sorted(acked):
        if n in missing:
            block.append(n)
        else:
            if block:
                losses.append(loss(acked[n]))
            block, before = [], n
    if block:
        losses.append(loss(FOREVER))
    return losses


def unseen_losses(events: Iterable[tuple[Any, ...]], downs: Iterable[FaultSpan]) -> tuple[StoreLoss, ...]:
    """What outages (``downs``) may have cost in roll-backs too short for a number of the canary to show.

    Whatever was acknowledged after the last number that survived was sent is undecided: nothing is surely lost.
    """
    seen = _by_phase(events).values()
    kept = [
        sorted((each["acked"][n], each["sent"].get(n, 0)) for n in each["acked"].keys() - each["missing"])
        for each in seen
    ]
    return tuple(
        StoreLoss(
            min((max((sent for acked, sent in mine if acked <= span.inject), default=0) for mine in kept), default=0),
            span.inject,
            span.inject,
            span.healed,
        )
        for span in downs
    )


def _by_phase(events: Iterable[tuple[Any, ...]]) -> dict[str, dict[str, dict[int, int]]]:
    """Server → phase → number → when."""
    phases: dict[str, dict[str, dict[int, int]]] = defaultdict(lambda: {"sent": {}, "acked": {}, "missing": {}})
    for t, server, n, phase in events:
        phases[server or ""][phase][n] = t
    return phases


def _rows(events: Iterable[Event], columns: tuple[str, ...]) -> Iterable[tuple[Any, ...]]:
    return (tuple(event.get(column) for column in columns) for event in events)
