"""Names of keys: RQ's own, and ours under RQ's prefix (see ``lua/prelude.lua`` for the same names in scripts)."""

import os
import re
import time
from typing import Final

PREFIX: Final = os.environ.get("RQ_KEY_PREFIX", "rq")  # RQ reads the same variable, at import, too
if not re.fullmatch(r"[A-Za-z0-9_.:{}-]+", PREFIX):
    raise ValueError(f"RQ_KEY_PREFIX is {PREFIX!r}; allowed: letters, digits and _ . : - {{ }}")

ID_PATTERN: Final = re.compile(r"[A-Za-z0-9_.-]{1,200}")  # no colon: RQ's started registry splits its entries there
QUEUE_PATTERN: Final = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
QUEUE_ALLOWED: Final = "allowed are up to 200 of letters, digits and _ . : -"


def job_key(job_id: str) -> str:
    """The job's record."""
    return f"{PREFIX}:job:{job_id}"


def results_key(job_id: str) -> str:
    """Results and tracebacks of a job, a stream that RQ's readers know."""
    return f"{PREFIX}:results:{job_id}"


def rq_key(kind: str, queue: str) -> str:
    """One of RQ's own: ``queue`` (waiting), ``scheduled`` (delayed), ``finished``, ``failed``, ``wip``..."""
    return f"{PREFIX}:{kind}:{queue}"


def sp_key(kind: str, name: str) -> str:
    """One of ours: ``lease``, ``dead``, ``wake``, ``sweep``, ``ctl``, ``breaker`` by queue, ``slot``, ``rate``."""
    return f"{PREFIX}:sp:{kind}:{name}"


def iso(at_s: float | None = None) -> str:
    """Wall-clock time (seconds since the epoch; default now) as RQ's readers parse it."""
    at_s = time.time() if at_s is None else at_s
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at_s))}.{int(at_s % 1 * 1e6):06d}Z"
