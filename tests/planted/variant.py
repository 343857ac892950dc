"""Makes a variant of the reference: a bug is one small change of the queue, in a script or in its Python.

What is replaced must be there, so that a bug can't vanish unseen when the queue changes.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Final, TypeVar

from stormproof_target.ledger import LEDGER_VARIABLE

import system.reference
from system.targets.reference import ReferenceTarget, task

__all__ = ["Place", "Variant", "replaces", "task"]

LUA: Final = Path(system.reference.__file__).parent / "lua"
OF_A_RUN: Final = frozenset({"__main__", "stormproof_adapter"})  # the names that a bug's file has in the queue's own
REPLACED: Final[list[str]] = []
Code = TypeVar("Code", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Place:
    """One place of one script (``prelude`` heads them all), and what stands there instead."""

    script: str
    sound: str
    buggy: str


def planted(*places: Place) -> Mapping[str, str]:
    """The changed scripts' texts. Raises ``ValueError`` if a sound place isn't there exactly once."""
    texts: dict[str, str] = {}
    for place in places:
        text = texts.get(place.script) or (LUA / f"{place.script}.lua").read_text("utf-8")
        if text.count(place.sound) != 1:
            raise ValueError(f"{place.script}.lua has {text.count(place.sound)} places {place.sound!r}; one is needed")
        texts[place.script] = text.replace(place.sound, place.buggy)
    return texts


def replaces(owner: type | ModuleType) -> Callable[[Code], Code]:
    """Put the decorated function in the place of ``owner``'s of the same name, in the queue's own processes only.

    Raises ``AttributeError`` if there is none: also where nothing is replaced, as in the tests.
    """

    def put(buggy: Code) -> Code:
        name = buggy.__name__
        if name not in vars(owner):
            raise AttributeError(f"{owner.__name__} has no {name} that could be replaced")
        if buggy.__module__ in OF_A_RUN:
            for each in _copies(owner):
                setattr(each, name, buggy)
            REPLACED.append(f"{owner.__name__}.{name}")
        return buggy

    return put


def _copies(owner: type | ModuleType) -> list[object]:
    """A module that runs as a program is there twice: as ``__main__``, too."""
    main = sys.modules["__main__"]
    program = main.__spec__.name if main.__spec__ else ""
    if isinstance(owner, ModuleType):
        return [owner, main] if owner.__name__ == program else [owner]
    return [owner, getattr(main, owner.__name__)] if owner.__module__ == program else [owner]


class Variant(ReferenceTarget):
    """``places``: of its scripts. Python is changed by ``replaces``, at the import of the bug's file."""

    places: ClassVar[tuple[Place, ...]] = ()

    @classmethod
    def main(cls) -> None:
        """Write the changed scripts beside the run's ledgers, where the worker's processes find them too."""
        texts = planted(*cls.places)
        ledger = os.environ.get(LEDGER_VARIABLE)
        if ledger and texts:  # `describe` runs without one, and touches no script
            cls.overlay = Path(ledger).parent.parent / "lua"
            cls.overlay.mkdir(exist_ok=True)
            for script, text in texts.items():
                fresh = cls.overlay / f".{script}-{os.getpid()}"
                fresh.write_text(text, "utf-8")
                fresh.replace(cls.overlay / f"{script}.lua")  # in one step: another process may be reading it
        if REPLACED:
            cls.program = "tests.planted.worker"
        super().main()
