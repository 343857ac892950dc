"""Makes dead letters without a worker: each dies by the transitions that a worker would have called, in real time."""

import itertools
import json

from system.reference import load
from system.reference.keys import iso
from system.reference.payload import encode_call, encode_trace
from system.reference.resp import Argument
from tests.system.reference.server import Client

SCRIPTS = load()
_slots = itertools.count(1)


def call(redis: Client, transition: str, *arguments: Argument) -> list[bytes | str]:
    command = SCRIPTS.call(transition, *arguments)
    redis.script_load(SCRIPTS.texts[transition])
    reply = redis.execute_command(*command)
    assert isinstance(reply, list)
    return reply


def store(
    redis: Client, job: str, *, queue: str = "q", func: str = "operator.add", args: tuple[object, ...] = ()
) -> None:
    seconds, _ = redis.time()
    fields: tuple[Argument, ...] = ("data", encode_call(func, args, {}), "user", "ann")
    call(redis, "enqueue", queue, job, (seconds + 60) * 1_000_000, 0, iso(), *fields)


def claim(redis: Client, queue: str = "q") -> str:
    """The next job's exec."""
    reply = call(redis, "claim", f"slot{next(_slots)}", 1, 60_000_000, "worker-1", "", iso(), queue)
    exec_ = reply[3]
    return exec_.decode() if isinstance(exec_, bytes) else exec_


def fail(
    redis: Client, job: str, exec_: str, *, queue: str = "q", kind: str = "error", error_type: str = "ValueError"
) -> None:
    """Its last attempt."""
    context = json.dumps({"attempt": 1, "attempts_max": 1, "message": "as asked"})
    trace = encode_trace(f"Traceback...\n{error_type}: as asked")
    call(redis, "fail", queue, job, exec_, kind, 1, 0, iso(), "worker-1", trace, error_type, context)


def bury(
    redis: Client,
    *jobs: str,
    queue: str = "q",
    kind: str = "error",
    error_type: str = "ValueError",
    func: str = "operator.add",
    args: tuple[object, ...] = (),
) -> None:
    """Jobs that are dead after one failure."""
    for job in jobs:
        store(redis, job, queue=queue, func=func, args=args)
        fail(redis, job, claim(redis, queue), queue=queue, kind=kind, error_type=error_type)


def age(redis: Client, job: str, by_s: float, queue: str = "q") -> None:
    """Has it dead for longer."""
    redis.zincrby(f"rq:sp:dead:{queue}", -by_s, job)
