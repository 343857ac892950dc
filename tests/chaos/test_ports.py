import socket
from collections.abc import Iterator

import pytest

from chaos.errors import HarnessError
from chaos.ports import RANGE_VARIABLE, Ports, default_range


@pytest.fixture
def four() -> range:
    """Four neighbouring ports that nobody uses."""
    with Ports() as ports:
        while True:
            first = ports.take()
            found = [first, *(ports.take() for _ in range(3))]
            if found == list(range(first, first + 4)):
                return range(first, first + 4)


@pytest.fixture
def ports(four: range) -> Iterator[Ports]:
    with Ports(four) as ports:
        yield ports


def test_each_port_is_handed_out_once(ports: Ports, four: range) -> None:
    assert {ports.take() for _ in four} == set(four)


def test_two_harnesses_do_not_collide(ports: Ports, four: range) -> None:
    with Ports(four) as other:
        assert not {ports.take(), ports.take()} & {other.take(), other.take()}


def test_a_port_that_somebody_listens_on_is_passed_over(ports: Ports, four: range) -> None:
    with socket.create_server(("127.0.0.1", four[0])):
        assert four[0] not in {ports.take() for _ in range(3)}


def test_an_exhausted_range_is_one_clear_message(ports: Ports, four: range) -> None:
    for _ in four:
        ports.take()
    with pytest.raises(HarnessError, match=rf"all 4 of {four[0]} to {four[-1]} are in use.*{RANGE_VARIABLE}="):
        ports.take()


def test_a_port_given_back_can_be_taken_again(ports: Ports, four: range) -> None:
    taken = [ports.take() for _ in four]
    ports.give_back(taken[2])
    assert ports.take() == taken[2]


@pytest.mark.parametrize("text", ["22000", "9-5", "1-70000", "a-b", ""])
def test_a_range_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RANGE_VARIABLE, text)
    with pytest.raises(HarnessError, match=RANGE_VARIABLE):
        Ports()


@pytest.mark.parametrize(
    ("ephemeral", "chosen"),
    [
        ((32768, 60999), range(21_000, 24_000)),
        ((1024, 20_000), range(21_000, 24_000)),
        ((15_000, 65_535), range(10_000, 15_000)),
        ((1024, 60_999), range(61_000, 65_536)),
        ((1024, 65_535), range(21_000, 24_000)),
    ],
)
def test_the_range_keeps_clear_of_ephemeral_ports_where_it_can(ephemeral: tuple[int, int], chosen: range) -> None:
    assert default_range(*ephemeral) == chosen


def test_the_range_can_be_named(four: range, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RANGE_VARIABLE, f"{four[0]}-{four[-1]}")
    with Ports() as ports:
        assert ports.take() in four
