"""What a worker does, by the configuration of all queues."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from .config import Config, health_queues
from .endpoint import from_table, to_url
from .errors import SettingsError
from .plan import Plan

HEALTH_TTL_S: Final = 10


def plan_of(config: Config, queues: Sequence[str], *, url: str, worker: str, named: bool, overlay: str = "") -> Plan:
    """The plan of a worker of these queues (none: of all), with a slot for health jobs.

    ``named``: somebody chose its name, so that health jobs for this very worker have a queue; a name that changes with
    every start would leave a key behind each time. Raises ``SettingsError``.
    """
    names = tuple(dict.fromkeys(queues)) or tuple(config.queues)
    config.check_names(names)
    health = health_queues(config.version, worker if named else "")
    layout = config.layout(names, health)
    own = [(name, config.queues[name].settings) for name in names]
    probed = replace(config.worker, max_attempts=1, max_crashes=1, max_stalls=1, result_ttl_s=HEALTH_TTL_S)
    return Plan(
        url=url,
        worker=worker,
        queues=(*names, *health),
        overlay=overlay,
        settings=replace(config.worker, slots=len(layout)),
        queue_settings=(*own, *((name, probed) for name in health)),
        layout=layout,
        version=str(config.version),
    )


def url_of(config: Config, environ: Mapping[str, str] = os.environ) -> str:
    """Where Redis is, by the table [redis] and the environment. Raises ``SettingsError`` naming the file."""
    try:
        return to_url(from_table(config.redis, environ))
    except SettingsError as error:
        raise SettingsError([f"{config.place}: {problem}" for problem in error.problems]) from error
