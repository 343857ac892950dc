"""Counts a queue's jobs while a scenario runs, in a thread of its own: a store that is down must hold nobody up."""

import threading
from types import TracebackType
from typing import Final, Self

from chaos.environment import Environment
from loadtests.producer_client import ProducerClient, ProducerError

INTERVAL_S: Final = 0.5
CLOSE_S: Final = 0.05  # where a limit of leases is to be watched


class Counting:
    """Writes ``count`` events; ``outstanding`` is what the last answer still held as undone."""

    def __init__(self, env: Environment, client: ProducerClient, every_s: float = INTERVAL_S) -> None:
        """Counts through the producer's direct link, ``every_s`` seconds."""
        self.every_s = every_s
        self._env, self._client = env, client
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="counting", daemon=True)
        self.outstanding = 1  # until it was counted, nobody knows that there is none

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; waits for the count that is under way."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self.every_s) and not self._client.closed:
            try:
                counts = self._client.counts()
            except ProducerError:
                continue  # the store is down, or the producer dead: that is the experiment
            for queue, each in counts.items():
                self._env.tell(
                    "count",
                    queue=queue,
                    waiting=each.waiting,
                    delayed=each.delayed,
                    running=each.running,
                    dead=each.dead,
                )
            self.outstanding = sum(each.waiting + each.delayed + each.running for each in counts.values())
