"""A plan as JSON, for the pipe between a supervisor and its slots: an argument would show a URL's password."""

import json
from dataclasses import asdict
from typing import Any

from .backoff import Backoff
from .plan import Plan
from .settings import Settings


def plan_to_json(incarnation: str, plan: Plan) -> str:
    """One line, as ``plan_from_json`` reads it."""
    return json.dumps({"incarnation": incarnation, **asdict(plan)})


def plan_from_json(text: str) -> tuple[str, Plan]:
    """The inverse: incarnation and plan. Raises ``SettingsError``, ``TypeError`` or ``ValueError``."""
    data: dict[str, Any] = json.loads(text)
    values = data.pop("settings")
    settings = Settings(backoff=Backoff(**values.pop("backoff")), preload=tuple(values.pop("preload")), **values)
    return data.pop("incarnation"), Plan(settings=settings, queues=tuple(data.pop("queues")), **data)
