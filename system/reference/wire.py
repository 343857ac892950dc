"""Settings as JSON, for the pipe between a supervisor and its slots."""

import json
from dataclasses import asdict
from typing import Any

from .backoff import Backoff
from .settings import Settings


def settings_to_json(settings: Settings) -> str:
    """As ``settings_from_json`` reads it."""
    return json.dumps(asdict(settings))


def settings_from_json(text: str) -> Settings:
    """The inverse. Raises ``SettingsError`` or ``TypeError``."""
    data: dict[str, Any] = json.loads(text)
    return Settings(backoff=Backoff(**data.pop("backoff")), preload=tuple(data.pop("preload")), **data)
