"""What the runner does around a load: nothing is left of the warm-up, nothing is taken for sent that was not."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from stormproof_target import ABILITIES, Counts, Description, Promise

from chaos.errors import HarnessError
from loadtests.producer_client import ProducerError
from scenarios import runner
from scenarios.catalog import CATALOG
from scenarios.counting import Counting
from scenarios.fit import fit
from scenarios.load_source import PlannedLoad
from scenarios.runner import ScenarioRunner

pytestmark = pytest.mark.unit

FITTED = fit(CATALOG["steady"], Description("able", "1", Promise(), frozenset(ABILITIES)))


class Broken:
    """A client that fails in the generator's own thread."""

    closed = False

    def enqueue(self, *_: object) -> None:
        raise RuntimeError("a bug")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_generator_that_sends_less_than_planned_is_the_harness_s_failure() -> None:
    load = PlannedLoad(FITTED, seed=1)
    load.check(0, 0)  # nothing was begun, so nothing is short
    client: Any = Broken()
    load.begin(client, time.monotonic_ns(), Path())
    client.closed = True  # and what comes after has nobody to go to
    load.stop()
    with pytest.raises(HarnessError, match=r"of 800 planned enqueues were sent"):
        load.check(800, 0)


def wait_for(condition: Callable[[], object]) -> None:
    end_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.005)


def test_until_the_queue_was_counted_nobody_knows_that_nothing_is_outstanding() -> None:
    answers = threading.Event()

    def counts() -> dict[str, Counts]:
        if not answers.is_set():
            raise ProducerError("the store is down")
        return {"default": Counts(0, 0, 0, 4)}

    env: Any = SimpleNamespace(tell=lambda *_, **__: 0)
    client: Any = SimpleNamespace(closed=False, counts=counts)
    with Counting(env, client, every_s=0.01) as counted:
        assert counted.outstanding > 0
        answers.set()
        wait_for(lambda: counted.outstanding == 0)


@pytest.mark.parametrize("stuck", [0, 1])
def test_the_load_begins_when_the_warm_up_s_jobs_are_done_or_stuck(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stuck: int
) -> None:
    """A backlog of the harness's own jobs would make the load's first ones late."""
    monkeypatch.setattr(runner, "WARM_UP_S", 0.01)
    monkeypatch.setattr(runner, "WARM_UP_QUIET_S", 0.1)
    (tmp_path / "ledger").mkdir()
    view = SimpleNamespace(ended_ok=0, acked=0, last_run_event_ns=time.monotonic_ns())
    env: Any = SimpleNamespace(tell=lambda *_, **__: 0, check=lambda: None, view=view, workers={})

    class Client:
        sent = 0

        def enqueue(self, *_: object) -> None:
            self.sent += 1
            (tmp_path / "ledger" / "w-1.jsonl").write_text('{"e":"started"}')

    client: Any = Client()

    def work(*_: object) -> None:
        if view.ended_ok < client.sent - stuck:
            view.ended_ok, view.last_run_event_ns = view.ended_ok + 1, time.monotonic_ns()

    program: Any = SimpleNamespace(label="fake")
    progress: Any = SimpleNamespace(tick=work)
    none: Any = None
    subject = ScenarioRunner(
        program,
        Description("fake", "1", Promise(), frozenset()),
        FITTED,
        seed=1,
        directory=tmp_path,
        campaign=none,
        toxiproxy=none,
        progress=progress,
    )
    subject._warm_up(env, client, ["w"])  # the step by itself
    assert view.ended_ok == client.sent - stuck
