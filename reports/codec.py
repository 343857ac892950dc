"""Frozen dataclasses to plain JSON data and back, with every error of the data at once, each with its JSON path.

Infinity has no JSON number: it is the string ``"inf"``. NaN is refused both ways.
"""

import math
import sys
import types
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from typing import Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

INFINITY: Final = "inf"
FLOAT_MAX: Final = sys.float_info.max
T = TypeVar("T")
Report = Callable[[str, str], None]
"""Takes the JSON path of an error and what is wrong there."""


def encode(value: object) -> Any:  # noqa: ANN401  # plain JSON data
    """``value`` (a dataclass, or what one may hold) as plain data. Raises ``ValueError`` for NaN."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: encode(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return [encode(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        if value == math.inf:
            return INFINITY
        raise ValueError(f"{value} can't be stored")
    return value


def decode(kind: type[T], data: object, path: str, report: Report) -> T | None:
    """``data`` as a ``kind``. Each error goes to ``report``; where there was any, the result is not to be used."""
    return cast("T | None", _decode(kind, data, path, report))


def _decode(kind: Any, data: object, path: str, report: Report) -> object:  # noqa: ANN401  # a type expression
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        (inner,) = (each for each in get_args(kind) if each is not type(None))
        return None if data is None else _decode(inner, data, path, report)
    if origin is Literal:
        return _one_of(get_args(kind), data, path, report)
    if origin is tuple:
        return _many(get_args(kind)[0], data, path, report)
    if is_dataclass(kind):
        return _record(kind, data, path, report)
    if issubclass(kind, StrEnum):
        found = _one_of(tuple(each.value for each in kind), data, path, report)
        return None if found is None else kind(found)
    return _plain(kind, data, path, report)


def _one_of(allowed: tuple[str, ...], data: object, path: str, report: Report) -> str | None:
    if isinstance(data, str) and data in allowed:
        return data
    report(path, f"{data!r} is not one of {', '.join(map(repr, allowed))}")
    return None


def _many(kind: Any, data: object, path: str, report: Report) -> tuple[object, ...]:  # noqa: ANN401  # a type expression
    if not isinstance(data, list):
        report(path, f"{_name(data)} where a list is needed")
        return ()
    return tuple(_decode(kind, each, f"{path}[{index}]", report) for index, each in enumerate(data))


def _record(kind: Any, data: object, path: str, report: Report) -> object:  # noqa: ANN401  # a dataclass
    if not isinstance(data, dict):
        report(path, f"{_name(data)} where an object ({kind.__name__}) is needed")
        return None
    hints = get_type_hints(kind)
    values: dict[str, object] = {}
    for each in fields(kind):
        if each.name in data:
            values[each.name] = _decode(hints[each.name], data[each.name], f"{path}.{each.name}", report)
        elif each.default is MISSING and each.default_factory is MISSING:
            report(f"{path}.{each.name}", "missing")
            values[each.name] = None
    for key in data:
        if key not in hints:
            report(f"{path}.{key}", f"no such field of {kind.__name__}; it has {', '.join(hints)}")
    return kind(**values)


def _plain(kind: type, data: object, path: str, report: Report) -> object:
    if kind is float:
        if data == INFINITY:
            return math.inf
        if isinstance(data, int | float) and not isinstance(data, bool) and abs(data) < FLOAT_MAX:
            return float(data)
    elif isinstance(data, str) and kind is str:
        if _is_unicode(data):
            return data
        report(path, f"{data!r} holds half a character, which no file can")
        return ""
    elif isinstance(data, kind) and not (kind is int and isinstance(data, bool)):
        return data
    report(path, f"{data!r} is not {_WANTED[kind]}")
    return None


def _is_unicode(text: str) -> bool:
    """JSON can spell lone surrogates; UTF-8 can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_WANTED: Final[dict[type, str]] = {
    float: f"a number or {INFINITY!r}",
    int: "a whole number",
    bool: "true or false",
    str: "a string",
}


def _name(data: object) -> str:
    return {dict: "an object", list: "a list", str: "a string", type(None): "null"}.get(type(data), repr(data))
