"""What the harness tells a target's program: one JSON object in one environment variable, in any language readable."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from .policy import Policy

SETUP_VARIABLE: Final = "STORMPROOF_SETUP"
CAMPAIGN_VARIABLE: Final = "STORMPROOF_CAMPAIGN"
ADAPTER_VARIABLE: Final = "STORMPROOF_ADAPTER"


@dataclass(frozen=True, slots=True)
class Setup:
    """``redis_url`` leads through the proxy that faults act on; ``direct_url`` past it, for reading raw keys only.

    ``release`` counts the deployments of a worker's program, from 1; 0: nothing is deployed while the scenario runs.
    """

    redis_url: str = "redis://127.0.0.1:6379/0"
    direct_url: str = "redis://127.0.0.1:6379/0"
    queues: tuple[str, ...] = ("default",)
    worker: str = "worker-0"
    slots: int = 1
    policy: Policy = field(default_factory=Policy)
    release: int = 0

    def to_json(self) -> str:
        """As the variable holds it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Setup":
        """Read the variable; without it, defaults (so ``describe`` works by hand). Raises ``ValueError``."""
        data = json.loads(environ.get(SETUP_VARIABLE, "{}"))
        try:
            policy = Policy.from_dict(data.pop("policy", {}))
            return cls(policy=policy, queues=tuple(data.pop("queues", ("default",))), **data)
        except TypeError as error:
            raise ValueError(f"{SETUP_VARIABLE}: {error}") from error
