"""Judges the smallest history that an anomaly declares: each line of it is a call of a helper of ``histories.py``."""

from dataclasses import replace
from typing import Any, Final

import stormproof_target
from stormproof_target import BackoffPolicy, spec

from scenarios.checkers import Anomaly, Judged
from scenarios.checkers.registry import CHECKERS
from tests.scenarios import histories
from tests.scenarios.histories import POLICY, PROMISE, SCENARIO, history

_WORDS: Final[dict[str, Any]] = {
    **vars(stormproof_target),
    **vars(spec),
    **vars(histories),
    "BackoffPolicy": BackoffPolicy,
    "promise": lambda **fields: ("promise", fields),
    "policy": lambda **fields: ("policy", fields),
    "scenario": lambda **fields: ("scenario", fields),
}


def find(checker: str, anomaly: Anomaly, without: str = "") -> Judged:
    """What the checker says of the history; ``without``: of what is left when this line of it is not there."""
    changes: dict[str, dict[str, Any]] = {"promise": {}, "policy": {}, "scenario": {}}
    for what, fields in _tuple([anomaly.under] if anomaly.under else []):
        changes[what] |= fields
    scenario = replace(SCENARIO, policy=replace(POLICY, **changes["policy"]), **changes["scenario"])
    kept = [line for line in anomaly.smallest.splitlines() if line != without]
    parts = [[part] if isinstance(part, dict) else part for part in _tuple(kept)]  # a starred part gives single lines
    return CHECKERS[checker].check(history(*parts), replace(PROMISE, **changes["promise"]), scenario)


def _tuple(lines: list[str]) -> tuple[Any, ...]:
    """The values of these expressions, of which one may be starred."""
    text = "".join(f"{line}," for line in lines)
    return tuple(eval(f"({text})" if text else "()", _WORDS))  # noqa: S307  # our own sources
