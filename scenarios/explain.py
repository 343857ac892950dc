"""The life of one job as a timeline that an engineer can read: what happened to it, and around it.

What is told was seen; what follows from it under a promise is in ``explain_causes``.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from reports.run_record import TimelineRow
from scenarios.checkers import Finding
from scenarios.checkers.gather import OUTCOMES
from scenarios.checkers.lost import LOST, STRANDED
from scenarios.explain_causes import QUEUE, inferred
from scenarios.history_faults import PRODUCER
from scenarios.history_types import FOREVER, Job, Run, s

if TYPE_CHECKING:
    from scenarios.history import History
    from scenarios.history_causes import Causes

KEY_ROWS_MAX: Final = 6
AROUND_NS: Final = 1_000_000_000  # a fault this close to a run may have to do with it
RUNS_SHOWN: Final = 50
_Told = tuple[int, int, str, str, bool]
"""When, how much it matters, who, what, and whether it is what is wrong."""
OF_ITS_OWN: Final = frozenset({"cancel"})  # such a step is told where it was about this job
UNSURE_S: Final = 0.01  # an end is known about as well as that


def explain(
    history: "History", job: str, finding: Finding | None = None, causes: "Causes | None" = None
) -> list[TimelineRow]:
    """Everything about a job in order of time; empty where it was never invoked. The finding's runs are emphasised.

    ``causes``: with the promise and the policy also why each run followed, when retries were due and leases may end.
    """
    return [row for _, row in _weighed(history, job, finding, causes)]


def key_rows(history: "History", job: str, finding: Finding | None = None) -> tuple[TimelineRow, ...]:
    """At most six of them: enqueue, the last runs with what struck their workers, and where the job is now."""
    rows = _weighed(history, job, finding)
    while len(rows) > KEY_ROWS_MAX:
        lightest = min(range(len(rows)), key=lambda index: (rows[index][0], index))
        del rows[lightest]
    return tuple(row for _, row in rows)


def _weighed(
    history: "History", job: str, finding: Finding | None, causes: "Causes | None" = None
) -> list[tuple[int, TimelineRow]]:
    """Rows with how much each matters: 3 must stand, 0 goes first."""
    stories = history.stories([job])
    if not stories:
        return []
    story = stories[0]
    told = [*_enqueue(story), *_runs(story, finding), *_around(history, story), *_end(history, story, finding)]
    told += [*_operators(history, story), *(inferred(history, story, causes) if causes else ())]
    told.sort(key=lambda each: each[0])
    return [
        (weight, TimelineRow(at_s=round(s(t - history.begin), 6), who=who, what=what, emphasis=emphasis))
        for t, weight, who, what, emphasis in told
    ]


def _enqueue(story: Job) -> Iterator[_Told]:
    delay = f", to be run {s(story.delay):g} s later" if story.delay else ""
    yield story.invoked, 1, PRODUCER, f"sends the enqueue ({story.spec.to_json()}{delay})", False
    if story.answered < FOREVER:
        yield (
            story.answered,
            3,
            PRODUCER,
            f"enqueue {'acknowledged' if story.outcome == 'acked' else story.outcome}",
            False,
        )
    else:
        yield story.invoked, 3, PRODUCER, "no answer to the enqueue: its outcome is unknown", False
    if story.delay:
        asked = min(story.answered, FOREVER) if story.answered < FOREVER else story.invoked
        yield asked + story.delay, 1, QUEUE, f"due at the latest, {s(story.delay):g} s after the enqueue", False


def _runs(story: Job, finding: Finding | None) -> Iterator[_Told]:
    accused = set(finding.runs) if finding else set()
    shown = [run for run in story.runs if run.run in accused] or list(story.runs)
    shown = sorted({run.run: run for run in (*shown, *story.runs[-RUNS_SHOWN:])}.values(), key=lambda run: run.start)
    for number, run in enumerate(shown, start=1):
        who, hot = f"{run.worker} pid {run.pid}", run.run in accused and run is not shown[0]
        attempt = f", attempt {run.attempt}" if run.attempt else ""
        fence = f", fence {run.fence}" if run.fence else ""
        weight = 3 if run.run in accused or run is story.runs[-1] else 1
        yield run.start, weight, who, f"run {number} starts ({run.run}{attempt}{fence})", hot
        if run.outcome != "open":
            yield run.end_hi, weight - 1, who, f"run {number} {_ending(run)}{_late(run, shown)}", False


def _late(run: Run, runs: Sequence[Run]) -> str:
    """That it is a zombie by then, if it is."""
    taken = [number for number, other in enumerate(runs, start=1) if run.start < other.start < run.end_lo]
    return f", as a zombie: run {taken[0]} had taken its place" if taken and run.closed else ""


def _ending(run: Run) -> str:
    if run.outcome == "exit":
        unsure_s = s(run.end_hi - run.end_lo)
        return "ends with its process" + (f" (seen alive {unsure_s:.3f} s before)" if unsure_s > UNSURE_S else "")
    return OUTCOMES[run.outcome]


def _around(history: "History", story: Job) -> Iterator[_Told]:
    """Faults, signals and deaths that touch one of its runs, or its enqueue."""
    spans = [(run.worker, run.start - AROUND_NS, min(run.end_hi, FOREVER) + AROUND_NS) for run in story.runs]
    spans.append((PRODUCER, story.invoked, story.answered))

    def near(worker: str, lo: int, hi: int) -> bool:
        return any(worker == name and lo <= until and hi >= since for name, since, until in spans)

    for fault in history.faults:
        if fault.effect not in OF_ITS_OWN and any(
            fault.hits(name) and near(name, fault.inject, fault.healed) for name, _, _ in spans
        ):
            yield fault.inject, 2, "harness", f"{fault.kind} ({', '.join(sorted(fault.workers)) or 'all'})", False
            if fault.healed < FOREVER and fault.effect != "kill":
                yield fault.healed, 1, "harness", f"{fault.kind} healed", False
    for signal in history.signals:
        if (
            signal.name in {"KILL", "TERM"}
            and near(signal.worker, signal.t, signal.t)
            and _of(story, signal.pid, history)
        ):
            yield signal.t, 2, "harness", f"SIG{signal.name} to {signal.worker} pid {signal.pid}", False
    for lives in history.lives.values():
        for life in lives:
            if life.exit_hi < FOREVER and life.killed == FOREVER and near(life.worker, life.exit_lo, life.exit_hi):
                status = "" if life.status is None else f" with status {life.status}"
                yield (
                    life.exit_hi,
                    2,
                    f"{life.worker} pid {life.pid}",
                    f"the worker's first process ends{status}",
                    False,
                )


def _of(story: Job, pid: int, history: "History") -> bool:
    """Whether a pid is one that ran the job, or the supervisor of one."""
    supervisors = {life.pid for lives in history.lives.values() for life in lives}
    return pid in supervisors or any(run.pid == pid for run in story.runs)


def _operators(history: "History", story: Job) -> Iterator[_Told]:
    for step in history.op_rows:
        if step["job"] == story.job:
            outcome = f": {step['outcome']}" if step["outcome"] else ""
            yield step["t"], 2, "operator", f"{step['op']} {step['phase']}{outcome}", False


def _end(history: "History", story: Job, finding: Finding | None) -> Iterator[_Told]:
    if not story.state:
        return
    where = f"in {', '.join(story.found_in)}" if story.found_in else "in no key"
    why = f", because {story.reason}" if story.reason else ""
    quiet_s = s(history.looked_at - max(history.last_run_event, history.begin))
    emphasis = finding is not None and (not finding.runs or finding.anomaly in {LOST, STRANDED})
    says = f"the queue has it as {story.state}{why} ({where}), {quiet_s:.1f} s after the last event of any run"
    yield story.state_at, 3, "harness", says, emphasis


def as_text(rows: Sequence[TimelineRow]) -> str:
    """For a terminal: one line a row, what is wrong marked."""
    width = max((len(row.who) for row in rows), default=0)
    return "\n".join(
        f"{'>' if row.emphasis else ' '} {row.at_s:10.3f} s  {row.who:<{width}}  {row.what}" for row in rows
    )
