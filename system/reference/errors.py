"""The errors that the queue raises: one small tree."""


class StormqError(Exception):
    """Everything that this package raises on purpose."""


class SettingsError(StormqError, ValueError):
    """Settings that can't work together; ``problems`` names every one of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class UnreachableError(StormqError):
    """Redis can't be reached, or does not do what it is asked."""


class EnqueueError(StormqError):
    """An enqueue was not acknowledged."""


class Rejected(EnqueueError):  # noqa: N818  # an outcome of an enqueue, by its name
    """Provably nothing happened: refused before any byte was sent, or by the server before the script wrote."""


class Unknown(EnqueueError):  # noqa: N818  # as above
    """Nobody knows whether the job was stored. Enqueueing again with the same id is safe: it has one effect."""


class Reject(Exception):  # noqa: N818  # what the body does with its job
    """A job's body raises it: no further attempt can help. The job is a dead letter at once, `rejected`."""


class SoftTimeout(BaseException):
    """Raised inside a job's body when its timeout is over. Best effort: C code outlives it; the hard timeout does not.

    No ``Exception``: a job's own `except Exception` must not swallow it.
    """
