"""The errors that the queue raises: one small tree."""


class StormqError(Exception):
    """Everything that this package raises on purpose."""


class SettingsError(StormqError, ValueError):
    """Settings that can't work together; ``problems`` names every one of them."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class EnqueueError(StormqError):
    """An enqueue was not acknowledged."""


class Rejected(EnqueueError):
    """Provably nothing happened: refused before any byte was sent, or by the server before the script wrote."""


class Unknown(EnqueueError):
    """Nobody knows whether the job was stored. Enqueueing again with the same id is safe: it has one effect."""


class SoftTimeout(BaseException):  # noqa: N818  # BaseException, and no "Error": `except Exception` must not swallow it
    """Raised inside a job's body when its timeout is over. Best effort: C code outlives it; the hard timeout does not."""
