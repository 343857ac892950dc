"""What a worker and each of its slots are told."""

from dataclasses import dataclass, field

from .settings import Settings


@dataclass(frozen=True, slots=True)
class Plan:
    """``queues``: all that it serves, in the order of claims. ``worker``: its name. ``overlay``: a script folder or ''.

    ``settings`` are the worker's own, and those of each queue that ``queue_settings`` does not name.
    ``layout``: for each slot the queues that it serves, so that one queue's hung jobs can't take the slots of others;
    empty: ``settings.slots`` slots serve all queues.
    ``version``: of the configuration, as it was registered; '' for none: then claims are not checked against it.
    """

    url: str = field(repr=False)  # it may hold a password
    worker: str
    queues: tuple[str, ...]
    overlay: str
    settings: Settings
    queue_settings: tuple[tuple[str, Settings], ...] = ()
    layout: tuple[tuple[str, ...], ...] = ()
    version: str = ""

    @property
    def seats(self) -> tuple[tuple[str, ...], ...]:
        """For each slot that runs, the queues that it serves, in the order of its claims."""
        return self.layout or (self.queues,) * self.settings.slots

    def settings_of(self, queue: str) -> Settings:
        """Attempts, backoff, timeouts, bounds and times to live of a queue's jobs."""
        for name, settings in self.queue_settings:
            if name == queue:
                return settings
        return self.settings
