"""The sentence of the verdict band: who did what to how many jobs, when what broke. Words follow the evidence.

A fault is named as the circumstance only where the finding's own timeline names it, or where it was the only
one.
"""

from collections.abc import Mapping
from typing import Final

from reports.order import leading_part, leading_run, top_finding
from reports.run_record import FaultRun, FindingRecord, ObjectiveResult, Part, RunRecord, ScenarioRun
from reports.verdict import Verdict
from reports.words import bound, count_word, measured, metric_words, plural

# What a finding accuses the target of, by its anomaly, or else by its checker; {n} is a count of jobs with the word.
ACCUSATIONS: Final[Mapping[str, str]] = {
    "phantom": "ran {n} that nobody had enqueued so",
    "duplicates": "ran {n} again without a cause",
    "overlap": "ran {n} twice at the same time",
    "attempts": "gave {n} a wrong number of attempts",
    "backoff": "retried {n} at the wrong time",
    "dead_letters": "mishandled the dead letters of {n}",
    "timeouts": "did not hold the timeout of {n}",
    "states": "ended with a wrong state of {n}",
    "concurrency": "exceeded a queue’s concurrency with {n}",
    "rate": "exceeded a queue’s rate with {n}",
    "control": "started {n} that an operator had stopped",
    "early": "started {n} before their time",
    "late": "let {n} wait beside an idle slot",
    "results": "kept a wrong result of {n}",
    "unknown": "did not acknowledge {n} in calm time",
    "unfenced zombie": "went on with {n} after the lease had ended",
    "fence went back": "granted {n} with a lower fence than before",
    "false attempt number": "told {n} a false attempt number",
    "no jitter": "retried without the jitter of its backoff",
    "one draw a process": "retried without the jitter of its backoff",
    "exceeded grants": "exceeded a queue’s rate",
    "rejected in calm": "rejected {n} in calm time",
    "leaks": "kept memory or descriptors, or computed with nothing to do",
    "residue": "left keys behind in the store",
}
_WHEN: Final[Mapping[str, str]] = {
    "kill tree": "a worker tree was killed",
    "kill supervisor": "a worker’s supervisor was killed",
    "kill slot": "a worker’s slot was killed",
    "freeze": "a worker was frozen",
    "redis down": "Redis could not be reached",
    "redis restart": "Redis was killed and restarted",
    "reset peer": "connections were reset",
    "latency": "links were slow",
}


def headline(record: RunRecord) -> str:
    """``FAIL: RQ 3.0.0 stranded 3 of 612 acknowledged jobs when a worker tree was killed``."""
    if len(record.parts) == 1:
        return f"{record.verdict.upper()}: {outcome(record.parts[0])}"
    if all(part.as_expected for part in record.parts):
        return f"{record.verdict.upper()}, as expected: " + "; ".join(map(_expected, record.parts))
    return f"{record.verdict.upper()}: {_surprise(leading_part(record))}"


def outcome(part: Part) -> str:
    """What the target did, as a sentence without its full stop."""
    run = leading_run(part)
    if part.verdict is Verdict.PASS:
        return f"{part.target.label} {_held(part)}"
    if part.verdict is Verdict.FAIL:
        return f"{part.target.label} {_did(part, run)}"
    if run.verdict is part.verdict:
        reason = run.why[0] if run.why else "nothing was examined"
        return f"{part.target.label} can’t be judged: in “{run.title}”, {reason}"
    objective = next((each for each in part.objectives if each.verdict is part.verdict), None)
    missed = next((row for row in part.sometimes if row.verdict is part.verdict), None)
    never = f"its scenarios never met “{missed.name}”" if missed else "nothing was judged"
    reason = f"{objective.text}: {objective.note}" if objective else never
    return f"{part.target.label} can’t be judged: {reason}"


def _held(part: Part) -> str:
    acknowledged = sum(run.load.acknowledged for run in part.scenarios)
    fired = sum(fault.fired for run in part.scenarios for fault in run.faults)
    faults = f" through {plural(fired, 'fault')}" if fired else ""
    scenarios = len(part.scenarios)
    where = f"{count_word(scenarios)} scenario{'s' if scenarios > 1 else ''}"
    return f"kept every promise{faults} in {where}: none of {acknowledged:,} acknowledged jobs lost"


def _did(part: Part, run: ScenarioRun) -> str:
    finding = top_finding(run)
    if run.verdict is Verdict.FAIL:
        lost_word = run.marks.lost_word if run.marks else "lost"
        for name, verb, rest in (("lost", lost_word, ""), ("unfinished", "left", " unfinished")):
            metric = run.metric(name)
            if metric is not None and metric.value:
                of = f"{metric.value:,.0f} of {run.load.acknowledged:,} acknowledged jobs"
                return f"{verb} {of}{rest}{_circumstance(run, finding)}"
        if finding is not None and finding.kind == "broken promise":
            said = ACCUSATIONS.get(finding.anomaly) or ACCUSATIONS.get(finding.checker)
            said = said or f"broke its promise ({finding.checker}) with {{n}}"
            return said.format(n=plural(finding.times, "job")) + _circumstance(run, finding)
    missed = next((each for each in (*run.objectives, *part.objectives) if each.verdict is Verdict.FAIL), None)
    if missed is not None:
        return _missed(missed) + (f" in “{run.title}”" if missed.source == "scenario" else "")
    return f"failed “{run.title}”" + (f": {run.why[0]}" if run.why else "")


def _missed(objective: ObjectiveResult) -> str:
    got = measured(objective.measured, objective.unit, lower_bound=objective.lower_bound)
    allowed = bound(objective.comparison, objective.threshold, objective.unit)
    return f"missed an objective: {metric_words(objective.metric)} was {got}, to be {allowed}"


def _circumstance(run: ScenarioRun, finding: FindingRecord | None) -> str:
    fired = [fault for fault in run.faults if fault.fired]
    told = " ".join(row.what for row in finding.timeline) if finding else ""
    last = max(fired, key=lambda fault: (_place(fault, told), len(fault.name)), default=None)
    fault = last if last is not None and (_place(last, told) >= 0 or len({each.name for each in fired}) == 1) else None
    if fault is None:
        return f" in “{run.title}”"
    # A name may carry its settings: `latency 40 ± 20 ms`, `freeze tree`.
    phrase = next((says for name, says in _WHEN.items() if fault.name.startswith(name)), f"{fault.name} was injected")
    return f" when {phrase}"


def _place(fault: FaultRun, told: str) -> int:
    """Where it is last told of; -1: nowhere."""
    return max(told.rfind(fault.label), told.rfind(fault.name))


def _expected(part: Part) -> str:
    if part.kind == "planted bug":
        return f"the planted bug was caught by {part.caught_by or 'a checker'}"
    if part.kind == "as found" and part.verdict is not Verdict.PASS:
        return f"{outcome(part)} (as found)"
    fired = sum(fault.fired for run in part.scenarios for fault in run.faults)
    return f"{part.target.label} kept every promise" + (f" through {plural(fired, 'fault')}" if fired else "")


def _surprise(part: Part) -> str:
    if part.kind == "planted bug":
        bug = part.title or part.target.name
        return f"the planted bug ({bug}) was not caught" + (f" by {part.caught_by}" if part.caught_by else "")
    return outcome(part)
