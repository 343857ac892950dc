"""The alarm of the soft timeout is set only where none runs: it rings in a later body of the slot.

`timeouts` must find it, in `steady`: bodies of 15 ms pass a timeout of a second.
"""

import signal
from collections.abc import Callable

from system.reference import execution
from tests.planted.variant import Variant, replaces, task

__all__ = ["AlarmOfTheFormerJob", "task"]


@replaces(execution)
def _call(body: Callable[[], object], timeout_s: float) -> object:
    """Leaves the timer to whoever comes next."""
    if not signal.getitimer(signal.ITIMER_REAL)[0]:
        signal.setitimer(signal.ITIMER_REAL, timeout_s)
    execution.ALARM.timeout_s, execution.ALARM.armed = timeout_s, True
    try:
        return body()
    finally:
        execution.ALARM.armed = False


class AlarmOfTheFormerJob(Variant):
    """Saves two system calls a job."""

    name = "alarm-of-the-former-job"


if __name__ == "__main__":
    AlarmOfTheFormerJob.main()
