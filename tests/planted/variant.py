"""Makes a variant of the reference by changing one place of one script: a bug is as small as it can be.

The place must be there exactly once, so that a bug can't vanish unseen when the script changes.
"""

import os
from pathlib import Path
from typing import ClassVar

from stormproof_target.ledger import LEDGER_VARIABLE

import system.reference
from system.targets.reference import ReferenceTarget, task

__all__ = ["Variant", "task"]

LUA = Path(system.reference.__file__).parent / "lua"


def planted(script: str, sound: str, buggy: str) -> str:
    """The text of ``script`` with the bug in it. Raises ``ValueError`` if the sound place isn't there exactly once."""
    text = (LUA / f"{script}.lua").read_text("utf-8")
    if text.count(sound) != 1:
        raise ValueError(f"{script}.lua has {text.count(sound)} places {sound!r}; the bug needs exactly one")
    return text.replace(sound, buggy)


class Variant(ReferenceTarget):
    """``script``, and which text of it is replaced by which."""

    script: ClassVar[str]
    sound: ClassVar[str]
    buggy: ClassVar[str]

    @classmethod
    def main(cls) -> None:
        """Write the changed script beside the run's ledgers, where the worker's processes find it too."""
        text = planted(cls.script, cls.sound, cls.buggy)
        ledger = os.environ.get(LEDGER_VARIABLE)
        if ledger:  # `describe` runs without one, and touches no script
            folder = Path(ledger).parent.parent / "lua"
            folder.mkdir(exist_ok=True)
            fresh = folder / f".{os.getpid()}"
            fresh.write_text(text, "utf-8")
            fresh.replace(folder / f"{cls.script}.lua")  # in one step: another process may be reading it
            cls.overlay = folder
        super().main()
