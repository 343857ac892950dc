"""The smallest target that can be told to misbehave: a queue in one file, which needs no server."""

import os
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from stormproof_target import Counts, JobState, Promise, Rejected, Target


class FileQueue(Target):
    """Appends each job to the file ``$FILE_QUEUE``; ``$GATE`` names a file without which enqueues hang."""

    name = "file"

    def __init__(self, *arguments: object) -> None:
        """Open nothing yet."""
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.path, self.lock = Path(os.environ["FILE_QUEUE"]), threading.Lock()

    def promise(self) -> Promise:
        """Nothing at all."""
        return Promise()

    def enqueue(self, job: str, queue: str, payload: str, delay_s: float) -> str:
        """Append ``queue job delay``; refuse or lose the job whose number is asked for."""
        while not Path(os.environ.get("GATE", "/")).exists():
            time.sleep(0.01)
        if job == os.environ.get("REJECT"):
            raise Rejected("the queue is full")
        if job == os.environ.get("LOSE"):
            raise TimeoutError("no reply")
        if job == os.environ.get("DIE"):
            os.write(2, b"Segmentation fault (core dumped)\n")
            os._exit(139)
        with self.lock, self.path.open("a") as file:
            file.write(f"{queue} {job} {delay_s} {len(payload)}\n")
        return f"f-{job}"

    def _jobs(self) -> list[list[str]]:
        return [line.split() for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def counts(self) -> Mapping[str, Counts]:
        """Nothing ever runs."""
        return {"default": Counts(waiting=len(self._jobs()), delayed=0, running=0, dead=0)}

    def states(self, jobs: Mapping[str, str]) -> Iterable[JobState]:
        """Waiting, as often as the file has it."""
        held = [job for _, job, *_ in self._jobs()]
        for job in jobs:
            found_in = (str(self.path),) * held.count(job)
            yield JobState(job, found_in, "waiting" if found_in else "absent")


if __name__ == "__main__":
    FileQueue.main()
