"""A job's call, result and traceback in the formats of RQ 3.0 (``Job.to_dict``, ``Result.serialize``).

Whoever can write to this Redis can run code in its workers: the call is a pickle, as with RQ. Keep Redis private.
With a codec (see ``codec``) arguments, results and tracebacks are sealed: RQ's readers show a token in their place.
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

from .codec import CodecError, PayloadCodec, is_sealed, unseal
from .redaction import redact_text

TRACE_MAX: Final = 16_000
SHORT_MAX: Final = 500
UNSERIALISABLE_RESULT: Final = "Unserializable return value"  # RQ's words for it


class Undecodable(Exception):  # noqa: N818  # what the job is
    """A record whose call can't be decoded, or whose function can't be found."""


def encode_call(
    func: Callable[..., Any] | str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    codec: PayloadCodec | None = None,
    job_id: str = "",
) -> bytes:
    """The ``data`` field; with a codec, arguments are sealed for this job and this function.

    Raises ``ValueError`` where a worker could not find the function, or pickle's own errors.
    """
    name = _name_of(func)
    if codec is not None:
        sealed = zlib.compress(pickle.dumps((args, kwargs), pickle.HIGHEST_PROTOCOL))
        args, kwargs = (codec.seal(sealed, f"call:{job_id}:{name}"),), {}
    return zlib.compress(pickle.dumps((name, None, args, kwargs), pickle.HIGHEST_PROTOCOL))


def _name_of(func: Callable[..., Any] | str) -> str:
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


def decode_call(data: bytes, codec: PayloadCodec | None = None, job_id: str = "") -> "partial[Any]":
    """What to call, with its arguments. Raises ``Undecodable``."""
    try:
        with contextlib.suppress(zlib.error):  # RQ reads uncompressed calls, too
            data = zlib.decompress(data)
        name, instance, args, kwargs = pickle.loads(data)  # noqa: S301  # RQ's format; see the module's warning
        if len(args) == 1 and not kwargs and is_sealed(args[0]):
            opened = zlib.decompress(unseal(codec, args[0], f"call:{job_id}:{name}"))
            args, kwargs = pickle.loads(opened)  # noqa: S301  # it was sealed by us
        func = getattr(instance, name) if instance is not None else _import(name)
    except CodecError as error:
        raise Undecodable(f"its arguments can't be read: {error}") from error
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


def encode_result(value: object, codec: PayloadCodec | None = None, job_id: str = "") -> str:
    """The ``return_value`` field of a results entry; '' for None, which RQ stores as an absence."""
    if value is None:
        return ""
    try:
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001  # pickling runs code of the job's own; the body did end well
        data = pickle.dumps(UNSERIALISABLE_RESULT, pickle.HIGHEST_PROTOCOL)
    if codec is not None:  # a pickle still, whose value RQ's readers show: the token
        data = pickle.dumps(codec.seal(zlib.compress(data), f"result:{job_id}"), pickle.HIGHEST_PROTOCOL)
    return base64.b64encode(data).decode()


def decode_result(field: bytes | str, codec: PayloadCodec | None = None, job_id: str = "") -> Any:  # noqa: ANN401
    """The inverse of ``encode_result``. Raises ``CodecError`` or pickle's own errors."""
    if not field:
        return None
    value = pickle.loads(base64.b64decode(field))  # noqa: S301  # as a call is
    if is_sealed(value):
        value = pickle.loads(zlib.decompress(unseal(codec, value, f"result:{job_id}")))  # noqa: S301
    return value


def encode_trace(error: BaseException | str, codec: PayloadCodec | None = None, job_id: str = "") -> str:
    """The ``exc_string`` field of a results entry: the traceback's end, where the cause stands, without secrets."""
    text = error if isinstance(error, str) else "".join(traceback.format_exception(error))
    # Where it is cut first, a secret's name may be missing: what is kept lies well behind that place.
    text = seal_text(redact_text(text[-4 * TRACE_MAX :])[-TRACE_MAX:], codec, job_id)
    return base64.b64encode(zlib.compress(text.encode("utf-8", "replace"))).decode()


def decode_trace(field: bytes) -> str:
    """The text of an ``exc_string``, or the token that stands in its place (see ``open_text``)."""
    return zlib.decompress(base64.b64decode(field)).decode("utf-8", "replace")


def seal_text(text: str, codec: PayloadCodec | None, job_id: str) -> str:
    """A text that may quote what the job was called with; as it is where there is no codec."""
    return text if codec is None else codec.seal(zlib.compress(text.encode("utf-8", "replace")), f"text:{job_id}")


def seal_short(text: str, codec: PayloadCodec | None, job_id: str) -> str:
    """``seal_text`` of as much as makes a token of ``SHORT_MAX`` characters at most: scripts cut there."""
    for length in (SHORT_MAX, SHORT_MAX // 2, SHORT_MAX // 4):
        sealed = seal_text(text[:length], codec, job_id)
        if len(sealed) <= SHORT_MAX:
            return sealed
    return ""


def open_text(text: str, codec: PayloadCodec | None, job_id: str) -> str:
    """The inverse of ``seal_text``; a sealed one that can't be opened is said to be one."""
    if not is_sealed(text):
        return text
    try:
        return zlib.decompress(unseal(codec, text, f"text:{job_id}")).decode("utf-8", "replace")
    except CodecError as error:
        return f"(sealed: {error})"
