"""``run.json``: everything that a report says, and the only thing that reports read. This module is its documentation.

Every class is one JSON object, every field one key of the same name; a field with a default may be absent.
Times ``*_s`` are seconds, from the begin of the load where they are a point in time (``at_s``, ``inject_s``),
else a duration. Infinity is the string ``"inf"``: a job that never ended has an infinite job time. ``null``
is *not measured*.

    run.json = RunRecord ─ parts: Part ─ scenarios: ScenarioRun ─ faults, situations, checkers, findings,
    metrics, ...
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

from reports.codec import decode, encode
from reports.verdict import Verdict, worst

SCHEMA_VERSION: Final = 1
SERIES_BINS_MAX: Final = 400
TIMELINE_ROWS_MAX: Final = 12

PartKind = Literal["as declared", "planted bug", "as found"]
FindingKind = Literal["broken promise", "slower than objective"]
Comparison = Literal["<", "<=", ">", ">=", "=="]
Unit = Literal["jobs", "s", "ratio"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A library, interpreter or program and its version."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that the campaign used; ``binary`` is the program's name or path, never a path of the machine's user."""

    name: str
    binary: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The machine. ``memory_bytes`` is its physical memory."""

    cpus: int
    kernel: str
    memory_bytes: int
    python: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """``n`` of ``of``: writes of the canary that were lost, planted bugs that were caught."""

    n: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerHealth:
    """Lines read; torn: cut off by a kill; missing: gaps in a writer's numbering (a harness error)."""

    lines: int
    torn: int
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One clause of a promise: its name and value, and the sentence that makes it a promise ('' : nothing promised)."""

    name: str
    value: str
    sentence: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The queue system under test. ``title`` is what people call it (RQ), '' where that is its name (rq)."""

    name: str
    version: str
    interpreter: str
    title: str = ""
    libraries: tuple[Version, ...] = ()

    @property
    def label(self) -> str:
        """``RQ 3.0.0``."""
        return f"{self.title or self.name} {self.version}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What was sent. ``stretch`` >= 1: how much slower than declared; ``left_out`` jobs did not fit even so.

    ``planned`` counts the jobs of the plan as it was run (after ``left_out``), ``sent`` those that a producer
    invoked; each of those is acknowledged, rejected or unknown. ``rate_s`` is in jobs/s as it was run.
    ``notes`` says what else was left out and why.
    """

    planned: int
    sent: int
    acknowledged: int
    rejected: int
    unknown: int
    rate_s: float
    for_s: float
    stretch: float = 1.0
    left_out: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Worker programs, and how many bodies each runs at once."""

    programs: int
    slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRun:
    """A planned fault and what became of it.

    ``trigger`` is the plan in words (``at 2.5 s``, ``when 75 % have started``). ``label`` is unique in its
    scenario (``kill tree``, ``kill tree 2``). ``affected`` counts the clients of the system that were seen to
    be affected, ``evidence`` says which and how; none: the fault did not fire, however its API call ended.
    ``inject_s`` null: it was never injected; ``note`` then says why.
    """

    name: str
    label: str
    trigger: str
    inject_s: float | None
    heal_s: float | None
    affected: int
    evidence: tuple[str, ...] = ()
    note: str = ""

    @property
    def fired(self) -> bool:
        """Whether a client of the system was seen to be affected."""
        return self.affected > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the scenario must have reached to mean anything: ``runs open at kill tree >= 1`` and the measured number."""

    expression: str
    measured: float
    reached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A situation that a suite should meet *sometimes*: how often one scenario met it."""

    name: str
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sometimes:
    """A row of the *sometimes* table: how often a part's scenarios met a situation, and which of them did.

    ``needed``: a suite over the whole catalogue proves nothing without it. ``judged``: the part was such a suite.
    ``not_applicable``: why this target can't meet it ('': it can).
    """

    name: str
    says: str
    times: int
    scenarios: tuple[str, ...] = ()
    needed: bool = False
    judged: bool = False
    not_applicable: str = ""

    @property
    def verdict(self) -> Verdict:
        """Met: pass. Never met: inconclusive where it is needed and the whole catalogue was run, else no effect."""
        if self.times:
            return Verdict.PASS
        if self.not_applicable:
            return Verdict.NOT_APPLICABLE
        return Verdict.INCONCLUSIVE if self.needed and self.judged else Verdict.NOT_JUDGED


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckerRun:
    """What a checker looked at. ``needed``: the scenario's workload needs it, so that nothing examined is inconclusive.

    ``explained``: suspicious at first, but with a cause; ``undecided``: can't be told. ``error``: it crashed
    ('': no).
    """

    name: str
    looks_at: str
    examined: int
    explained: int
    undecided: int
    findings: int
    verdict: Verdict
    needed: bool = True
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """An innocent explanation that was considered, and why it does not hold here."""

    cause: str
    fails: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineRow:
    """A line of a job's life; `words` in back quotes are set as code. ``emphasis`` marks the one that is wrong."""

    at_s: float
    who: str
    what: str
    emphasis: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRecord:
    """One thing that is wrong, with its evidence. ``id`` (F1) is unique in its part.

    A *broken promise* comes from ``checker`` and quotes the ``clause`` it breaks; only it may be called a
    bug. *Slower than objective* has the objective's text in ``checker`` and no clause. ``anomaly`` is its
    class in a word or two (``stranded``); ``says`` is a full sentence. ``times``: how often it was found;
    ``more_like_it``: other jobs, bounded.
    """

    id: str
    kind: FindingKind
    anomaly: str
    checker: str
    says: str
    job: str | None = None
    at_s: float | None = None
    runs: tuple[str, ...] = ()
    clause: Clause | None = None
    causes: tuple[Cause, ...] = ()
    timeline: tuple[TimelineRow, ...] = ()
    more_like_it: tuple[str, ...] = ()
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Remainder:
    """A time metric again, without the samples that overlap a stall of the host that the run did not cause itself."""

    value: float | None
    n: int
    lower_bound: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A number of the history. ``name`` is what objectives say: ``lost``, ``p(95) job_time``, ``availability``.

    ``value`` in ``unit`` (a ratio is 0 to 1, never percent); null: not measured. ``n``: samples behind it.
    ``lower_bound``: the true value is at least this, since the run ended first. ``window_s``: how long one
    must look for it to mean anything.
    """

    name: str
    value: float | None
    unit: Unit
    n: int
    lower_bound: bool = False
    window_s: float | None = None
    details: str = ""
    without_stalls: Remainder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveResult:
    """A metric compared with a threshold. ``text`` is how it was written, or its title in a policy.

    ``n_needed``: samples without which it can't be judged. ``note`` says what a reader must know to believe
    the verdict.
    """

    text: str
    metric: str
    comparison: Comparison
    threshold: float
    unit: Unit
    measured: float | None
    n: int
    verdict: Verdict
    source: Literal["policy", "scenario"]
    n_needed: int = 1
    lower_bound: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Binned history for the plots: bin i is [edges_s[i], edges_s[i + 1]). At most 400 bins.

    ``arrivals`` (intended) and ``completions`` (first successful ends) count jobs in the bin; ``backlog`` is
    the number acknowledged and not ended at the bin's end.
    """

    edges_s: tuple[float, ...]
    arrivals: tuple[int, ...]
    completions: tuple[int, ...]
    backlog: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The slowest recovery: from an episode's last heal to the end of its last late job."""

    from_s: float
    to_s: float
    limit_s: float | None = None
    lower_bound: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What a plot points at.

    ``lost_at_s``: when each lost job was last seen; ``lost_word``: what to call them (``stranded``).
    """

    load_ends_s: float
    lost_at_s: tuple[float, ...] = ()
    lost_word: str = "lost"
    recovery: Recovery | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentile:
    """A quantile of job time (``q`` = 0.95; 1 is the maximum). ``value_s`` null: fewer than ``n_needed`` samples."""

    q: float
    value_s: float | None
    n_needed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Job time from the intended time, over acknowledged jobs that can succeed; those that never ended are infinite."""

    n: int
    percentiles: tuple[Percentile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioRun:
    """One scenario as it was run. ``why``: the reasons of the verdict, the weightiest first (empty when it passed).

    ``replay`` is the one command that runs it again with its seed. ``moments``: what of the *sometimes* table it met.
    ``error``: what of the harness or its environment failed ('': nothing did); such a run was not judged.
    """

    name: str
    title: str
    claim: str
    stands_for: str
    seed: int
    verdict: Verdict
    replay: str
    load: Load
    workers: Workers
    durability: Literal["always", "everysec", "no"]
    runs: int
    retries: int
    why: tuple[str, ...] = ()
    faults: tuple[FaultRun, ...] = ()
    situations: tuple[Situation, ...] = ()
    checkers: tuple[CheckerRun, ...] = ()
    findings: tuple[FindingRecord, ...] = ()
    metrics: tuple[Metric, ...] = ()
    objectives: tuple[ObjectiveResult, ...] = ()
    series: Series | None = None
    marks: Marks | None = None
    job_time: Latency | None = None
    moments: tuple[Moment, ...] = ()
    error: str = ""

    def metric(self, name: str) -> Metric | None:
        """The metric of that name, if it was measured."""
        return next((each for each in self.metrics if each.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A target with its promise and scenarios. ``metrics`` and ``objectives`` are the policy's, over all of them.

    ``expected``: with which verdicts it ends as it should (a planted bug: fail). ``caught_by``: the checker
    that must have found the planted bug ('': no bug was planted). ``title`` says what is planted, or '' .
    ``sometimes``: situations over all its scenarios.
    """

    kind: PartKind
    target: Target
    verdict: Verdict
    expected: tuple[Verdict, ...]
    promise: tuple[Clause, ...]
    scenarios: tuple[ScenarioRun, ...]
    sustainable_rate_s: float | None = None
    title: str = ""
    caught_by: str = ""
    policy: str = ""
    metrics: tuple[Metric, ...] = ()
    objectives: tuple[ObjectiveResult, ...] = ()
    sometimes: tuple[Sometimes, ...] = ()

    @property
    def as_expected(self) -> bool:
        """Whether it ended as it should; a planted bug only counts as caught if the right checker found it."""
        caught = not self.caught_by or any(
            finding.checker == self.caught_by for run in self.scenarios for finding in run.findings
        )
        return self.verdict in self.expected and caught


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """A campaign. ``started`` and ``ended`` are RFC 3339 in UTC; ``command`` is what runs it again.

    ``canary``: writes lost, of those written. ``host_stall_s``: time in which the machine did not let
    processes run. ``planted_bugs``: caught, of those tried, at this version of Stormproof (null: not tried).
    ``note``: shown in the band.
    """

    campaign: str
    seed: int
    started: str
    ended: str
    duration_s: float
    command: str
    stormproof_version: str
    host: Host
    servers: tuple[Server, ...]
    canary: Share
    host_stall_s: float
    parts: tuple[Part, ...]
    planted_bugs: Share | None = None
    ledger: LedgerHealth | None = None
    note: str = ""
    schema_version: int = SCHEMA_VERSION

    @property
    def verdict(self) -> Verdict:
        """One part: its own verdict. Several: pass if each ended as it should, else the worst that did not.

        A planted bug that nobody caught counts as a failure, whatever its own verdict.
        """
        if len(self.parts) == 1:
            return self.parts[0].verdict
        surprises = [part for part in self.parts if not part.as_expected]
        if not surprises:
            return Verdict.PASS
        return worst(Verdict.FAIL if part.verdict is Verdict.PASS else part.verdict for part in surprises)


class RecordError(ValueError):
    """A run.json that can't be read. ``errors`` holds all of them, each with its JSON path."""

    def __init__(self, origin: str, errors: tuple[str, ...]) -> None:
        super().__init__("\n".join(f"{origin}: {error}" for error in errors))
        self.errors = errors


def parse(data: object, origin: str = "run.json") -> RunRecord:
    """The record in ``data``. Raises ``RecordError`` with every error at once; ``origin`` names the file in it."""
    if isinstance(data, Mapping) and data.get("schema_version") != SCHEMA_VERSION:
        raise RecordError(origin, (_foreign(data.get("schema_version")),))
    errors: list[str] = []
    record = decode(RunRecord, data, "$", lambda path, says: errors.append(f"{path}: {says}"))
    if not errors and record is not None:
        errors.extend(_contradictions(record))
    if errors or record is None:
        raise RecordError(origin, tuple(errors))
    return record


def load(path: Path) -> RunRecord:
    """Read a run.json. Raises ``RecordError`` for what is wrong in it, ``OSError`` where it can't be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RecordError(str(path), (f"$: not JSON: {error}",)) from error
    return parse(data, str(path))


def dump(record: RunRecord) -> str:
    """The text of run.json. Raises ``RecordError`` for a record that ``load`` would refuse: none is ever written."""
    data = encode(record)
    parse(data, "record")
    return json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _foreign(version: object) -> str:
    if version is None:
        return "$.schema_version: missing; this is no run.json of Stormproof"
    advice = "update Stormproof" if isinstance(version, int) and version > SCHEMA_VERSION else "run the campaign again"
    return f"$.schema_version: {version!r}, but this Stormproof reads version {SCHEMA_VERSION}; {advice}"


def _contradictions(record: RunRecord) -> Iterator[str]:
    """What types alone can't say."""
    for name in ("started", "ended"):
        if not _is_utc(getattr(record, name)):
            yield f"$.{name}: {getattr(record, name)!r} is not RFC 3339 in UTC, such as 2026-11-24T09:14:02Z"
    if not record.parts:
        yield "$.parts: empty; a campaign has at least one"
    for index, part in enumerate(record.parts):
        path = f"$.parts[{index}]"
        if not part.scenarios:
            yield f"{path}.scenarios: empty; a part has at least one"
        yield from _impossible_ratios(part.metrics, part.objectives, path)
        ids = [finding.id for run in part.scenarios for finding in run.findings]
        yield from (
            f"{path}: finding id {each!r} is used twice" for each in sorted({i for i in ids if ids.count(i) > 1})
        )
        for place, run in enumerate(part.scenarios):
            yield from _contradictions_of_run(run, f"{path}.scenarios[{place}]")


def _contradictions_of_run(run: ScenarioRun, path: str) -> Iterator[str]:
    for index, finding in enumerate(run.findings):
        quoted = finding.clause is not None and finding.clause.sentence and finding.clause.source
        if finding.kind == "broken promise" and not quoted:
            yield f"{path}.findings[{index}].clause: a broken promise needs its clause, quoted with its source"
        if len(finding.timeline) > TIMELINE_ROWS_MAX:
            yield f"{path}.findings[{index}].timeline: more than {TIMELINE_ROWS_MAX} rows"
    yield from _impossible_ratios(run.metrics, run.objectives, path)
    if run.series is not None:
        yield from _contradictions_of_series(run.series, f"{path}.series")


def _impossible_ratios(
    metrics: tuple[Metric, ...], objectives: tuple[ObjectiveResult, ...], path: str
) -> Iterator[str]:
    values = [(f"metrics[{index}].value", each.unit, each.value) for index, each in enumerate(metrics)]
    values += [(f"objectives[{index}].measured", each.unit, each.measured) for index, each in enumerate(objectives)]
    values += [(f"objectives[{index}].threshold", each.unit, each.threshold) for index, each in enumerate(objectives)]
    for where, unit, value in values:
        if unit == "ratio" and value is not None and not 0.0 <= value <= 1.0:
            yield f"{path}.{where}: {value} is no ratio, which lies between 0 and 1"


def _contradictions_of_series(series: Series, path: str) -> Iterator[str]:
    bins = len(series.edges_s) - 1
    if not 1 <= bins <= SERIES_BINS_MAX:
        yield f"{path}.edges_s: {bins} bins; there must be 1 to {SERIES_BINS_MAX}"
    if any(high <= low for low, high in pairwise(series.edges_s)) or math.inf in series.edges_s:
        yield f"{path}.edges_s: edges must grow and be finite"
    for name in ("arrivals", "completions", "backlog"):
        values = getattr(series, name)
        if len(values) != bins:
            yield f"{path}.{name}: {len(values)} values for {bins} bins"
        if any(value < 0 for value in values):
            yield f"{path}.{name}: negative"


def _is_utc(text: str) -> bool:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return False
    return "T" in text and moment.utcoffset() == timedelta(0)
