"""What a job does, as data: it travels inside the payload, so the job body needs nothing but itself."""

import json
from dataclasses import asdict, dataclass
from typing import Final

KINDS: Final = (
    "succeed",  # after sleep_ms
    "fail",  # raises on the first `times` attempts, then succeeds; times 0: always
    "hang",  # sleeps in Python for hang_s: an exception can end it
    "hang_c",  # sleeps in C and holds the GIL for hang_s: only SIGKILL ends it
    "hold_gil",  # the same for hang_s, after which it ends well: nothing else of its process runs meanwhile
    "ignore_sigterm",  # ignores SIGTERM and swallows every exception for hang_s
    "exit",  # leaves the process with `status` on the first `times` runs it is told of, then succeeds; 0: always
    "segfault",  # dies of SIGSEGV, in the same way
    "kill_worker",  # sends SIGKILL to its worker's first process and to itself, in the same way
)
FATAL: Final = frozenset({"exit", "segfault", "kill_worker"})
ENDS_WELL: Final = frozenset({"succeed", "hold_gil"})
_MOST: Final = {
    "sleep_ms": 3_600_000,
    "times": 1000,
    "hang_s": 3600,
    "status": 255,
    "args_kb": 16_384,
    "result_kb": 16_384,
    "fails_first": 1000,
}


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One kind of job. ``times`` counts attempts from 1; 0 means every attempt.

    ``args_kb`` and ``result_kb``: by how many KiB the payload, and the result, are longer than they need be.
    ``fails_first``: of a kind that ends its process: on so many attempts it only raises, before it does its worst.
    """

    kind: str = "succeed"
    sleep_ms: int = 0
    times: int = 0
    hang_s: float = 0.0
    status: int = 1
    args_kb: int = 0
    result_kb: int = 0
    fails_first: int = 0

    def __post_init__(self) -> None:
        """Raise ``ValueError`` naming every field that is out of its range."""
        wrong = [] if self.kind in KINDS else [f"kind {self.kind!r} is not one of {', '.join(KINDS)}"]
        wrong += [
            f"{name} {getattr(self, name)} is not in 0..{most}"
            for name, most in _MOST.items()
            if not 0 <= getattr(self, name) <= most
        ]
        if self.fails_first and self.kind not in FATAL:
            wrong.append(f"fails_first {self.fails_first} is for {', '.join(sorted(FATAL))} only")
        if wrong:
            raise ValueError("; ".join(wrong))

    def to_json(self) -> str:
        """Compact JSON with the fields that differ from their defaults, and always ``kind``."""
        given = {key: value for key, value in asdict(self).items() if value != _DEFAULTS[key] or key == "kind"}
        return json.dumps(given, separators=(",", ":"))

    def trouble_on(self, attempt: int) -> bool:
        """Whether this attempt (from 1; 0 is taken as 1) is one on which the spec's trouble happens."""
        return self.kind != "succeed" and (self.times == 0 or max(attempt, 1) <= self.times)

    def fails_on(self, attempt: int) -> bool:
        """Whether this attempt (counted as above) is one on which a body raises."""
        return max(attempt, 1) <= self.fails_first or (self.kind == "fail" and self.trouble_on(attempt))

    def can_succeed(self, max_attempts: int) -> bool:
        """Whether the job ends well within its attempts: said of the spec, not of a run."""
        if self.kind in ENDS_WELL:
            return True
        return self.kind == "fail" and 0 < self.times < max_attempts


_DEFAULTS: Final = asdict(JobSpec())


def succeeds(sleep_ms: int = 0, *, args_kb: int = 0, result_kb: int = 0) -> JobSpec:
    """Sleeps and ends well; its arguments and its result may be large."""
    return JobSpec("succeed", sleep_ms=sleep_ms, args_kb=args_kb, result_kb=result_kb)


def holds_gil(for_s: float) -> JobSpec:
    """Works in C with the GIL held for ``for_s`` seconds and ends well: no thread of its process can renew a lease."""
    return JobSpec("hold_gil", hang_s=for_s)


def fails(times: int = 0, sleep_ms: int = 0) -> JobSpec:
    """Raises on its first ``times`` attempts; 0: on every one (it must end as a dead letter)."""
    return JobSpec("fail", sleep_ms=sleep_ms, times=times)


def hangs(for_s: float = 60, *, in_c: bool = False, ignores_sigterm: bool = False) -> JobSpec:
    """Outlives its timeout: in Python, in C with the GIL held, or deaf to SIGTERM and exceptions."""
    return JobSpec("hang_c" if in_c else "ignore_sigterm" if ignores_sigterm else "hang", hang_s=for_s)


def exits(status: int = 1, times: int = 0, *, fails_first: int = 0) -> JobSpec:
    """Ends its own process with ``status`` in the middle of the run; raises instead on its first attempts."""
    return JobSpec("exit", status=status, times=times, fails_first=fails_first)


def segfaults(times: int = 0) -> JobSpec:
    """Dies of SIGSEGV in the middle of the run."""
    return JobSpec("segfault", times=times)


def kills_worker(times: int = 0) -> JobSpec:
    """Takes its whole worker with it in the middle of the run."""
    return JobSpec("kill_worker", times=times)
