"""The one error of this package that a user sees."""


class HarnessError(Exception):
    """The harness's own ground gave way (exit code 4): the message says what happened and what to do next."""
