"""The producer's side of the socket: one JSON object a line, answered in any order by its ``id``.

    {"id": 1, "op": "enqueue", "job": "w-1", "queue": "default", "spec": {...}, "intended_ns": 123, "delay_ns": 0}
      -> {"id": 1, "outcome": "acked", "receipt": "w-1"} | {"id": 1, "outcome": "rejected" | "unknown", "why": "..."}
    {"id": 2, "op": "counts"}                        -> {"id": 2, "counts": {"default": {"waiting": 0, ...}}}
    {"id": 3, "op": "states", "jobs": {"w-1": "receipt or ''"}} -> {"id": 3, "states": [{"job": "w-1", ...}]}
    {"id": 4, "op": "grants"}                        -> {"id": 4, "grants": {"default": [1700000000000000, ...]}}
    {"id": 5, "op": "pause" | "resume", "on": "default"} -> {"id": 5}; {"op": "roll_back", "on": "1"}: to a release
    {"id": 5, "op": "cancel", "on": "w-1"}           -> {"id": 5, "outcome": "cancelled" | "requested" | "refused"}
    {"id": 6, "op": "ping"}                          -> {"id": 6}

Anything that goes wrong inside one request answers ``{"id": n, "error": "..."}``; a line that is no request ends the
connection. Each enqueue has a thread of its own while it lasts, so that one which hangs in an outage delays no other.
"""

import json
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final

from .body import payload_for
from .ledger import Ledger, checksum, from_environment, is_id
from .spec import JobSpec
from .target import Rejected, Target

THREADS_MAX: Final = 256
READERS: Final = 2


def serve(target: Target, path: str) -> None:
    """Serve every connection to the Unix socket ``path``, each in threads of its own, until the process is ended."""
    ledger = from_environment()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_converse, args=(target, ledger, connection), daemon=True).start()


def _converse(target: Target, ledger: Ledger, connection: socket.socket) -> None:
    with connection:
        _Conversation(target, ledger, connection).run()


class _Conversation:
    def __init__(self, target: Target, ledger: Ledger, connection: socket.socket) -> None:
        self.target, self.ledger, self.connection = target, ledger, connection
        self.send_lock = threading.Lock()

    def run(self) -> None:
        with (
            ThreadPoolExecutor(THREADS_MAX, "enqueue") as senders,
            ThreadPoolExecutor(READERS, "read") as readers,
            self.connection.makefile("rb") as lines,
        ):
            for line in lines:
                try:
                    request = json.loads(line)
                    op, number = request["op"], request["id"]
                except (ValueError, KeyError, TypeError):
                    return
                pool = senders if op == "enqueue" else readers
                pool.submit(self._answer, number, _OPERATIONS.get(op, _unheard_of), request)

    def _answer(self, number: int, operation: "_Operation", request: dict[str, Any]) -> None:
        try:
            answer = operation(self, request)
        except Exception as error:  # noqa: BLE001  # whatever the library raises is told, and ends nothing
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        data = json.dumps({"id": number, **answer}).encode() + b"\n"
        with self.send_lock, suppress(OSError):  # whoever asked is gone; the ledger has the answer
            self.connection.sendall(data)

    def enqueue(self, request: dict[str, Any]) -> dict[str, Any]:
        job, queue, spec = request["job"], request["queue"], JobSpec(**request["spec"])
        if not is_id(job) or not is_id(queue):
            raise ValueError(f"job {job!r} and queue {queue!r} must be ids of the ledger")
        delay_ns = int(request.get("delay_ns", 0))
        payload = payload_for(job, spec)
        self.ledger.invoked(job, queue, spec.to_json(), int(request["intended_ns"]), delay_ns, checksum(payload))
        try:
            receipt = self.target.enqueue(job, queue, payload, delay_ns / 1e9)
        except Rejected as error:
            return self._told("rejected", job, str(error))
        except Exception as error:  # noqa: BLE001  # unknown is the default
            return self._told("unknown", job, f"{type(error).__name__}: {error}")
        self.ledger.answered("acked", job, receipt)
        return {"outcome": "acked", "receipt": receipt}

    def _told(self, outcome: str, job: str, why: str) -> dict[str, Any]:
        self.ledger.answered(outcome, job, why)
        return {"outcome": outcome, "why": why[:500]}

    def counts(self, _request: dict[str, Any]) -> dict[str, Any]:
        return {"counts": {queue: asdict(counts) for queue, counts in self.target.counts().items()}}

    def states(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"states": [asdict(state) for state in self.target.states(request["jobs"])]}

    def grants(self, _request: dict[str, Any]) -> dict[str, Any]:
        return {"grants": {queue: list(times) for queue, times in self.target.grants().items()}}

    def pause(self, request: dict[str, Any]) -> dict[str, Any]:
        self.target.pause(request["on"])
        return {}

    def resume(self, request: dict[str, Any]) -> dict[str, Any]:
        self.target.resume(request["on"])
        return {}

    def roll_back(self, request: dict[str, Any]) -> dict[str, Any]:
        self.target.roll_back(int(request["on"]))
        return {}

    def cancel(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"outcome": self.target.cancel(request["on"])}

    def ping(self, _request: dict[str, Any]) -> dict[str, Any]:
        return {}


_Operation = Callable[[_Conversation, dict[str, Any]], dict[str, Any]]
_OPERATIONS: Final[dict[str, _Operation]] = {
    "enqueue": _Conversation.enqueue,
    "counts": _Conversation.counts,
    "states": _Conversation.states,
    "grants": _Conversation.grants,
    "pause": _Conversation.pause,
    "resume": _Conversation.resume,
    "roll_back": _Conversation.roll_back,
    "cancel": _Conversation.cancel,
    "ping": _Conversation.ping,
}


def _unheard_of(_conversation: _Conversation, request: dict[str, Any]) -> dict[str, Any]:
    raise ValueError(f"op {request['op']!r} is not one of {', '.join(_OPERATIONS)}")
