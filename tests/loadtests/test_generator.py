"""The generator keeps to its plan, whatever becomes of what it sends."""

import json
import resource
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from stormproof_target import JobSpec, Setup
from stormproof_target.spec import fails, succeeds

from loadtests.arrivals import Arrival, burst, constant, soak
from loadtests.generator import Generator, Issued
from loadtests.producer_client import ProducerClient
from tests.loadtests.conftest import RQ, StartProducer

JOB = succeeds()
SOON_S = 30.0


class VirtualClock:
    """Time that passes only by waiting."""

    def __init__(self, now_ns: int = 1_000) -> None:
        self.t_ns = now_ns

    def now_ns(self) -> int:
        return self.t_ns

    def wait_until(self, t_ns: int, stop: threading.Event) -> None:  # noqa: ARG002  # nobody stops it here
        self.t_ns = max(self.t_ns, t_ns)


def events(*ledgers: Path) -> list[dict[str, object]]:
    return [json.loads(line) for ledger in ledgers for line in ledger.read_text().splitlines()]


def at(*times_s: float) -> Iterator[Arrival[JobSpec]]:
    return (Arrival(time_s, JOB) for time_s in times_s)


def test_each_arrival_is_invoked_with_its_intended_time_though_every_enqueue_hangs(
    start_producer: StartProducer, tmp_path: Path
) -> None:
    producer = start_producer(GATE=str(tmp_path / "gate"))
    with ProducerClient(producer.socket) as client:
        t0_ns = 5_000_000_000
        generator = Generator(at(0, 0.25, 0.25, 1.5), [client], t0_ns, clock=VirtualClock())
        generator.run()
        assert generator.ended
        progress = generator.progress()
        assert (progress.issued, progress.sent, progress.pending) == (4, 4, 4)
        assert generator.drain(0) == 4
        (tmp_path / "gate").touch()
        assert generator.drain(SOON_S) == 0
        assert generator.progress().acked == 4
    invoked = {e["job"]: e["intended_ns"] for e in events(producer.ledger) if e["e"] == "invoked"}
    assert invoked == {
        "w-0001": t0_ns,
        "w-0002": t0_ns + 250_000_000,
        "w-0003": t0_ns + 250_000_000,
        "w-0004": t0_ns + 1_500_000_000,
    }


def test_producers_take_turns(start_producer: StartProducer) -> None:
    producers = [start_producer() for _ in range(3)]
    clients = [ProducerClient(producer.socket) for producer in producers]
    generator = Generator(at(*range(9)), clients, 0, clock=VirtualClock())
    generator.run()
    assert generator.drain(SOON_S) == 0
    for producer, client in zip(producers, clients, strict=True):
        client.close()
        assert sum(e["e"] == "acked" for e in events(producer.ledger)) == 3


def test_a_killed_producer_leaves_its_jobs_unknown_and_the_others_take_over(
    start_producer: StartProducer, tmp_path: Path
) -> None:
    dying, living = start_producer(GATE=str(tmp_path / "never")), start_producer()
    clients = [ProducerClient(dying.socket), ProducerClient(living.socket)]
    known: list[Issued] = []
    generator = Generator(at(*range(10)), clients, 0, clock=VirtualClock(), on_known=known.append)
    for _ in range(4):
        generator.send_next()
    dying.end()
    wait_until_closed(clients[0])
    generator.run()
    assert generator.drain(SOON_S) == 0
    assert Counter(issued.fate for issued in known) == {"unknown": 2, "acked": 8}
    clients[1].close()


def test_arrivals_go_on_without_any_producer_and_count_as_unsent(start_producer: StartProducer) -> None:
    producer = start_producer()
    client = ProducerClient(producer.socket)
    known: list[Issued] = []
    generator = Generator(at(1, 2, 3), [client], 0, clock=VirtualClock(), on_known=known.append)
    generator.send_next()
    assert generator.drain(SOON_S) == 0
    producer.end()
    wait_until_closed(client)
    generator.run()
    progress = generator.progress()
    assert (progress.issued, progress.sent, progress.acked, progress.unsent) == (3, 1, 1, 2)
    assert [(issued.job, issued.intended_ns) for issued in known if issued.fate == "unsent"] == [
        ("w-0002", 2_000_000_000),
        ("w-0003", 3_000_000_000),
    ]


def test_a_producer_that_was_started_again_is_used_once_its_client_stands_in_the_list(
    start_producer: StartProducer,
) -> None:
    first, second = start_producer(), start_producer()
    clients = [ProducerClient(first.socket)]
    generator = Generator(at(1, 2), clients, 0, clock=VirtualClock())
    generator.send_next()
    assert generator.drain(SOON_S) == 0
    clients[0].close()
    clients[0] = ProducerClient(second.socket)
    generator.run()
    assert generator.drain(SOON_S) == 0
    assert generator.progress().acked == 2
    clients[0].close()


def wait_until_closed(client: ProducerClient) -> None:
    for _ in range(3000):
        if client.closed:
            return
        threading.Event().wait(0.01)
    pytest.fail("the client has not noticed that its producer is gone")


def test_a_generator_that_was_held_up_catches_up_and_says_by_how_much(start_producer: StartProducer) -> None:
    clock = VirtualClock(now_ns=3_000_000_000)  # as after a stall of two seconds
    with ProducerClient(start_producer().socket) as client:
        generator = Generator(at(1, 2, 3, 4), [client], 0, clock=clock)
        generator.run()
        assert generator.drain(SOON_S) == 0
    assert clock.t_ns == 4_000_000_000
    progress = generator.progress()
    assert progress.lag_max_ms == 2000
    assert progress.lag_p50_ms == 0


def test_stop_drops_what_is_not_due(start_producer: StartProducer) -> None:
    """On the system's clock: the plan would take an hour."""
    producer = start_producer()
    with ProducerClient(producer.socket) as client:
        known = threading.Event()
        generator = Generator(at(0, 3600), [client], time.monotonic_ns(), on_known=lambda _: known.set())
        generator.start()
        assert known.wait(SOON_S)
        generator.stop()
        assert generator.join(SOON_S)
    assert generator.progress().issued == 1
    assert not generator.send_next()


def test_several_threads_share_one_plan(start_producer: StartProducer) -> None:
    producer = start_producer()
    with ProducerClient(producer.socket) as client:
        generator = Generator(constant(jobs={JOB: 1}).plan(Random(1)), [client], 0, clock=VirtualClock())
        threads = [threading.Thread(target=generator.run) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert generator.drain(SOON_S) == 0
    jobs = [e["job"] for e in events(producer.ledger) if e["e"] == "invoked"]
    assert sorted(map(str, jobs)) == [f"w-{number:04d}" for number in range(1, 801)]


class PatientClock(VirtualClock):
    """Waits until the producer has caught up, so that what grows is not what waits for answers."""

    def __init__(self, client: ProducerClient) -> None:
        super().__init__()
        self.client = client

    def wait_until(self, t_ns: int, stop: threading.Event) -> None:
        super().wait_until(t_ns, stop)
        while self.client.pending > 200:
            time.sleep(0.001)


def resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024


@pytest.mark.soak
def test_a_soak_s_memory_does_not_grow_with_its_arrivals(start_producer: StartProducer) -> None:
    with ProducerClient(start_producer().socket) as client:
        plan = soak(rate_s=100, for_s=600, jobs={JOB: 19, fails(times=1): 1}).plan(Random(1))
        generator = Generator(plan, [client], 0, clock=PatientClock(client))
        resident = []
        while generator.send_next():
            if generator.progress().issued % 10_000 == 0:
                resident.append(resident_kib())
        assert generator.drain(SOON_S) == 0
    assert generator.progress().acked == 60_000
    assert resident[-1] - resident[0] < 1024, resident


@pytest.mark.load
def test_a_burst_of_a_thousand_into_rq_loses_nothing_to_its_connection_pool(
    start_producer: StartProducer, redis_url: str
) -> None:
    producer = start_producer(RQ, Setup(redis_url=redis_url, direct_url=redis_url))
    with ProducerClient(producer.socket, log=producer.log) as client:
        generator = Generator(burst(jobs={JOB: 1}).plan(Random(1)), [client], 0, clock=VirtualClock())
        generator.run()
        assert generator.drain(120) == 0
        progress = generator.progress()
        assert (progress.acked, progress.rejected, progress.unknown) == (1000, 0, 0)
        assert client.counts()["default"].waiting == 1000
        receipts = {str(e["job"]): str(e["receipt"]) for e in events(producer.ledger) if e["e"] == "acked"}
        assert {state.state for state in client.states(receipts)} == {"waiting"}
        assert len(receipts) == 1000
