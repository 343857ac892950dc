"""Sample campaigns for the tests of the reports. EVERY FIGURE IS INVENTED: no release of any queue was judged."""

from dataclasses import replace
from random import Random

from reports.evaluate import evaluate_all
from reports.objectives import load_policy, parse_objectives
from reports.run_record import (
    Cause,
    CheckerRun,
    Clause,
    FaultRun,
    FindingRecord,
    Host,
    Latency,
    LedgerHealth,
    Load,
    Marks,
    Metric,
    ObjectiveResult,
    Part,
    Percentile,
    Recovery,
    RunRecord,
    ScenarioRun,
    Series,
    Server,
    Share,
    Situation,
    Sometimes,
    Target,
    TimelineRow,
    Version,
    Workers,
)
from reports.verdict import Verdict, worst

CAMPAIGN_S = 198.0
NOTE = "Example figures, all invented"
CHECKERS = {
    "lost": "acknowledged jobs",
    "phantom": "runs",
    "duplicates": "pairs of runs of one job",
    "overlap": "pairs of runs of one job",
    "attempts": "jobs that ran",
    "backoff": "retries",
    "dead_letters": "jobs that must fail",
    "timeouts": "runs past their timeout",
    "states": "jobs at the end",
}
DELIVERY = Clause(
    name="delivery",
    value="at_least_once",
    sentence="Every job that doesn’t execute successfully is stored here, along with its exception information"
    " (type, value, traceback).",
    source="python-rq.org/docs/exceptions: FailedJobRegistry",
)


def campaign() -> RunRecord:
    """Three parts, each ended as it should: the reference, one planted bug, stock RQ as found."""
    return replace(_record((reference_part(), planted_part(), rq_part(kind_found=True))), seed=7)


def single() -> RunRecord:
    """One part, RQ, as the first screen of the design shows it."""
    return _record((rq_part(),))


def passed() -> RunRecord:
    """One part that passes."""
    return _record((reference_part(),))


def _record(parts: tuple[Part, ...]) -> RunRecord:
    return RunRecord(
        campaign="20261124-091402-7",
        seed=7,
        started="2026-11-24T09:14:02Z",
        ended="2026-11-24T09:17:20Z",
        duration_s=CAMPAIGN_S,
        command="stormproof run --target rq --seed 7",
        stormproof_version="0.1.0",
        host=Host(cpus=2, kernel="Linux 6.1", memory_bytes=8 * 2**30, python="3.11.2"),
        servers=(
            Server(name="redis", binary="redis-server", version="7.0.15"),
            Server(name="toxiproxy", binary="toxiproxy-server", version="2.12.0"),
        ),
        canary=Share(n=0, of=1204),
        host_stall_s=0.04,
        parts=parts,
        planted_bugs=Share(n=3, of=3),
        ledger=LedgerHealth(lines=31_446, torn=0, missing=0),
        note=NOTE,
    )


def rq_part(*, kind_found: bool = False) -> Part:
    """Six scenarios: one fails, one is inconclusive."""
    runs = (
        steady(),
        calm_run("redis_disconnects", "Cut and refused connections lose no job.", _disconnects(), p95_s=1.2),
        redis_restart_dud(),
        calm_run("latency", "Slow links delay jobs; they lose and repeat none.", _latencies(), p95_s=0.82),
        workers_killed(),
        poison(),
    )
    return _part(
        Target(
            name="rq",
            version="3.0.0",
            title="RQ",
            interpreter="Python 3.11.2",
            libraries=(Version(name="redis", version="8.1.0"),),
        ),
        runs,
        kind="as found" if kind_found else "as declared",
        expected=(Verdict.PASS, Verdict.FAIL) if kind_found else (Verdict.PASS,),
        sustainable_rate_s=25.0,
    )


MOMENTS = (
    Sometimes(
        name="zombies reported late",
        says="Runs that ended after another run of their job had started.",
        times=0,
        needed=True,
        judged=True,
        not_applicable="the target's lease of 90 s does not end within a scenario",
    ),
    Sometimes(
        name="claims in an outage",
        says="Runs that started in an outage of their worker's link.",
        times=3,
        scenarios=("Redis disconnects", "Latency"),
        needed=True,
        judged=True,
    ),
    Sometimes(name="retries cut off", says="Runs that failed while their worker was cut off.", times=0, judged=True),
)


def reference_part() -> Part:
    """Six scenarios that pass."""
    runs = (
        steady(),
        calm_run("redis_disconnects", "Cut and refused connections lose no job.", _disconnects(), p95_s=1.2),
        calm_run("redis_restart", "What Redis acknowledged survives its SIGKILL.", _restart(6), p95_s=0.9),
        calm_run("latency", "Slow links delay jobs; they lose and repeat none.", _latencies(), p95_s=0.82),
        calm_run("workers_killed", "A killed or frozen worker loses no job.", _many_kills(), p95_s=0.9),
        poison(),
    )
    target = Target(name="reference", version="0.1.0", interpreter="Python 3.11.2")
    return _part(target, runs, kind="as declared", expected=(Verdict.PASS,), sustainable_rate_s=None)


def planted_part() -> Part:
    """A bug that its checker found."""
    run = workers_killed()
    finding = replace(run.findings[0], anomaly="lost", says="job w-0417 was acknowledged and is in no key of the queue")
    run = replace(run, findings=(finding,), verdict=Verdict.FAIL)
    target = Target(name="accept_and_drop", version="0.1.0", interpreter="Python 3.11.2")
    part = _part(target, (run,), kind="planted bug", expected=(Verdict.FAIL,), sustainable_rate_s=None)
    return replace(part, title="accepts a job and drops it", caught_by="lost")


def _part(
    target: Target,
    runs: tuple[ScenarioRun, ...],
    *,
    kind: str,
    expected: tuple[Verdict, ...],
    sustainable_rate_s: float | None,
) -> Part:
    lost = sum(metric.value or 0 for run in runs for metric in run.metrics if metric.name == "lost")
    n = sum(run.load.acknowledged for run in runs)
    slow = next(
        (metric for run in runs for metric in run.metrics if metric.name == "recovery" and metric.lower_bound), None
    )
    metrics = (
        Metric(name="lost", value=lost, unit="jobs", n=n, details=f"{lost:g} stranded, 0 nowhere" if lost else ""),
        Metric(name="success_rate", value=1 - lost / n, unit="ratio", n=n - 12),
        Metric(name="p(95) job_time", value=0.86, unit="s", n=n - 12),
        slow or Metric(name="recovery", value=1.4, unit="s", n=n),
        Metric(name="availability_raw", value=0.9994, unit="ratio", n=n),
        Metric(name="availability", value=1.0, unit="ratio", n=n - 693 if n > 700 else n),
        Metric(name="dead_letter_age", value=None, unit="s", n=12, window_s=86_400.0),
    )
    policy = load_policy()
    objectives = evaluate_all(policy.objectives, metrics, CAMPAIGN_S)
    return Part(
        kind=kind,  # type: ignore[arg-type]  # one of three words
        target=target,
        verdict=worst([*(run.verdict for run in runs), *(each.verdict for each in objectives)]),
        expected=expected,
        sometimes=MOMENTS,
        promise=(DELIVERY, Clause(name="lease_s", value="90")),
        scenarios=runs,
        sustainable_rate_s=sustainable_rate_s,
        policy=policy.name,
        metrics=metrics,
        objectives=objectives,
    )


def workers_killed() -> ScenarioRun:
    """Three jobs stranded by a killed tree."""
    faults = (
        _fault("kill slot", 3.0, 4.1, 1),
        _fault("kill supervisor", 10.0, 11.1, 1),
        _fault("kill tree", 17.0, 18.1, 3),
    )
    metrics = _metrics(lost=3, recovery_s=15.1, p95_s=0.86, lower_bound=True)
    run = _run("workers_killed", "A killed worker loses no job and repeats only what it was running.", faults, metrics)
    return replace(
        run,
        verdict=Verdict.FAIL,
        why=("lost: 3 findings (stranded)", "recovery < 6s: measured > 15.1 s"),
        situations=(
            Situation(expression="runs open at kill tree >= 1", measured=3, reached=True),
            Situation(expression="retries >= 1", measured=7, reached=True),
        ),
        checkers=_checkers(lost=3),
        findings=(stranded(), slow_recovery()),
        series=series(dips=((10.0, 11.6, 18.0), (16.8, 20.3, 18.0)), stay=3, peak=26),
        marks=Marks(
            load_ends_s=24.5,
            lost_at_s=(16.68, 16.84, 16.96),
            lost_word="stranded",
            recovery=Recovery(from_s=18.1, to_s=33.2, limit_s=6.0, lower_bound=True),
        ),
        job_time=_latency(0.19, 0.86, 1.01, float("inf")),
    )


def stranded() -> FindingRecord:
    """The finding of the first screen."""
    return FindingRecord(
        id="F1",
        kind="broken promise",
        anomaly="stranded",
        checker="lost",
        says="job w-0417 was acknowledged and never ran to its end",
        job="w-0417",
        at_s=33.2,
        runs=("r-0431",),
        clause=DELIVERY,
        causes=(
            Cause(
                cause="Still waiting its turn?", fails="The system is at rest: no run event for 8.6 s (rest_s is 5 s)."
            ),
            Cause(cause="No worker was left?", fails="6 of 6 slots lived and ran 173 jobs after the kill."),
            Cause(cause="Redis lost it?", fails="Canary: 0 of 204 writes missing; appendfsync always."),
            Cause(cause="The promise is at most once?", fails="The target declares at least once."),
        ),
        timeline=(
            TimelineRow(at_s=16.68, who="producer-1", what="job w-0417 invoked, on its intended time"),
            TimelineRow(at_s=16.684, who="producer-1", what="acknowledged, receipt 8f2c41d0"),
            TimelineRow(at_s=16.951, who="worker-2, slot 1", what="started: run r-0431, attempt 1 of 3"),
            TimelineRow(
                at_s=17.003,
                who="harness",
                what="SIGKILL to worker-2 and all below it; 3 runs were open (kill tree, fired ×3)",
            ),
            TimelineRow(at_s=18.104, who="harness", what="worker-2 spawned again; 6 of 6 slots ran 173 more jobs"),
            TimelineRow(
                at_s=33.2,
                who="end of the run",
                what="still started in rq:wip:default; at rest for 8.6 s, no process runs it",
                emphasis=True,
            ),
        ),
        more_like_it=("w-0421", "w-0424"),
        times=3,
    )


def slow_recovery() -> FindingRecord:
    """An objective that was missed, no promise."""
    return FindingRecord(
        id="F2",
        kind="slower than objective",
        anomaly="recovery",
        checker="recovery < 6s",
        says="recovery took more than 15.1 s after kill tree, limit 6 s; follows from F1",
        at_s=18.1,
    )


def steady() -> ScenarioRun:
    """No faults."""
    run = calm_run("steady", "Without faults every job runs once, on time.", (), p95_s=0.2)
    return replace(run, situations=(Situation(expression="runs >= 600", measured=612, reached=True),))


def redis_restart_dud() -> ScenarioRun:
    """A fault that did not fire."""
    run = calm_run("redis_restart", "What Redis acknowledged survives its SIGKILL.", _restart(0), p95_s=0.2)
    return replace(
        run,
        verdict=Verdict.INCONCLUSIVE,
        why=("fault did not fire: redis restart", "not reached: jobs in flight at the restart >= 1"),
        situations=(Situation(expression="jobs in flight at the restart >= 1", measured=0, reached=False),),
    )


def poison() -> ScenarioRun:
    """Bad jobs; too few for a p99."""
    run = calm_run(
        "poison_flaky_hanging", "Bad jobs end as failed, with their reason, and hold nobody up.", (), p95_s=0.2, n=147
    )
    return replace(
        run,
        title="Poison, flaky, hanging",
        situations=(
            Situation(expression="retries >= 1", measured=31, reached=True),
            Situation(expression="hard timeouts >= 1", measured=4, reached=True),
        ),
        load=replace(run.load, notes=("jobs that hang in C: not applicable without hard_timeout",)),
        job_time=Latency(
            n=147,
            percentiles=(
                Percentile(q=0.5, value_s=0.15, n_needed=6),
                Percentile(q=0.95, value_s=0.2, n_needed=60),
                Percentile(q=0.99, value_s=None, n_needed=300),
                Percentile(q=1.0, value_s=0.31, n_needed=1),
            ),
        ),
    )


def calm_run(name: str, claim: str, faults: tuple[FaultRun, ...], *, p95_s: float, n: int = 612) -> ScenarioRun:
    """A scenario that passes."""
    dips = tuple((fault.inject_s or 0.0, fault.heal_s or 0.0, 4.0) for fault in faults if fault.fired)
    recovery_s = 1.4 if any(fault.fired for fault in faults) else None
    run = _run(name, claim, faults, _metrics(lost=0, recovery_s=recovery_s, p95_s=p95_s, n=n), n=n)
    last = max((fault.heal_s or 0.0 for fault in faults), default=0.0)
    return replace(
        run,
        series=series(dips=dips, stay=0, peak=19, rate=n / 24.5),
        marks=Marks(
            load_ends_s=24.5, recovery=Recovery(from_s=last, to_s=last + 1.4, limit_s=6.0) if recovery_s else None
        ),
        job_time=_latency(p95_s / 4, p95_s, p95_s * 1.3, p95_s * 1.5),
    )


def _run(name: str, claim: str, faults: tuple[FaultRun, ...], metrics: tuple[Metric, ...], n: int = 612) -> ScenarioRun:
    objectives = _objectives(metrics)
    return ScenarioRun(
        name=name,
        title=name.replace("_", " ").capitalize(),
        claim=claim,
        stands_for="audit §14, invented",
        seed=7,
        verdict=worst(each.verdict for each in objectives),
        replay=f"stormproof run --target rq --scenario {name} --seed 7",
        load=Load(planned=n, sent=n, acknowledged=n, rejected=0, unknown=0, rate_s=25.0, for_s=24.5, stretch=3.1),
        workers=Workers(programs=2, slots=3),
        durability="always",
        runs=n + 9,
        retries=7,
        faults=faults,
        checkers=_checkers(lost=0),
        metrics=metrics,
        objectives=objectives,
    )


def _metrics(
    *, lost: int, recovery_s: float | None, p95_s: float, lower_bound: bool = False, n: int = 612
) -> tuple[Metric, ...]:
    metrics = [
        Metric(name="lost", value=lost, unit="jobs", n=n),
        Metric(name="unfinished", value=0, unit="jobs", n=n),
        Metric(name="p(95) job_time", value=p95_s, unit="s", n=n),
    ]
    if recovery_s is not None:
        details = "3 jobs had not ended when the run did" if lower_bound else ""
        metrics.append(
            Metric(name="recovery", value=recovery_s, unit="s", n=n, lower_bound=lower_bound, details=details)
        )
    return tuple(metrics)


def _objectives(metrics: tuple[Metric, ...]) -> tuple[ObjectiveResult, ...]:
    texts = ["lost == 0", "unfinished == 0", "p(95) job_time < 3s"]
    if any(metric.name == "recovery" for metric in metrics):
        texts.append("recovery < 6s")
    return evaluate_all(parse_objectives(texts, "sample"), metrics, CAMPAIGN_S)


def _checkers(*, lost: int) -> tuple[CheckerRun, ...]:
    return tuple(
        CheckerRun(
            name=name,
            looks_at=looks_at,
            examined={"duplicates": 9, "overlap": 9, "backoff": 7, "dead_letters": 0, "timeouts": 0}.get(name, 612),
            explained=9 if name == "duplicates" else 0,
            undecided=0,
            findings=lost if name == "lost" else 0,
            verdict=Verdict.FAIL
            if name == "lost" and lost
            else Verdict.NOT_APPLICABLE
            if name in {"dead_letters", "timeouts"}
            else Verdict.PASS,
            needed=name not in {"dead_letters", "timeouts"},
        )
        for name, looks_at in CHECKERS.items()
    )


def _fault(name: str, inject_s: float, heal_s: float, affected: int, label: str = "") -> FaultRun:
    evidence = tuple(f"worker-{k + 1}: an open run of its victim" for k in range(affected))
    return FaultRun(
        name=name,
        label=label or name,
        trigger=f"at {inject_s:g} s",
        inject_s=inject_s,
        heal_s=heal_s,
        affected=affected,
        evidence=evidence,
        note="" if affected else "no client was seen to be cut",
    )


def _disconnects() -> tuple[FaultRun, ...]:
    return (
        _fault("reset peer", 5.0, 5.2, 4),
        _fault("reset peer", 10.0, 10.2, 4, "reset peer 2"),
        _fault("redis down", 15.0, 16.5, 6),
    )


def _latencies() -> tuple[FaultRun, ...]:
    return (_fault("latency 40 ± 20 ms", 6.0, 9.0, 6), _fault("latency 80 ± 40 ms", 13.0, 16.0, 6))


def _restart(affected: int) -> tuple[FaultRun, ...]:
    return (_fault("redis restart", 8.0, 9.4, affected),)


def _many_kills() -> tuple[FaultRun, ...]:
    """Close together, so that their labels need rows of their own."""
    return (
        _fault("freeze tree", 0.5, 0.9, 2),
        _fault("kill slot", 1.2, 2.2, 1),
        _fault("kill supervisor", 2.0, 3.0, 1),
        _fault("freeze tree", 3.2, 6.2, 2, "freeze tree 2"),
        _fault("kill tree", 17.0, 18.1, 3),
    )


def series(
    *, dips: tuple[tuple[float, float, float], ...], stay: int, peak: int, rate: float = 25.0, end_s: float = 33.2
) -> Series:
    """Bins of 0.4 s; arrivals until 24.5 s; completions fall in each dip (from, to, jobs/s) and catch up."""
    rng = Random(7)
    bin_s = 0.4
    bins = round(end_s / bin_s)
    arrivals, completions, backlog = [], [], []
    waiting = 4
    for index in range(bins):
        at_s = index * bin_s
        arriving = round(rate * bin_s) if at_s < 24.5 else 0
        slow = next((jobs for low, high, jobs in dips if low <= at_s < high), None)
        able = (
            round(slow * bin_s)
            if slow is not None
            else arriving + rng.choice((-1, 0, 0, 0, 1)) + max(0, waiting - 5) // 3
        )
        able = min(max(0, able), waiting + arriving)
        if at_s > 25:
            able = max(0, waiting - stay)
        waiting = max(stay if at_s > 17 else 0, min(peak, waiting + arriving - able))
        arrivals.append(arriving)
        completions.append(able)
        backlog.append(waiting)
    edges = tuple(round(index * bin_s, 3) for index in range(bins + 1))
    return Series(edges_s=edges, arrivals=tuple(arrivals), completions=tuple(completions), backlog=tuple(backlog))


def _latency(p50_s: float, p95_s: float, p99_s: float, max_s: float) -> Latency:
    values = ((0.5, p50_s, 6), (0.95, p95_s, 60), (0.99, p99_s, 300), (1.0, max_s, 1))
    return Latency(n=612, percentiles=tuple(Percentile(q=q, value_s=value, n_needed=need) for q, value, need in values))
