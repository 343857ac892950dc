"""What the harness asks a target to be configured as. An adapter maps what its queue can do and declares the rest."""

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """Delay before attempt k + 1: ``base_s`` times 1 (fixed), k (linear) or 2^(k-1) (exponential), at most ``cap_s``.

    Jitter ``none`` keeps it, ``full`` draws from [0, d], ``equal`` from [d/2, d].
    """

    kind: str = "exponential"
    base_s: float = 0.2
    cap_s: float = 2.0
    jitter: str = "full"

    def bounds_s(self, failures: int) -> tuple[float, float]:
        """Smallest and largest lawful delay in seconds after the ``failures``-th failure (from 1)."""
        factor = {"fixed": 1.0, "linear": float(failures), "exponential": 2.0 ** min(failures - 1, 64)}[self.kind]
        most_s = min(self.cap_s, self.base_s * factor)
        return {"none": most_s, "full": 0.0, "equal": most_s / 2}[self.jitter], most_s


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits and times of the queue under test; durations in seconds.

    ``concurrency``: leases that each queue may give at once, over all workers; ``rate_n``: grants of each queue in any
    ``rate_window_s``. None: no limit.
    """

    max_attempts: int = 3
    backoff: BackoffPolicy = field(default_factory=BackoffPolicy)
    timeout_s: float = 1.0
    grace_s: float = 0.5
    lease_s: float = 2.0
    heartbeat_s: float = 0.5
    sweep_interval_s: float = 0.5
    max_crashes: int = 3
    max_stalls: int = 3
    result_ttl_s: float = 60.0
    concurrency: int | None = None
    rate_n: int | None = None
    rate_window_s: float = 60.0

    def to_json(self) -> str:
        """As JSON, for ``Setup``."""
        return json.dumps(asdict(self))

    @classmethod
    def from_dict(cls, data: dict[str, object]) -> "Policy":
        """The inverse of ``asdict``. Raises ``TypeError`` on unknown fields."""
        values = dict(data)
        backoff = values.pop("backoff", {})
        if not isinstance(backoff, dict):
            raise TypeError("backoff must be an object")
        return cls(backoff=BackoffPolicy(**backoff), **values)  # type: ignore[arg-type]
