"""What people are told of a run: which job, whose, where, when, which attempt, with which arguments.

It is noted before the body starts, since whoever is killed can tell nothing afterwards. Secrets are taken out when it
leaves the worker: only a run that did not end well pays for that.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from functools import partial
from itertools import islice
from typing import Any, Final

from .board import TOLD_MAX
from .claimed import Claimed
from .codec import PayloadCodec
from .keys import iso
from .payload import seal_text
from .plan import Plan
from .redaction import redact, redact_text

MESSAGE_MAX: Final = 500
_TEXT_MAX: Final = 200
_ITEMS_MAX: Final = 20
_DEPTH_MAX: Final = 4
_BUDGET: Final = 1200  # characters of all arguments together
_HOST: Final = os.uname().nodename

Told = dict[str, Any]


def begin(job: Claimed, plan: Plan, incarnation: str) -> Told:
    """What is known before the call is decoded."""
    return {
        "job": job.id,
        "name": "",
        "queue": job.queue,
        "attempt": job.attempts + 1,
        "attempts_max": job.attempts_max,
        "user": job.user,
        "worker": plan.worker,
        "host": _HOST,
        "slot": incarnation,
        "environment": plan.settings_of(job.queue).environment,
        "enqueued_at": job.enqueued_at,
        "started_at": iso(),
    }


def add_call(told: Told, call: "partial[Any]", codec: PayloadCodec | None = None) -> None:
    """Add function and arguments, cut to a size that tells people enough; with a codec, for those who have the key.

    Positional arguments get their parameters' names, since a secret is known by its name.
    """
    told["name"] = _name_of(call)
    names = _parameters(call.func)
    try:
        sketch = _Sketch()
        arguments = {name: sketch.of(value) for name, value in zip(names, call.args, strict=False)}
        if rest := call.args[len(names) :]:
            arguments["*"] = sketch.of(rest)
        told["arguments"] = {**arguments, **{name: sketch.of(value) for name, value in call.keywords.items()}}
    except Exception:  # noqa: BLE001  # code of the arguments' own
        told["arguments"] = "can't be shown"
    if codec is not None:
        told["arguments"] = seal_text(json.dumps(redact(told["arguments"])), codec, told["job"])


def _name_of(call: "partial[Any]") -> str:
    """The dotted name of what is called."""
    func = call.func
    name = getattr(func, "__qualname__", type(func).__qualname__)
    return f"{getattr(func, '__module__', None) or type(func).__module__}.{name}"


def _parameters(func: object) -> tuple[str, ...]:
    bound = int(hasattr(func, "__func__"))
    while hasattr(func, "__wrapped__"):
        func = func.__wrapped__
    code = getattr(func, "__code__", None)
    return code.co_varnames[bound : code.co_argcount] if code else ()


def to_board(told: Told) -> str:
    """As JSON, at most ``TOLD_MAX`` bytes: names give way if need be."""
    text = json.dumps(told)
    if len(text) > TOLD_MAX:
        text = json.dumps({**told, "arguments": "too long to be shown"})
    return text if len(text) <= TOLD_MAX else "{}"


def from_board(text: str) -> Told:
    """The inverse; what can't be read is empty."""
    told = json.loads(text or "{}")
    return told if isinstance(told, dict) else {}


def ended_well(told: Told, duration_ms: int) -> str:
    """The context of a run that ended well: its arguments are nobody's concern any more."""
    return json.dumps({k: v for k, v in told.items() if k != "arguments"} | {"duration_ms": duration_ms})


def ended_badly(told: Told, duration_ms: int, message: str) -> str:
    """The context of a run that did not, without secrets."""
    shown = redact(told)
    assert isinstance(shown, dict)  # noqa: S101  # of a dict it makes a dict
    return json.dumps(shown | {"duration_ms": duration_ms, "message": message})


def message_of(error: BaseException | str) -> str:
    """An error's words, cut, without secrets."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  # an error's own code
        text = f"a {type(error).__name__} that can't say what it is"
    text = text.encode("utf-8", "replace").decode()  # half a pair, as in a file's name: Redis' JSON reader takes none
    return redact_text(text[: MESSAGE_MAX * 2])[:MESSAGE_MAX]


def line(told: Told, kind: str, duration_ms: int, message: str) -> str:
    """A failure as the log has it: which job, which attempt of how many, after how long, why."""
    which = f"{told.get('name') or '?'} {told.get('job')} attempt {told.get('attempt')}/{told.get('attempts_max')}"
    return f"{which} after {duration_ms} ms: {kind}: {message}"


class _Sketch:
    """Values as JSON has them, cut: a mapping's first items, a text's first characters, of an object its type."""

    def __init__(self) -> None:
        self._left = _BUDGET

    def of(self, value: object, depth: int = 0) -> object:
        if isinstance(value, str):
            kept = value[: max(0, min(_TEXT_MAX, self._left))].encode("utf-8", "replace").decode()
            self._left -= len(kept)
            return kept if len(kept) == len(value) else f"{kept}..."
        self._left -= 8
        if self._left <= 0:
            return "..."
        if value is None or isinstance(value, bool | int | float):
            return value if not isinstance(value, int) or value.bit_length() < _TEXT_MAX else "..."
        return "..." if depth >= _DEPTH_MAX else self._of_object(value, depth)

    def _of_object(self, value: object, depth: int) -> object:
        if isinstance(value, bytes | bytearray):
            return f"<{len(value)} bytes>"
        if is_dataclass(value) and not isinstance(value, type):
            value = {each.name: getattr(value, each.name, None) for each in fields(value)}
        if isinstance(value, dict):
            return {str(self.of(str(k))): self.of(v, depth + 1) for k, v in _first(value.items())}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.of(each, depth + 1) for each in _first(value)]
        return f"<{type(value).__module__}.{type(value).__qualname__}>"


def _first(values: Iterable[Any]) -> list[Any]:
    return list(islice(values, _ITEMS_MAX))
