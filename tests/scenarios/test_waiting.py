"""When a scenario has come to rest."""

import pytest

from scenarios.waiting import NS_A_SECOND, Look, Patience


def look(now_s: float, last_event_s: float, outstanding: int) -> Look:
    return Look(int(now_s * NS_A_SECOND), int(last_event_s * NS_A_SECOND), outstanding)


PATIENCE = Patience(from_ns=10 * NS_A_SECOND, rest_s=3, settle_s=10, recovery_s=5)
PROMISES_NOTHING = Patience(from_ns=10 * NS_A_SECOND, rest_s=3, settle_s=10, recovery_s=float("inf"))


@pytest.mark.parametrize(
    ("patience", "seen", "over"),
    [
        (PATIENCE, look(12.9, 5, 0), False),  # quiet counts from the load's end
        (PATIENCE, look(13.1, 5, 0), True),
        (PATIENCE, look(13.1, 12, 0), False),  # a run event just now
        (PATIENCE, look(14, 10, 3), False),  # jobs are out, and the promise is not over
        (PATIENCE, look(15.1, 10, 3), True),  # quiet for longer than the promise: they are stranded
        (PROMISES_NOTHING, look(19.9, 10, 1), False),  # nothing is promised, so it may come back any time
        (PROMISES_NOTHING, look(20, 19.9, 1), True),  # and nobody waits longer than settle_s
    ],
)
def test_waiting_ends(patience: Patience, seen: Look, *, over: bool) -> None:
    assert patience.is_over(seen) is over
