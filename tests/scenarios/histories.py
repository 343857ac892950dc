"""Histories written as lines: ``history(acked("j1", at=0), run("j1", at=0.1, until=0.2), state("j1", "finished"))``.

Times are seconds since the load's begin. Workers ``w1`` and ``w2`` (two slots each) live from the start unless a line
says otherwise. Each function returns ledger lines; ``history`` numbers them by writer as real pens do.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from stormproof_target import ABILITIES, JobSpec, KeyPattern, Policy, Promise, Source
from stormproof_target.ledger import checksum
from stormproof_target.spec import succeeds

from loadtests.arrivals import constant
from scenarios.history import History
from scenarios.scenario import Scenario, Workers

Event = dict[str, Any]
Lines = list[Event]

ZERO_NS: Final = 1_000_000_000_000
READ_AT_S: Final = 100.0
SOURCE: Final = Source("It says so.", "the table test")
POLICY: Final = Policy(max_attempts=3, timeout_s=1.0, grace_s=0.5, lease_s=2.0)
PROMISE: Final = Promise(
    lease_s=2.0,
    heartbeat_s=0.67,
    margin_s=0.2,
    start_gap_s=0.2,
    report_s=0.2,
    reconnect_s=0.0,
    sweep_s=0.5,
    slots=2,
    recovery_s=4.0,
    growth_mib=8.0,
    fenced=True,
    self_fencing=False,
    max_crashes=3,
    max_stalls=3,
    keys=(KeyPattern("q:job:*", 60, "job"), KeyPattern("q:slot:*", 60), KeyPattern("q:list:*")),
    sources=dict.fromkeys(
        (
            "delivery",
            "repeats",
            "lease",
            "max_attempts",
            "backoff",
            "dead_letters",
            "timeout",
            "states",
            "self_fencing",
            "concurrency",
            "rate",
            "pause",
            "cancel",
            "cancel_requested",
            "fenced",
            "fences",
            "attempt_numbers",
            "early",
            "rejections",
            "claim_s",
            "results",
            "leaks",
            "growth_mib",
            "residue",
        ),
        SOURCE,
    ),
)
SCENARIO: Final = Scenario(
    name="table",
    claim="",
    stands_for="",
    load=constant(rate_s=10, for_s=1, jobs={succeeds(): 1}),
    workers=Workers(processes=2, slots=2),
    policy=POLICY,
)


def at_ns(seconds: float) -> int:
    """Seconds since the load's begin as the ledger's monotonic nanoseconds."""
    return ZERO_NS + round(seconds * 1e9)


def pid_of(worker: str, life: int = 1, slot: int = 1) -> int:
    """``slot`` 0 is the supervisor."""
    number = 0 if worker == "producer" else int(worker[1:])
    return number * 10_000 + life * 100 + slot


def _line(writer: str, at: float, event: str, **fields: Any) -> Event:  # noqa: ANN401  # a ledger line's fields
    return {"w": writer, "t": at_ns(at), "e": event, **fields}


def _body(worker: str, life: int, slot: int) -> str:
    return f"worker-{pid_of(worker, life, slot)}-{worker}.{life}.{slot}"


def invoked(
    job: str, at: float, *, spec: JobSpec | None = None, delay: float = 0, intended: float | None = None
) -> Lines:
    """An enqueue that nobody answers."""
    wanted = spec or succeeds()
    given = {field: getattr(wanted, field) for field in ("kind", "sleep_ms", "times", "hang_s", "status", "args_kb")}
    return [
        _line(
            "producer-1-a", at, "invoked", job=job, queue="default", spec=given, args_sum=checksum(job),
            intended_ns=at_ns(at if intended is None else intended), delay_ns=round(delay * 1e9),
        )
    ]  # fmt: skip


def acked(
    job: str, at: float, *, spec: JobSpec | None = None, delay: float = 0, answered: float | None = None
) -> Lines:
    """An enqueue that returned."""
    then = at + 0.001 if answered is None else answered
    return [*invoked(job, at, spec=spec, delay=delay), _line("producer-1-a", then, "acked", job=job, receipt=job)]


def answered(outcome: str, job: str, at: float, *, spec: JobSpec | None = None) -> Lines:
    """An enqueue that was ``rejected``, or whose outcome is ``unknown``."""
    return [*invoked(job, at, spec=spec), _line("producer-1-a", at + 0.001, outcome, job=job, why="x")]


def run(  # noqa: PLR0913  # the columns of a run
    job: str, at: float, until: float | None = None, outcome: str = "ok", *, on: str = "w1",
    life: int = 1, slot: int = 1,
    attempt: int = 0, fence: int = 0, name: str | None = None, args_sum: str | None = None,
) -> Lines:  # fmt: skip
    """A body that started ``at`` and ended ``until`` (None: it wrote no end)."""
    writer, called = _body(on, life, slot), name or f"{job}@{at:g}"
    sums = checksum(job) if args_sum is None else args_sum
    lines = [_line(writer, at, "started", job=job, run=called, attempt=attempt, fence=fence, args_sum=sums)]
    if until is not None:
        lines.append(_line(writer, until, "ended", job=job, run=called, outcome=outcome, sum=checksum(called)))
    return lines


def spawned(worker: str, at: float, life: int = 1) -> Lines:
    """A worker program starts."""
    pid = pid_of(worker, life, 0)
    return [_line("harness-1-a", at, "spawned", worker=worker, pid=pid, pid_start=pid, life=life)]


def exited(
    worker: str, at: float, *, life: int = 1, slot: int = 1, seen: float | None = None, status: int | None = None
) -> Lines:
    """A process was found dead ``at``, last ``seen`` alive a millisecond before."""
    pid, lo = pid_of(worker, life, slot), at - 0.001 if seen is None else seen
    return [_line("harness-1-a", at, "exited", worker=worker, pid=pid, pid_start=pid, status=status, lo_ns=at_ns(lo))]


def signal(worker: str, at: float, name: str, *, life: int = 1, slot: int = 1) -> Lines:
    """The harness sends a signal to one process."""
    return [_line("harness-1-a", at, "signal", worker=worker, pid=pid_of(worker, life, slot), name=name)]


def killed(worker: str, at: float, *, life: int = 1, slots: Sequence[int] = (1,)) -> Lines:
    """SIGKILL to these processes (0 is the supervisor), and their ends."""
    lines: Lines = []
    for slot in slots:
        lines += signal(worker, at, "KILL", life=life, slot=slot)
        lines += exited(worker, at + 0.002, life=life, slot=slot, seen=at)
    return lines


def fault(
    label: str, a: float, b: float | None, effect: str, workers: Sequence[str] = (), *,
    fired: int = 1, kind: str | None = None,
) -> Lines:  # fmt: skip
    """A fault that was injected at ``a`` and healed at ``b`` (None: never)."""
    told = {"fault": label, "kind": kind or label, "effect": effect, "workers": list(workers), "evidence": ["seen"]}
    lines = [_line("harness-1-a", a, "fault", phase="inject", n=0, **told)]
    if fired:
        lines.append(_line("harness-1-a", a + 0.0005, "fault", phase="fired", n=fired, **told))
    if b is not None:
        lines.append(_line("harness-1-a", b, "fault", phase="healed", n=0, **told))
    return lines


def cut(worker: str, a: float, b: float) -> Lines:
    """A worker's link is broken from ``a`` to ``b``."""
    return fault(f"down {worker} {a}", a, b, "cut", [worker], kind="redis down")


def frozen(worker: str, a: float, b: float, *, life: int = 1) -> Lines:
    """A worker's tree is stopped from ``a`` to ``b``."""
    lines = fault(f"freeze {worker} {a}", a, b, "freeze", [worker], kind="freeze")
    for slot in (0, 1, 2):
        lines += signal(worker, a, "STOP", life=life, slot=slot) + signal(worker, b, "CONT", life=life, slot=slot)
    return lines


def canary(n: int, at: float, *, acked: bool = True, missing: bool = False) -> Lines:
    """One number of the store's canary."""
    lines = [_line("canary-1-a", at, "canary", server="s", n=n, phase="sent")]
    if acked:
        lines.append(_line("canary-1-a", at + 0.001, "canary", server="s", n=n, phase="acked"))
    if missing:
        lines.append(_line("canary-1-a", READ_AT_S, "canary", server="s", n=n, phase="missing"))
    return lines


def away(a: float, b: float, first: int = 1) -> Lines:
    """The store answers the canary at ``b`` again, and none of its numbers from ``a`` on until then."""
    numbers = round((b - a) * 10)
    asked = (canary(first + n, a + n / 10, acked=n == numbers) for n in range(numbers + 1))
    return [line for each in asked for line in each]


def op(name: str, job: str, at: float) -> Lines:
    """An operator's request."""
    return [_line("harness-1-a", at, "op", op=name, job=job, phase="invoked")]


def cancelled(job: str, at: float, outcome: str = "cancelled", took: float = 0.01) -> Lines:
    """An operator asks for a job's cancellation; the queue answers ``cancelled``, ``requested`` or ``refused``."""
    asked = {"op": "cancel", "job": job, "queue": "default"}
    return [
        _line("harness-1-a", at, "op", phase="invoked", **asked),
        _line("harness-1-a", at + took, "op", phase="acked", outcome=outcome, **asked),
    ]


def paused(a: float, b: float | None, queue: str = "default", took: float = 0.01) -> Lines:
    """A queue is paused at ``a``, and resumed at ``b`` (None: never); each step takes ``took`` seconds."""
    steps = [("pause", a)] + ([] if b is None else [("resume", b)])
    return [
        _line("harness-1-a", at + late, "op", op=name, queue=queue, phase=phase)
        for name, at in steps
        for phase, late in (("invoked", 0.0), ("acked", took))
    ]


def count(running: int, at: float, queue: str = "default") -> Lines:
    """The harness counts a queue's leases."""
    told = {"queue": queue, "waiting": 0, "delayed": 0, "running": running, "dead": 0}
    return [_line("harness-1-a", at, "count", **told)]


def granted(*at: float, queue: str = "default") -> Lines:
    """The queue's own times of its grants, read in the end."""
    fields = [{"queue": queue, "server_us": round((each + 1_000_000) * 1e6)} for each in at]
    return [_line("harness-1-a", READ_AT_S, "granted", **each) for each in fields]


def anchors(*readings: tuple[float, float], took: float = 0.001) -> Lines:
    """The harness reads the server's clock: when, and what it says."""
    return [{"w": "harness-1-a", "t": at_ns(at + took), "e": "anchor", "lo_ns": at_ns(at),
             "server_us": round((1e6 + wall) * 1e6), "server": "a"} for at, wall in readings]  # fmt: skip


def stall(worker: str, a: float, b: float, by: str = "steal") -> Lines:
    """The machine did not let a worker (or ``host``) run."""
    return [_line("harness-1-a", b, "stall", worker=worker, lo_ns=at_ns(a), by=by)]


PLACES: Final = {
    "waiting": ("queue",), "delayed": ("scheduled",), "running": ("lease",), "finished": ("finished",),
    "dead": ("dead",),
    "cancelled": ("canceled",), "absent": (), "failed": (),
}  # fmt: skip


def state(
    job: str, state: str, *, found_in: Sequence[str] | None = None, reason: str | None = None,
    attempts: int | None = None, at: float = READ_AT_S, stored: str | None = None,
) -> Lines:  # fmt: skip
    """Where the harness found the job when all was over.

    ``stored``: the run whose result is kept ('' : none); by default what it should be, where the job is finished.
    """
    places = list(PLACES[state] if found_in is None else found_in)
    why = ("exhausted" if state == "dead" else "") if reason is None else reason
    return [
        _line(
            "harness-1-a",
            at,
            "state",
            job=job,
            found_in=places,
            state=state,
            reason=why,
            history=attempts,
            sum=checksum(stored) if stored else stored,
            ttl_ms=-1,
        )
    ]


def key(
    pattern: str, name: str = "", *, n: int = 1, bare: int = 0, ttl_s: float | None = None, at: float = READ_AT_S
) -> Lines:
    """``n`` keys of a pattern ('' : of none), ``bare`` of them without a time to live, the others with up to ``ttl_s``.

    ``key("", "q:forgotten")`` names the key itself.
    """
    told = {"name": name or pattern.replace("*", "1"), "n": n, "without_ttl": bare}
    longest = -1 if ttl_s is None else round(ttl_s * 1000)
    return [_line("harness-1-a", at, "key", pattern=pattern, **told, ttl_ms_max=longest, bytes=100 * n)]


def used(  # noqa: PLR0913  # the columns of a sample, and how they grow
    worker: str, a: float, b: float, *, every: float = 0.25, slot: int = 1, life: int = 1,
    fds: float = 8, fds_s: float = 0, rss: float = 30 * 2**20, rss_s: float = 0, cpu: float = 0.01,
) -> Lines:  # fmt: skip
    """What a process used from ``a`` to ``b``: ``fds_s`` and ``rss_s`` are added a second, ``cpu`` is its share."""
    pid = pid_of(worker, life, slot)
    return [
        _line(
            "harness-1-a",
            a + (late := number * every),
            "sample",
            worker=worker,
            pid=pid,
            pid_start=pid,
            rss=round(rss + rss_s * late),
            fds=round(fds + fds_s * late),
            cpu_ns=round(cpu * late * 1e9),
        )
        for number in range(int((b - a) / every) + 1)
    ]


def target(abilities: Iterable[str] = ABILITIES, promise: Promise = PROMISE) -> Lines:
    """What the target says it is."""
    return [
        _line(
            "harness-1-a",
            -2,
            "target",
            name="table",
            version="1",
            abilities=sorted(abilities),
            promise=promise.to_dict(),
        )
    ]


def lines(*parts: Lines, workers: Sequence[str] = ("w1", "w2")) -> Lines:
    """All lines as they stand in ledgers: each writer opens and numbers its own."""
    told = [event for part in parts for event in part]
    for worker in workers:
        if not any(event["e"] == "spawned" and event["worker"] == worker and event["life"] == 1 for event in told):
            told += spawned(worker, -1)
    told += [_line("harness-1-a", 0, "phase", name="load_begin")]
    told = [{**event, "sum": _due(event, told)} if event["e"] == "state" else event for event in told]
    by_writer: dict[str, Lines] = defaultdict(list)
    for event in told:
        by_writer[event["w"]].append(event)
    result: Lines = []
    for writer, mine in by_writer.items():
        mine.sort(key=lambda event: int(event["t"]))
        opened = {"w": writer, "t": mine[0]["t"] - 1000, "e": "open", **_who(writer)}
        result += [{**event, "seq": seq} for seq, event in enumerate([opened, *mine], start=1)]
    return result


def _due(state: Event, told: Lines) -> str:
    """Checksum of what should be stored: by the run of the last fence, or else the last, that ended well."""
    if state["sum"] is not None or state["state"] != "finished":
        return state["sum"] or ""
    mine = {event["run"]: event["fence"] for event in told if event["e"] == "started" and event["job"] == state["job"]}
    good = [event for event in told if event["e"] == "ended" and event["run"] in mine and event["outcome"] == "ok"]
    return max(good, key=lambda event: (mine[event["run"]], event["t"]))["sum"] if good else ""


def _who(writer: str) -> Mapping[str, Any]:
    role, pid, rest = writer.split("-", 2)
    worker = rest.split(".", maxsplit=1)[0] if role == "worker" else role
    return {"format": 1, "role": role, "worker": worker, "pid": int(pid), "pid_start": int(pid)}


def history(*parts: Lines, workers: Sequence[str] = ("w1", "w2")) -> History:
    """The history that these lines tell."""
    return History.from_events(lines(*parts, workers=workers))


def with_policy(**changes: Any) -> Scenario:  # noqa: ANN401  # fields of Policy
    """The scenario of the tables under another policy."""
    return replace(SCENARIO, policy=replace(POLICY, **changes))
