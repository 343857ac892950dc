"""What a job's body may know about the run that it is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CurrentJob:
    """``attempt`` starts at 1. ``fence`` grows with every grant: hand it to outside systems that can refuse older ones.

    ``exec`` is the lease's identity; ``deadline_s`` is when the soft timeout comes, by ``time.monotonic()``.
    ``user``: on whose behalf the job was enqueued, '' if that was not said.
    """

    id: str
    queue: str
    attempt: int
    attempts_max: int
    fence: int
    exec: str
    deadline_s: float
    user: str = ""


_current: CurrentJob | None = None


def current_job() -> CurrentJob | None:
    """The job whose body this process runs at the moment; None outside of one."""
    return _current


def set_current_job(job: CurrentJob | None) -> None:
    """For the slot: it runs one job at a time."""
    global _current  # noqa: PLW0603  # one process, one job: this is its state
    _current = job
