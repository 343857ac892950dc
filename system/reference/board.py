"""What a slot is doing, in a page of memory that its supervisor reads even after the slot was killed.

No message per job, and nothing to lose: the supervisor learns from it what to renew, when to kill, whether a dead slot
had a body running, and what is to be told of that run. A checksum tells a record that its writer had no time to finish.
"""

import enum
import mmap
import os
import struct
import zlib
from dataclasses import dataclass
from typing import Final

SIZE: Final = 16384
TOLD_MAX: Final = 8192
_HEAD: Final = struct.Struct("<II")  # checksum and length of what follows
_BODY: Final = struct.Struct("<BQQQQIQHHH")
_STOP: Final = SIZE - 1


class Phase(enum.IntEnum):
    """STARTING: imports. READY: waits to be told to go. IDLE: claims or waits for jobs. RUNNING: the body runs.

    REPORTING: the body has ended, and its outcome is offered until it is answered.
    """

    STARTING = 0
    READY = 1
    IDLE = 2
    RUNNING = 3
    REPORTING = 4


@dataclass(frozen=True, slots=True)
class Record:
    """``seq`` of the claim; times in ns of CLOCK_BOOTTIME.

    ``sent_ns``: when the claim was sent; ``started_ns``: when the body began; ``hard_ns``: when it is to be killed.
    ``attempts_max`` and ``delay_us`` are what a failure of this run would be reported with; ``told``: what people are
    to be told of the run (see ``context``).
    """

    phase: Phase = Phase.STARTING
    seq: int = 0
    sent_ns: int = 0
    started_ns: int = 0
    hard_ns: int = 0
    attempts_max: int = 0
    delay_us: int = 0
    queue: str = ""
    job: str = ""
    told: str = ""


class Board:
    """One page, shared by two processes; the slot writes records, the supervisor the stop flag."""

    def __init__(self, fd: int) -> None:
        self._page = mmap.mmap(fd, SIZE)

    @classmethod
    def create(cls) -> tuple["Board", int]:
        """A new page and its file descriptor, which the caller hands to a slot and closes."""
        fd = os.memfd_create("stormq-board", os.MFD_CLOEXEC)
        os.truncate(fd, SIZE)
        board = cls(fd)
        board.write(Record())
        return board, fd

    def write(self, record: Record) -> None:
        """Replace the record. Queue and job together may have 3,000 bytes, ``told`` ``TOLD_MAX``."""
        queue, job, told = record.queue.encode(), record.job.encode(), record.told.encode()
        numbers = (record.phase, record.seq, record.sent_ns, record.started_ns, record.hard_ns)
        more = (record.attempts_max, record.delay_us, len(queue), len(job), len(told))
        body = b"".join((_BODY.pack(*numbers, *more), queue, job, told))
        self._page[: _HEAD.size + len(body)] = _HEAD.pack(zlib.crc32(body), len(body)) + body

    def read(self) -> Record | None:
        """The record; None if its writer is in the middle of it, or died there."""
        for _ in range(3):
            checksum, length = _HEAD.unpack_from(self._page, 0)
            body = self._page[_HEAD.size : _HEAD.size + min(length, SIZE)]
            if len(body) == length and zlib.crc32(body) == checksum:
                return _record(body)
        return None

    def ask_to_stop(self) -> None:
        """Tell the slot to take no further job."""
        self._page[_STOP] = 1

    @property
    def asked_to_stop(self) -> bool:
        """Whether the slot is to take no further job."""
        return self._page[_STOP] == 1

    def close(self) -> None:
        """Give the page back."""
        self._page.close()


def _record(body: bytes) -> Record:
    phase, seq, sent_ns, started_ns, hard_ns, attempts_max, delay_us, queue, job, _ = _BODY.unpack_from(body, 0)
    text = body[_BODY.size :]
    return Record(
        phase=Phase(phase),
        seq=seq,
        sent_ns=sent_ns,
        started_ns=started_ns,
        hard_ns=hard_ns,
        attempts_max=attempts_max,
        delay_us=delay_us,
        queue=text[:queue].decode(),
        job=text[queue : queue + job].decode(),
        told=text[queue + job :].decode(),
    )
