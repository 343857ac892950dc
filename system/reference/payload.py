"""A job's call, result and traceback in the formats of RQ 3.0 (``Job.to_dict``, ``Result.serialize``).

Whoever can write to this Redis can run code in its workers: the call is a pickle, as with RQ. Keep Redis private.
"""

import base64
import contextlib
import importlib
import pickle
import traceback
import zlib
from collections.abc import Callable
from functools import cache, partial
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final

TRACE_MAX: Final = 16_000
UNSERIALISABLE_RESULT: Final = "Unserializable return value"  # RQ's words for it


class Undecodable(Exception):  # noqa: N818  # what the job is
    """A record whose call can't be decoded, or whose function can't be found."""


def encode_call(func: Callable[..., Any] | str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    """The ``data`` field. Raises ``ValueError`` where a worker could not find the function, or pickle's own errors."""
    return zlib.compress(pickle.dumps((name_of(func), None, args, kwargs), pickle.HIGHEST_PROTOCOL))


def name_of(func: Callable[..., Any] | str) -> str:
    """The dotted name under which a worker imports ``func``. Raises ``ValueError`` or ``TypeError``."""
    if isinstance(func, str):
        name = func
    elif isinstance(func, FunctionType | BuiltinFunctionType):
        name = f"{func.__module__}.{func.__qualname__}"
    else:
        raise TypeError(f"{func!r} is neither a function nor the dotted name of one")
    if not all(part.isidentifier() for part in name.split(".")) or "." not in name:
        raise ValueError(f"{name!r} is not the dotted name of a function that a worker can import")
    if name.startswith("__main__."):
        raise ValueError(f"{name!r} lives in the program that was started; a worker can't import it from there")
    return name


def decode_call(data: bytes) -> Callable[[], Any]:
    """What to call. Raises ``Undecodable``."""
    try:
        with contextlib.suppress(zlib.error):  # RQ reads uncompressed calls, too
            data = zlib.decompress(data)
        name, instance, args, kwargs = pickle.loads(data)  # noqa: S301  # RQ's format; see the module's warning
        func = getattr(instance, name) if instance is not None else _import(name)
    except Exception as error:
        raise Undecodable(f"{type(error).__name__}: {error}") from error
    return partial(func, *args, **kwargs)


@cache
def _import(name: str) -> Callable[..., Any]:
    parts = name.split(".")
    for split in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:split])
        try:
            found: Any = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
                continue
            raise
        for part in parts[split:]:
            found = getattr(found, part)
        if not callable(found):
            raise TypeError(f"{name} is not callable")
        return found  # type: ignore[no-any-return]
    raise ModuleNotFoundError(f"no module holds {name!r}")


def encode_result(value: object) -> str:
    """The ``return_value`` field of a results entry; '' for None, which RQ stores as an absence."""
    if value is None:
        return ""
    try:
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001  # pickling runs code of the job's own; the body did end well
        data = pickle.dumps(UNSERIALISABLE_RESULT, pickle.HIGHEST_PROTOCOL)
    return base64.b64encode(data).decode()


def encode_trace(error: BaseException | str) -> str:
    """The ``exc_string`` field of a results entry: the traceback's end, where the cause stands."""
    text = error if isinstance(error, str) else "".join(traceback.format_exception(error))
    return base64.b64encode(zlib.compress(text[-TRACE_MAX:].encode("utf-8", "replace"))).decode()


def decode_trace(field: bytes) -> str:
    """The inverse of ``encode_trace``."""
    return zlib.decompress(base64.b64decode(field)).decode("utf-8", "replace")
