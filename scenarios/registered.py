"""Scenarios by name and from a user's own file."""

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from scenarios.catalog import CATALOG
from scenarios.scenario import Scenario


class ScenarioFileError(Exception):
    """A scenario file can't be used; the message lists everything that is wrong with it, a line each (exit code 2)."""


def chosen(names: Sequence[str]) -> list[Scenario]:
    """The named scenarios of the catalogue, all of them if no name is given. Raises ``ScenarioFileError``."""
    unknown = [name for name in names if name not in CATALOG]
    if unknown:
        raise ScenarioFileError(f"no such scenario: {', '.join(unknown)}; there are {', '.join(CATALOG)}")
    return [CATALOG[name] for name in names] if names else list(CATALOG.values())


def load_file(path: Path) -> list[Scenario]:
    """Every ``Scenario`` at the top level of a Python file, in order. Raises ``ScenarioFileError``."""
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ScenarioFileError(f"{path}: {error.strerror}") from None
    module = ModuleType(f"scenarios_of_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses of the file look their module up
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102  # a scenario file is Python, by design
    except Exception as error:  # noqa: BLE001  # whatever the user's file raises is said with its place
        raise ScenarioFileError(f"{path}{_place(error, path)}: {type(error).__name__}: {error}") from None
    found = [value for value in vars(module).values() if isinstance(value, Scenario)]
    if not found:
        raise ScenarioFileError(f"{path}: no Scenario at its top level")
    return found


def _place(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError):
        return f":{error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f":{lines[-1]}" if lines else ""
