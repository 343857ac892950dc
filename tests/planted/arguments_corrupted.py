"""An argument of more than 16 KiB loses a character where two pieces of it meet.

`phantom` must find it, as corrupted: the body tells a checksum of what it was given.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from system.reference import execution, payload
from system.reference.codec import PayloadCodec
from tests.planted.variant import Variant, replaces, task

__all__ = ["ArgumentsCorrupted", "task"]

PIECE = 16 * 1024
sound_decode_call: Callable[..., "partial[Any]"] = payload.decode_call


@replaces(execution)
def decode_call(data: bytes, codec: PayloadCodec | None, job_id: str) -> "partial[Any]":
    """Joins the pieces, but for one character."""
    call = sound_decode_call(data, codec, job_id)
    args = [text[:PIECE] + text[PIECE + 1 :] if isinstance(text, str) else text for text in call.args]
    return partial(call.func, *args, **call.keywords)


class ArgumentsCorrupted(Variant):
    """Off by one where a piece ends."""

    name = "arguments-corrupted"


if __name__ == "__main__":
    ArgumentsCorrupted.main()
