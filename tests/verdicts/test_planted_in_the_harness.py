"""Bugs planted in the harness itself, each in a real run on a real Redis: it ends inconclusive or with exit 4.

a fault that never fires                test_a_fault_that_never_fires
a heal that does not heal               test_a_heal_that_does_not_heal
a generator that skips                  test_a_generator_that_skips
a ledger that drops or halves a line    test_a_pen_of_the_harness_that_fails
a disk that is full                     the same, test_a_pen_closes_the_book_when_it_can_t_write
a canary that stands still, or lies     test_a_canary_that_ends, test_a_canary_that_writes_nothing
a clock of stalls that sleeps           test_a_thread_that_stands_still
a watch that misses exits               test_a_watch_that_misses_exits
states that can't be read               test_states_that_can_t_be_read
"""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stormproof_target import JobState
from stormproof_target.ledger import Ledger

import chaos.pulse
from chaos.canary import Canary
from chaos.environment import Environment
from chaos.faults import Injection
from chaos.faults.freeze import Freeze
from chaos.faults.latency import Latency
from chaos.faults.redis_down import RedisDown
from chaos.faults.registry import freeze, latency, redis_down
from chaos.planned import Planned
from chaos.stalls import Stalls
from chaos.view import LedgerView
from chaos.watch import Watch
from loadtests.generator import Generator, Issued
from loadtests.producer_client import ProducerClient, ProducerError
from reports.verdict import Verdict
from scenarios.exit_codes import Exit
from tests.verdicts.stage import Told, play

SLOW = pytest.mark.slow


def says(told: Told, code: Exit, *words: str) -> None:
    """It is no pass, no fail, and the first reason says what went wrong."""
    assert told.run.verdict is Verdict.INCONCLUSIVE, told.run.why
    assert told.code is code, told.run.why
    assert any(word in told.run.why[0] for word in words), told.run.why
    assert not told.run.findings
    assert bool(told.run.error) == (code is Exit.HARNESS)


def test_a_fault_that_never_fires(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its call returns, and nobody is hit."""

    def inject(_self: object, _env: Environment, _rng: object) -> Injection:
        return Injection(0, None)

    monkeypatch.setattr(RedisDown, "inject", inject)
    says(play(tmp_path, redis_down(for_s=0.2).at(s=0.5)), Exit.INCONCLUSIVE, "redis_down-1 did not fire")


@pytest.mark.parametrize(
    ("kind", "planned", "words"),
    [
        (RedisDown, redis_down(for_s=0.2).at(s=0.5), "should be on and is not"),
        pytest.param(Latency, latency(latency_ms=5, jitter_ms=0, for_s=0.3).at(s=0.5), "has", marks=SLOW),
        pytest.param(Freeze, freeze(for_s=0.3).at(s=0.5), "is stopped", marks=SLOW),
    ],
)
def test_a_heal_that_does_not_heal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type, planned: Planned, words: str
) -> None:
    """Else what it leaves broken would be blamed on the queue."""
    monkeypatch.setattr(kind, "heal", lambda *_: None)
    told = play(tmp_path, planned)
    says(told, Exit.HARNESS, "a fault was not healed, whatever its heal said")
    assert words in told.run.error


@SLOW
@pytest.mark.parametrize("claims", ["sent", "acked"])
def test_a_generator_that_skips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, claims: str) -> None:
    """Every tenth arrival is left out; or it is said to be acknowledged, and was never sent."""
    send, number = Generator._send, iter(range(1_000_000))

    def skips(self: Generator, job: str, arrival: Any, due_ns: int) -> None:  # noqa: ANN401  # an Arrival
        if next(number) % 10:
            send(self, job, arrival, due_ns)
        elif claims == "acked":
            self._issued += 1
            self._know(Issued(job, arrival.job, due_ns, due_ns, "acked", "w"))

    monkeypatch.setattr(Generator, "_send", skips)
    says(play(tmp_path), Exit.HARNESS, "planned enqueues were sent", "wrote 54 of them")


@SLOW
@pytest.mark.parametrize("how", ["drops", "halves", "is refused"])
def test_a_pen_of_the_harness_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Its fortieth line: dropped, written by half, or met by a full disk."""
    write, number = os.write, iter(range(1_000_000))

    def fails(fd: int, data: bytes) -> int:
        if not data.startswith(b'{"w":"harness-') or next(number) != 40:
            return write(fd, data)
        if how == "is refused":
            raise OSError(errno.ENOSPC, "No space left on device")
        if how == "halves":
            write(fd, data[: len(data) // 2])
        return len(data)

    monkeypatch.setattr("stormproof_target.ledger.os.write", fails)
    says(
        play(tmp_path), Exit.HARNESS, "a line was lost", "no event of a ledger", "No space left", "could not be written"
    )


@SLOW
def test_a_canary_that_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread is gone after a few numbers, without an error."""
    run = Canary._run

    def short(self: Canary) -> None:
        threading.Timer(0.5, self._stopping.set).start()
        run(self)
        self._stopping.clear()

    monkeypatch.setattr(Canary, "_run", short)
    says(play(tmp_path), Exit.HARNESS, "the canary ended by itself", "the canary has done nothing")


@SLOW
def test_a_canary_that_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It calls every number acknowledged, and sends none."""
    init = Canary.__init__

    def lying(self: Canary, *given: Any, **named: Any) -> None:  # noqa: ANN401  # its own
        init(self, *given, **named)
        monkeypatch.setattr(self._client, "setbit", lambda *_: 0)

    monkeypatch.setattr(Canary, "__init__", lying)
    says(play(tmp_path), Exit.HARNESS, "the store lost")


@SLOW
@pytest.mark.parametrize(
    ("kind", "name"),
    [(Stalls, "clock of host stalls"), (LedgerView, "ledger's reader"), (Watch, "watch of processes")],
)
def test_a_thread_that_stands_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type, name: str) -> None:
    """It sleeps, and would notice nothing."""
    monkeypatch.setattr(chaos.pulse, "SILENT_S_MAX", 1.0)
    monkeypatch.setattr(kind, "_run", lambda self: self._stopping.wait())
    says(play(tmp_path), Exit.HARNESS, f"the {name} has done nothing for")


@SLOW
def test_a_watch_that_misses_exits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It drops what the kernel tells."""

    def deaf(self: Watch, fd: int, _lived_ns: int) -> None:
        self._watched.pop(fd)
        self._epoll.unregister(fd)
        os.close(fd)

    monkeypatch.setattr(Watch, "_gone", deaf)
    says(play(tmp_path), Exit.INCONCLUSIVE, "nobody saw the end of")


@SLOW
@pytest.mark.parametrize("how", ["fails", "reads none", "reads half"])
def test_states_that_can_t_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    states = ProducerClient.states

    def unread(self: ProducerClient, jobs: dict[str, str]) -> Iterator[JobState]:
        if how == "fails":
            raise ProducerError("the producer has died")
        found = list(states(self, jobs))
        yield from found[: len(found) // 2] if how == "reads half" else ()

    monkeypatch.setattr(ProducerClient, "states", unread)
    code = Exit.HARNESS if how == "fails" else Exit.INCONCLUSIVE
    says(play(tmp_path), code, "the jobs' final states can't be read", "were not read")


def test_a_pen_closes_the_book_when_it_can_t_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker or a producer meets on a full disk, in the way in which it tells it."""
    from stormproof_target.ledger import INTACT_SUFFIX, LedgerError

    path = tmp_path / "w.jsonl"
    (tmp_path / f"w.jsonl{INTACT_SUFFIX}").touch()
    pen = Ledger(str(path), "worker", "w")

    def full(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("stormproof_target.ledger.os.write", full)
    with pytest.raises(LedgerError, match="No space left"):
        pen.started("j", "r", 1, 0, "")
    assert not (tmp_path / f"w.jsonl{INTACT_SUFFIX}").exists()
    pen.close()
