"""Objectives: parsing. ``recovery < 6s`` and policies in TOML become data; nothing is judged here.

    [p(QUANTILE) | max] METRIC  < | <= | > | >= | ==  NUMBER[UNIT]

Parsing returns every error at once, each with its file, its key and what is allowed there.
"""

import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, cast

from reports.run_record import Comparison, Unit

DEFAULT_POLICY: Final = Path(__file__).parent / "policy" / "audit.toml"

METRICS: Final[Mapping[str, tuple[Unit, str]]] = {
    "lost": ("jobs", "acknowledged and nowhere, or stranded; 'store loss' is none of them"),
    "unfinished": ("jobs", "not done when the campaign stopped waiting"),
    "success_rate": ("ratio", "successful / acknowledged, over jobs that can succeed"),
    "availability": ("ratio", "intended enqueues acknowledged within the deadline, outside the faults' windows"),
    "availability_raw": ("ratio", "the same, faults' windows included"),
    "unknown_share": ("ratio", "intended enqueues with an unknown outcome"),
    "job_time": ("s", "intended time to the end of the first successful run; needs p(QUANTILE) or max"),
    "recovery": ("s", "last heal of an episode to the end of its last late job"),
    "dead_letter_age": ("s", "age of the oldest unresolved dead letter"),
}
QUANTILED: Final = frozenset({"job_time"})
UNITS: Final[Mapping[Unit, Mapping[str, float]]] = {
    "s": {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0},
    "ratio": {"%": 0.01},
    "jobs": {"": 1.0},
}
FORM: Final = "[p(QUANTILE) | max] METRIC < | <= | > | >= | == NUMBER[UNIT], such as p(95) job_time < 3s"
_FORM: Final = re.compile(
    r"\s*(?:(?P<quantile>p\(\s*(?P<q>[\d.]+)\s*\)|max)\s*)?(?P<metric>[a-z_]\w*)\s*"
    r"(?P<comparison><=|>=|==|<|>)\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[a-z%]*)\s*"
)
_DURATION: Final = re.compile(r"\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[a-z]+)\s*")
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Objective:
    """``key`` compared with ``threshold`` (seconds, jobs, or a ratio from 0 to 1).

    ``text``: as it was written, or its title in a policy. ``quantile``: 0 to 1; None where the metric is one
    number. ``window_s``: a shorter campaign can't judge it.
    """

    text: str
    metric: str
    quantile: float | None
    comparison: Comparison
    threshold: float
    source: Literal["policy", "scenario"] = "scenario"
    window_s: float | None = None

    @property
    def unit(self) -> Unit:
        """The metric's."""
        return METRICS[self.metric][0]

    @property
    def key(self) -> str:
        """The name of the ``Metric`` that it asks for: ``p(95) job_time``, ``max job_time``, ``lost``."""
        return metric_key(self.metric, self.quantile)

    @property
    def n_needed(self) -> int:
        """Samples without which it can't be judged: 3 / (1 - q) for a quantile, and for a ratio likewise; else one.

        The rule of three: with n samples and no miss among them, the share of misses is below 3 / n at 95 %
        confidence.
        """
        rare = 1.0
        if self.quantile is not None:
            rare = 1.0 - self.quantile
        elif self.unit == "ratio":
            rare = self.threshold if self.comparison in {"<", "<="} else 1.0 - self.threshold
        return 1 if rare in {0.0, 1.0} else samples_needed(rare)


@dataclass(frozen=True, slots=True)
class Policy:
    """Objectives over all scenarios of a target."""

    name: str
    objectives: tuple[Objective, ...]


class ObjectiveError(ValueError):
    """Objectives that can't be read; ``errors`` holds all of them."""

    def __init__(self, errors: Iterable[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(self.errors))


def samples_needed(rare: float) -> int:
    """Samples for something that happens in a share ``rare`` of cases: 3 / rare, upwards."""
    return math.ceil(round(3.0 / rare, 6))


def metric_key(metric: str, quantile: float | None) -> str:
    """How a metric, or a quantile (0 to 1) of one, is called in ``run.json``."""
    if quantile is None:
        return metric
    return f"max {metric}" if quantile == 1.0 else f"p({round(quantile * 100, 6):g}) {metric}"


def quantiles(objectives: Iterable[Objective]) -> frozenset[float]:
    """Those that are asked for."""
    return frozenset(each.quantile for each in objectives if each.quantile is not None)


def parse_objectives(texts: Iterable[str], origin: str) -> tuple[Objective, ...]:
    """A scenario's objectives. Raises ``ObjectiveError``; ``origin`` (file or scenario) leads every error."""
    errors: list[str] = []
    found = [
        _objective(text, lambda says, at=f"{origin}: objectives[{index}]": errors.append(f"{at}: {says}"))  # type: ignore[misc]
        for index, text in enumerate(texts)
    ]
    if errors:
        raise ObjectiveError(errors)
    return tuple(each for each in found if each is not None)


def load_policy(path: Path = DEFAULT_POLICY) -> Policy:
    """A policy from a TOML file. Raises ``ObjectiveError``, also where the file can't be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ObjectiveError([f"{path}: {reason}"]) from error
    return parse_policy(text, str(path))


def parse_policy(text: str, origin: str) -> Policy:
    """A policy from TOML: ``name`` and ``[[objective]]`` tables of ``title``, ``must``, ``window``."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ObjectiveError([f"{origin}: not TOML: {error}"]) from error
    errors: list[str] = []

    def report(says: str) -> None:
        errors.append(f"{origin}: {says}")

    _only({"name", "objective"}, data, "", report)
    name = data.get("name", "")
    if not isinstance(name, str) or not name:
        report("name: a title in quotes is needed")
    tables = data.get("objective", [])
    if not isinstance(tables, list) or not tables:
        report("objective: at least one [[objective]] table is needed")
        tables = []
    found = [_policy_objective(table, f"objective[{index}]", report) for index, table in enumerate(tables)]
    if errors:
        raise ObjectiveError(errors)
    return Policy(cast("str", name), tuple(each for each in found if each is not None))


def _policy_objective(table: object, key: str, report: Report) -> Objective | None:
    if not isinstance(table, dict):
        report(f"{key}: a table with title, must and window is needed")
        return None
    _only({"title", "must", "window"}, table, f"{key}.", report)
    title, must, window = table.get("title", ""), table.get("must"), table.get("window")
    if not isinstance(title, str):
        report(f"{key}.title: {title!r} is not a string")
        return None
    if not isinstance(must, str):
        report(f"{key}.must: {must!r} is not an objective; allowed: {FORM}")
        return None
    objective = _objective(must, lambda says: report(f"{key}.must: {says}"))
    window_s = None if window is None else _duration_s(window, lambda says: report(f"{key}.window: {says}"))
    if objective is None:
        return None
    return replace(objective, text=title or must, source="policy", window_s=window_s)


def _only(allowed: set[str], table: Mapping[str, object], path: str, report: Report) -> None:
    for key in table:
        if key not in allowed:
            report(f"{path}{key}: no such key; allowed: {', '.join(sorted(allowed))}")


def _objective(text: str, report: Report) -> Objective | None:
    """One objective; every error of it goes to ``report``."""
    match = _FORM.fullmatch(text)
    if match is None:
        report(f"{text!r} is not an objective; allowed: {FORM}")
        return None
    wrong: list[str] = []
    metric = match["metric"]
    if metric not in METRICS:
        report(f"{text!r}: no metric {metric!r}; allowed: {', '.join(METRICS)}")
        return None
    unit = METRICS[metric][0]
    quantile = _quantile(match, metric, wrong.append)
    factor = UNITS[unit].get(match["unit"])
    if factor is None:
        allowed = ", ".join(each or "none" for each in UNITS[unit])
        wrong.append(f"unit {match['unit'] or 'none'} of {metric}; allowed: {allowed}")
    threshold = round(float(match["number"]) * (factor or 1.0), 12)  # 99.9 % is 0.999
    comparison = cast("Comparison", match["comparison"])
    if unit == "ratio":
        _possible_ratio(threshold, comparison, wrong.append)
    for each in wrong:
        report(f"{text!r}: {each}")
    if wrong:
        return None
    return Objective(text.strip(), metric, quantile, comparison, threshold)


def _quantile(match: re.Match[str], metric: str, report: Report) -> float | None:
    if metric in QUANTILED and match["quantile"] is None:
        report(f"{metric} is a distribution; allowed: p(95) {metric}, max {metric}")
    if metric not in QUANTILED and match["quantile"] is not None:
        report(f"{metric} is one number and has no {match['quantile']}")
    if match["quantile"] is None:
        return None
    if match["quantile"] == "max":
        return 1.0
    try:
        percent = float(match["q"])
    except ValueError:
        percent = -1.0
    if not 0 < percent < 100:  # noqa: PLR2004  # percent
        report(f"quantile {match['quantile']}; allowed: above 0 and below 100, or max")
    return round(percent / 100.0, 8)


def _possible_ratio(threshold: float, comparison: str, report: Report) -> None:
    if comparison == "==":
        report("a ratio can't be shown to be equal to anything; allowed: < <= > >=")
    elif not 0.0 < threshold < 1.0:
        report("no number of samples shows 0 % or 100 %; allowed: between them (or count: lost == 0)")


def _duration_s(value: object, report: Report) -> float | None:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or match["unit"] not in UNITS["s"]:
        report(f"{value!r} is not a duration; allowed: a number and one of {', '.join(UNITS['s'])}, such as 24h")
        return None
    return float(match["number"]) * UNITS["s"][match["unit"]]
