"""The client of a producer's socket: every request is answered, or fails with an error that says why."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from stormproof_target.spec import succeeds

from loadtests.producer_client import NotSentError, ProducerClient, ProducerError
from tests.loadtests.conftest import StartProducer

SPEC = succeeds().to_json()
SOON_S = 20.0


@contextmanager
def impostor(path: Path, *answers: bytes) -> Iterator[None]:
    """A peer that answers the n-th line it gets with the n-th of ``answers``, whatever was asked."""

    def serve() -> None:
        with closing(listener), listener.accept()[0] as connection, connection.makefile("rb") as lines:
            for answer in answers:
                lines.readline()
                connection.sendall(answer)
            lines.readline()

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield
    thread.join(SOON_S)


def test_an_enqueue_s_answer_is_the_queue_s_receipt(start_producer: StartProducer) -> None:
    producer = start_producer()
    with ProducerClient(producer.socket) as client:
        answer = client.enqueue("w-1", "mail", SPEC, 123, delay_ns=1_500_000_000).result(SOON_S)
    assert (answer.outcome, answer.detail) == ("acked", "f-w-1")
    assert producer.queue.read_text().startswith("mail w-1 1.5 ")
    invoked = [json.loads(line) for line in producer.ledger.read_text().splitlines()][1]
    assert (invoked["e"], invoked["job"], invoked["intended_ns"]) == ("invoked", "w-1", 123)


def test_rejected_and_unknown_come_back_with_why(start_producer: StartProducer) -> None:
    producer = start_producer(REJECT="w-1", LOSE="w-2")
    with ProducerClient(producer.socket) as client:
        first = client.enqueue("w-1", "default", SPEC, 1).result(SOON_S)
        second = client.enqueue("w-2", "default", SPEC, 1).result(SOON_S)
    assert (first.outcome, first.detail) == ("rejected", "the queue is full")
    assert (second.outcome, second.detail) == ("unknown", "TimeoutError: no reply")


def test_requests_overtake_one_that_hangs(start_producer: StartProducer, tmp_path: Path) -> None:
    producer = start_producer(GATE=str(tmp_path / "gate"))
    with ProducerClient(producer.socket) as client:
        hanging = client.enqueue("w-1", "default", SPEC, 1)
        assert client.counts()["default"].waiting == 0
        assert client.pending == 1
        (tmp_path / "gate").touch()
        assert hanging.result(SOON_S).outcome == "acked"
        assert client.counts()["default"].waiting == 1


def test_states_of_more_jobs_than_fit_one_request(start_producer: StartProducer) -> None:
    with ProducerClient(start_producer().socket) as client:
        client.enqueue("w-7", "default", SPEC, 1).result(SOON_S)
        states = list(client.states({f"w-{number}": "" for number in range(2500)}))
    assert [state.job for state in states] == [f"w-{number}" for number in range(2500)]
    assert [state.job for state in states if state.state == "waiting"] == ["w-7"]


def test_an_error_inside_one_request_ends_nothing(start_producer: StartProducer) -> None:
    with ProducerClient(start_producer().socket) as client:
        with pytest.raises(ProducerError, match="must be ids"):
            client.enqueue("no id, with spaces", "default", SPEC, 1).result(SOON_S)
        client.ping()


def test_a_dead_producer_fails_what_is_pending_and_shows_its_log(start_producer: StartProducer) -> None:
    producer = start_producer(DIE="w-2", GATE="/")
    with ProducerClient(producer.socket, log=producer.log) as client:
        with pytest.raises(ProducerError, match=r"ended the connection.*(\n.*)*Segmentation fault"):
            client.enqueue("w-2", "default", SPEC, 1).result(SOON_S)
        assert client.closed
        with pytest.raises(NotSentError, match="ended the connection"):
            client.enqueue("w-3", "default", SPEC, 1).result(SOON_S)


def test_a_frozen_producer_holds_nobody_up(start_producer: StartProducer) -> None:
    """More than its socket's buffers hold is taken at once, and is answered when it goes on."""
    producer = start_producer()
    with ProducerClient(producer.socket) as client:
        producer.freeze()
        futures = [client.enqueue(f"w-{number}", "default", SPEC, 1) for number in range(5000)]
        with pytest.raises(ProducerError, match="has not answered ping within"):
            client.ping(0.05)
        assert client.pending > 5000
        producer.thaw()
        assert {future.result(60).outcome for future in futures} == {"acked"}


def test_closing_while_a_frozen_producer_takes_nothing(start_producer: StartProducer) -> None:
    producer = start_producer()
    client = ProducerClient(producer.socket)
    producer.freeze()
    futures = [client.enqueue(f"w-{number}", "default", SPEC, 1) for number in range(5000)]
    client.close()
    with pytest.raises(ProducerError, match="harness closed"):
        futures[-1].result(0)


def test_a_socket_that_never_comes_is_waited_for_no_longer_than_asked(tmp_path: Path) -> None:
    with pytest.raises(ProducerError, match=r"nowhere\.sock: it does not listen after 0\.1 s"):
        ProducerClient(tmp_path / "nowhere.sock", wait_s=0.1)


def test_a_producer_that_died_before_it_listened_is_not_waited_for(start_producer: StartProducer) -> None:
    producer = start_producer(STORMPROOF_LEDGER="/nonexistent/ledger")
    with pytest.raises(ProducerError, match=r"ended before it listened(.*\n)*.*No such file"):
        ProducerClient(producer.socket, wait_s=600, log=producer.log, alive=lambda: producer.process.poll() is None)


def test_a_path_that_is_too_long_for_a_socket_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ProducerError, match="path too long"):
        ProducerClient(tmp_path / ("x" * 120), wait_s=600)


def test_a_peer_that_accepts_and_says_nothing_is_no_producer(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "mute"))
        listener.listen()
        with pytest.raises(ProducerError, match="has not answered ping within"):
            ProducerClient(tmp_path / "mute", wait_s=0.1)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"Traceback (most recent call last):\n",
        b"[]\n",
        b'"words"\n',
        b'{"id":99}\n',
        b'{"id":[1]}\n',
        b'{"id":2}\n',
        b'{"id":2,"outcome":"fine"}\n',
        b'{"id":2,"outcome":"acked"}\n',
    ],
)
def test_nonsense_fails_every_request_and_is_quoted(tmp_path: Path, nonsense: bytes) -> None:
    with impostor(tmp_path / "odd", b'{"id":1}\n', nonsense), ProducerClient(tmp_path / "odd") as client:
        future = client.enqueue("w-1", "default", SPEC, 1)
        with pytest.raises(ProducerError, match="no answer to a request") as wrong:
            future.result(SOON_S)
        assert str(nonsense) in str(wrong.value)
        assert client.closed


@pytest.mark.parametrize("counts", [b"[1]", b'{"default":{"lost":1}}', b"7"])
def test_counts_that_are_none(tmp_path: Path, counts: bytes) -> None:
    answers = b'{"id":1}\n', b'{"id":2,"counts":%b}\n' % counts
    with (
        impostor(tmp_path / "odd", *answers),
        ProducerClient(tmp_path / "odd") as client,
        pytest.raises(ProducerError, match="no answer to a request"),
    ):
        client.counts()
