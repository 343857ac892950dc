"""What a worker and each of its slots are told."""

from dataclasses import dataclass

from .settings import Settings


@dataclass(frozen=True, slots=True)
class Plan:
    """``worker``: its name. ``queues``: claimed in this order. ``overlay``: a folder of scripts, or ''."""

    url: str
    worker: str
    queues: tuple[str, ...]
    overlay: str
    settings: Settings
