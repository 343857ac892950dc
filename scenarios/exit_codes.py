"""How the command line ends: documented, and the same for every command."""

from enum import IntEnum

from reports.verdict import Verdict


class Exit(IntEnum):
    """Exit codes of ``stormproof``."""

    PASS = 0
    FAIL = 1
    USAGE = 2  # or configuration: nothing was run
    INCONCLUSIVE = 3
    HARNESS = 4  # the harness or its environment failed: says nothing about the queue
    INTERRUPTED = 130
    UNREAD = 141  # its output's reader has gone, as SIGPIPE would end it: says nothing either


def exit_of(verdict: Verdict) -> Exit:
    """``pass`` 0, ``fail`` 1; everything that is neither proves nothing: 3."""
    return {Verdict.PASS: Exit.PASS, Verdict.FAIL: Exit.FAIL}.get(verdict, Exit.INCONCLUSIVE)
