"""Plays a world to its end: time, and what became of it all."""

from collections import Counter
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Any

from tests.lawful.blows import Blows
from tests.lawful.harness import Harness
from tests.lawful.processes import MILLI
from tests.lawful.producer import Producer
from tests.lawful.store import Store
from tests.lawful.telling import Line, Telling
from tests.lawful.workers import Worker
from tests.lawful.world import Enqueue, World


class Play:
    """One history. ``reached`` counts what happened in it."""

    def __init__(self, world: World, broken: str = "") -> None:
        self.world, self.rng, self.told = world, Random(world.noise), Telling()
        self.reached: Counter[str] = Counter()
        self.now = self.numbers = self.down_until = self.stalled_until = self.last_event = 0
        self.plans: dict[str, Enqueue] = {f"j{number}": plan for number, plan in enumerate(world.jobs)}
        self.store = Store(world, self.rng, broken)
        self.workers = [Worker(self, index) for index in range(world.workers)]
        self.producer = Producer(self)
        self.runs: dict[str, list[list[Any]]] = {}
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = 0
        self.over = False
        self.blows, self.harness = Blows(self), Harness(self)

    def history(self) -> list[Line]:
        """All lines that a reader sees."""
        self.told.harness(0, "phase", name="load_begin")
        for worker in self.workers:
            worker.spawn(at=-1_000_000)
        self.producer.begin()
        self.blows.plan()
        self.harness.begin()
        self._run()
        return self.told.told()

    def at(self, t: int, call: Callable[..., None], *args: Any) -> None:  # noqa: ANN401  # whatever the call takes
        """Do it then."""
        self._order += 1
        heappush(self._heap, (t, self._order, call, args))

    def _run(self) -> None:
        heap, wakes = self._heap, self.store.wakes
        while heap and not self.over:
            self.now, _, call, args = heappop(heap)
            call(*args)
            wakes = self.store.wakes
            if wakes:
                for t in {max(each, self.now) for each in wakes}:
                    self.at(t, self._wake)
                wakes.clear()

    def _wake(self) -> None:
        for worker in self.workers:
            if worker.alive:
                for slot in worker.slots:
                    worker.ask(slot, 30 * MILLI)

    # ---- what workers ask of the world

    def new_pid(self) -> int:
        """Never used before."""
        self.numbers += 1
        return 100 + self.numbers

    def count(self) -> int:
        """A number that no other run has."""
        self.numbers += 1
        return self.numbers

    def plan_of(self, job: str) -> Enqueue:
        """What the payload says."""
        return self.plans[job]

    def reach(self, situation: str) -> None:
        """It happened here."""
        self.reached[situation] += 1

    def ran(self, job: str, t: int) -> None:
        """A body began."""
        self.last_event = max(self.last_event, t)
        self.runs.setdefault(job, []).append([t, None, ""])

    def ended(self, job: str, t: int, outcome: str) -> None:
        """A body wrote its end."""
        self.last_event = max(self.last_event, t)
        for each in self.runs[job]:
            if each[1] is None:
                each[1:] = t, outcome
                return

    def gone(self, worker: str, pid: int, status: int | None) -> None:
        """A process died; the harness finds it dead a little later."""
        seen = self.now + self.rng.randint(1, 20 * MILLI)
        self.told.exited(seen, worker, pid, self.now - self.rng.randint(0, 10 * MILLI), status)

    def end(self) -> None:
        """Nothing more happens; count what did."""
        self.over = True
        states = Counter(record.state for record in self.store.records.values())
        for state in ("dead", "cancelled", "finished", "waiting", "running", "delayed"):
            self.reached[f"{state} in the end"] += states[state]
        for record in self.store.records.values():
            if record.state == "dead":
                self.reached[f"dead: {record.reason}"] += 1
        for runs in self.runs.values():
            self.reached["runs"] += len(runs)
            self.reached["repeats"] += len(runs) - 1
            self.reached["zombies"] += sum(
                a[1] is not None and any(a[0] < b[0] < a[1] for b in runs if b is not a) for a in runs
            )
