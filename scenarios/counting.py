"""Counts a queue's jobs while a scenario runs, in a thread of its own: a store that is down must hold nobody up."""

from typing import Final

from chaos.beside import Beside
from chaos.environment import Environment
from chaos.errors import HarnessError
from loadtests.producer_client import ProducerClient, ProducerError

INTERVAL_S: Final = 0.5
CLOSE_S: Final = 0.05  # where a limit of leases is to be watched


class Counting(Beside):
    """Writes ``count`` events; ``outstanding`` is what the last answer still held as undone."""

    def __init__(self, env: Environment, client: ProducerClient, every_s: float = INTERVAL_S) -> None:
        """Counts through the producer's direct link, ``every_s`` seconds."""
        super().__init__("counting")
        self.every_s = every_s
        self._env, self._client = env, client
        self.outstanding = 1  # until it was counted, nobody knows that there is none

    def check(self) -> None:
        """Raise ``HarnessError`` if counts are missing because the thread ended."""
        if self.error is not None:
            raise HarnessError(f"jobs can't be counted any more: {self.error}") from self.error

    def _look_on(self) -> None:
        while not self.stopping.wait(self.every_s) and not self._client.closed:
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
