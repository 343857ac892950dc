"""Draws worlds: promise, policy, habits, machines, load and blows, all from one seed."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Final

from stormproof_target import KeyPattern, Policy, Promise, Source
from stormproof_target.policy import BackoffPolicy

from tests.lawful.world import FAULTS, SPECS, Blow, Enqueue, Habits, World, us

SOURCE: Final = Source("It says so.", "the model of a lawful queue")
CLAUSES: Final = (
    "delivery", "repeats", "lease", "overlap", "max_attempts", "backoff", "dead_letters", "timeout", "states",
    "self_fencing", "concurrency", "rate", "pause", "cancel", "cancel_requested", "early", "results", "residue",
    "leaks", "fences", "attempt_numbers",
)  # fmt: skip
OF_SOME: Final = ("rejections", "claim_s")
KEYS: Final = (
    KeyPattern("job:*", 600.0, per="job"), KeyPattern("queue"), KeyPattern("scheduled"), KeyPattern("lease"),
    KeyPattern("dead"),
)  # fmt: skip
JITTERS: Final = ("none", "full", "equal")
NEEDED_BLOW: Final = {
    "no stops": "stop", "self fencing": "cut", "once": "kill slot", "zombie": "freeze", "hold": "restart",
}  # fmt: skip
LONG_LIVED: Final = frozenset({"self fencing", "zombie", "renewals", "hold"})  # shows in bodies that outlive a lease
KINDS: Final = ("reference", "reference", "reference", "plain", "plain", "prefetch", "rq", "at most once")


def draw_world(seed: int, wanting: str = "", blows: int | None = None) -> World:
    """The world of a seed. ``wanting``: what it must have, such as ``rate``, so that a rule can be broken in it.

    ``blows``: how many befall it besides those that it must have (None: drawn, none among them).
    """
    rng = Random(seed)
    return draw_load(draw_frame(rng, wanting), rng, wanting, blows)


def draw_frame(rng: Random, wanting: str = "") -> World:
    """Promise, policy, habits and machines; as yet without load."""
    kind = _kind(rng, wanting)
    policy = _policy(rng, kind, wanting)
    promise = _promise(rng, kind, policy, wanting)
    fenced, once = promise.fenced, kind == "at most once"
    habits = Habits(
        forks=kind == "rq" or (rng.random() < 0.1 and promise.prefetch == 1),
        orphans_live=rng.random() < 0.2,
        kills_zombies=rng.random() < 0.3 and wanting != "zombie",
        fences_itself=promise.self_fencing or (rng.random() < 0.1 and wanting != "zombie"),
        kills_cancelled=rng.random() < 0.3,
        claims_again=not once and (fenced or rng.random() < 0.5),
        overwrites=not fenced and rng.random() < 0.5,
        gives_up=rng.random() < 0.15,
        holds=rng.random() < 0.3 or wanting == "hold",
        timer_from_grant=rng.random() < 0.3,
        soft_timeout=rng.random() < 0.7,
        tells_attempts=rng.random() < 0.7,
        one_more=rng.random() < 0.3,
        counts_hidden=rng.random() < 0.7,
        watched=rng.random() < 0.05 or wanting == "idle",
    )
    if habits.holds and not once:
        promise = replace(promise, hold_s=promise.lease_s)
    return World(
        kind, promise, policy, habits, slots=promise.slots,
        workers=3 if wanting in LONG_LIVED else rng.choice((1, 2, 2, 2, 3)),
        jobs=(), blows=(), noise=rng.getrandbits(32),
    )  # fmt: skip


def draw_load(frame: World, rng: Random, wanting: str = "", blows_many: int | None = None) -> World:
    """The same world with jobs, with blows, and with the moment at which the jobs' states are read."""
    span = us(rng.choice((1.0, 2.0, 4.0, 6.0)))
    jobs = sorted(
        (draw_job(rng, span, wanting) for _ in range(rng.choice((1, 2, 3, 4, 6, 8, 12)) + (4 if wanting else 0))),
        key=lambda job: job.at,
    )
    count = rng.choice((0, 1, 1, 2, 2, 3, 4)) if blows_many is None else blows_many
    blows = [draw_blow(rng, span, FAULTS) for _ in range(count)]
    needed = wanting if wanting in FAULTS else NEEDED_BLOW.get(wanting, "")
    if needed:
        blows += [draw_blow(rng, span, (needed,)) for _ in range(1 if wanting == "hold" else 3)]
    if needed == "lose replies":  # too short to end a lease, which would explain what they lead to
        blows += [replace(draw_blow(rng, span, (needed,)), lasts=us(0.3)) for _ in range(6)]
    if wanting in LONG_LIVED:
        jobs = [replace(job, spec="succeed", delay=0, takes=us(rng.choice((0.9, 1.6)))) for job in jobs]
        blows = [replace(blow, lasts=us(3.5)) if blow.kind == needed else blow for blow in blows]
    if wanting in {"claim_s", "cap"}:  # when the time of recovery from each blow is over
        spec = "fail" if wanting == "cap" else "succeed"
        jobs += [Enqueue(span + us(15) + index * us(0.7), spec, takes=us(0.02)) for index in range(8)]
    if wanting == "jitter":
        jobs = [Enqueue(index * us(0.1), "fail", takes=1000) for index in range(70)]
        blows = []
    early = rng.random() < 0.15 and not wanting
    return replace(
        frame, jobs=tuple(jobs), blows=tuple(lawful_blows(blows, frame)),
        reads="early" if early else "patient" if wanting or rng.random() < 0.3 else "rest",
        read_at=rng.randint(us(0.5), span + us(3)) if early else 0,
    )  # fmt: skip


def draw_job(rng: Random, span: int, wanting: str = "") -> Enqueue:
    """One enqueue within ``span``."""
    spec = wanting if wanting in SPECS and rng.random() < 0.6 else rng.choice(SPECS)
    delayed = rng.random() < (0.5 if wanting == "delay" else 0.12)
    delay = us(rng.choice((0.3, 1.0, 2.5))) if delayed else 0
    takes = us(rng.choice((0.001, 0.02, 0.05, 0.1, 0.3, 0.45, 0.9)))
    return Enqueue(rng.randint(0, span), spec, delay, takes)


def draw_blow(rng: Random, span: int, kinds: Sequence[str]) -> Blow:
    """One of these kinds, while the load lasts or a little later."""
    lasts = us(rng.choice((0.05, 0.3, 0.8, 1.5, 3.0, 5.0)))
    return Blow(rng.choice(kinds), rng.randint(us(0.05), span + us(0.5)), lasts, rng.randint(0, 11))


def lawful_blows(blows: Sequence[Blow], frame: World) -> list[Blow]:
    """A store that forgets is left out where the promise has no word for it: who runs at most once can't know then."""
    kept = [blow for blow in blows if not (frame.kind == "at most once" and blow.kind in {"roll back", "requeue"})]
    seen_roll_back = False
    result = []
    for blow in sorted(kept, key=lambda blow: blow.at):
        if blow.kind == "roll back":
            if seen_roll_back:
                continue
            seen_roll_back = True
        result.append(blow)
    return result


def _kind(rng: Random, wanting: str) -> str:
    kind = rng.choice(KINDS)
    if wanting == "once":
        return "at most once"
    if wanting in {"zombie", "renewals", "no stops", "self fencing", "counts", "lose replies", "jitter"}:
        return "reference"
    return "reference" if wanting and kind in {"at most once", "rq"} else kind


def _policy(rng: Random, kind: str, wanting: str) -> Policy:
    backoff = BackoffPolicy(
        "exponential" if wanting == "jitter" else rng.choice(("fixed", "linear", "exponential")),
        base_s=1.0 if wanting == "jitter" else rng.choice((0.2, 0.5, 1.0) if wanting else (0.0, 0.1, 0.2, 0.5, 1.0)),
        cap_s=2.0 if wanting == "jitter" else 1.0 if wanting == "cap" else rng.choice((0.5, 2.0)),
        jitter={"backoff": "equal", "cap": "equal", "jitter": "full"}.get(wanting, rng.choice(JITTERS)),
    )
    free = wanting in {"jitter", "cap"}  # limits delay lawfully
    limited = (
        not free
        and kind != "at most once"
        and (  # without a lease nobody knows how many run
            wanting == "concurrency" or rng.random() < 0.15
        )
    )
    rated = not free and (wanting == "rate" or rng.random() < 0.12)
    return Policy(
        max_attempts=3 if wanting == "jitter" else rng.choice((2, 3) if wanting else (1, 2, 3, 3, 4)),
        backoff=backoff,
        timeout_s=2.0 if wanting in LONG_LIVED else rng.choice((0.5, 1.0, 2.0)),
        grace_s=rng.choice((0.3, 0.5)),
        result_ttl_s=rng.choice((1.0, 60.0, 500.0)) if not wanting else 60.0,
        max_crashes=rng.choice((1, 2, 3)),
        max_stalls=rng.choice((1, 2, 3)),
        concurrency=rng.choice((1, 2)) if limited else None,
        rate_n=rng.choice((1, 2, 3)) if rated else None,
        rate_window_s=rng.choice((1.0, 2.0)) if rated else 60.0,
    )


def _promise(rng: Random, kind: str, policy: Policy, wanting: str) -> Promise:
    lease_s = {"rq": 30.0, "at most once": float("inf")}.get(kind, rng.choice((1.0, 2.0, 2.0, 4.0)))
    gap_s, report_s, sweep_s = rng.choice((0.1, 0.2, 0.4)), rng.choice((0.1, 0.2, 0.4)), rng.choice((0.3, 0.5, 1.0))
    if wanting in LONG_LIVED:
        lease_s = 2.0 if wanting == "hold" else 1.0
    reconnect_s = rng.choice((0.1, 0.5, 1.0))
    finite_s = 0.0 if kind == "at most once" else lease_s
    costs = kind == "rq" or (kind == "plain" and rng.random() < 0.3)
    bounded = not costs and (kind == "reference" or rng.random() < 0.3 or wanting == "counts")
    return Promise(
        delivery="at_most_once" if kind == "at most once" else "at_least_once",
        lease_s=lease_s,
        heartbeat_s=0.0 if kind == "at most once" else lease_s / 3,
        margin_s=0.0 if kind == "at most once" else lease_s / 10,
        start_gap_s=0.1 if wanting == "jitter" else gap_s,
        report_s=report_s,
        reconnect_s=reconnect_s,
        sweep_s=0.3 if wanting == "jitter" else sweep_s,
        claim_s=0.1,
        prefetch=rng.choice((2, 4))
        if (kind == "prefetch" and wanting not in {"cap", "rate"}) or (kind == "at most once" and rng.random() < 0.4)
        else 1,
        slots=1 if kind == "rq" else rng.choice((1, 2, 2, 3)),
        recovery_s=finite_s + sweep_s + gap_s + reconnect_s + 2.0,
        fenced=kind == "reference" or (kind in {"plain", "prefetch"} and rng.random() < 0.5),
        self_fencing=kind == "reference" and wanting != "zombie" and (wanting == "self fencing" or rng.random() < 0.5),
        lost_reply_repeats=kind == "rq" or (kind == "plain" and rng.random() < 0.3),
        stop_is_a_cause=(rng.random() < 0.6 or wanting == "stop") and wanting != "no stops",
        kill_costs_an_attempt=costs,
        max_crashes=policy.max_crashes if bounded else None,
        max_stalls=policy.max_stalls if bounded else None,
        concurrency=policy.concurrency,
        rate_n=policy.rate_n,
        rate_window_s=policy.rate_window_s if policy.rate_n else float("inf"),
        stop_grace_s=rng.choice((1.0, 2.0) if wanting == "stop" else (0.0, 0.5, 1.0, 2.0)),
        keys=KEYS,
        sources=dict.fromkeys(CLAUSES, SOURCE) | _of_some(rng, wanting),
    )


def _of_some(rng: Random, wanting: str) -> dict[str, Source]:
    """Clauses that not every queue promises: what the others may do instead must not be held against them."""
    needed = "claim_s" if wanting in {"jitter", "cap"} else wanting  # only idle slots tell how long a retry waited
    return {clause: SOURCE for clause in OF_SOME if rng.random() < 0.5 or clause == needed}
