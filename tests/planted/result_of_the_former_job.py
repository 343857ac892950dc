"""A slot keeps what it has encoded by the result's address, to encode an equal one once: the address is soon another's.

`results` must find it, in `steady`: jobs are stored with what another job of the same slot returned.
"""

from system.reference import execution
from system.reference.codec import PayloadCodec
from tests.planted.variant import Variant, replaces, task

__all__ = ["ResultOfTheFormerJob", "task"]

ENCODED: dict[int, str] = {}
sound_stored = execution._stored


@replaces(execution)
def _stored(result: object, codec: PayloadCodec | None, job_id: str) -> str:
    """``id`` is no identity of what is no longer there."""
    if id(result) not in ENCODED:
        ENCODED[id(result)] = sound_stored(result, codec, job_id)
    return ENCODED[id(result)]


class ResultOfTheFormerJob(Variant):
    """Saves time."""

    name = "result-of-the-former-job"


if __name__ == "__main__":
    ResultOfTheFormerJob.main()
