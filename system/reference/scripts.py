"""The Lua transitions: their texts, their hashes, and the commands that call them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .errors import SettingsError
from .keys import PREFIX
from .resp import Argument, Command

HOME: Final = Path(__file__).parent / "lua"
PRELUDE: Final = "prelude"
TRANSITIONS: Final = (
    "enqueue",
    "claim",
    "heartbeat",
    "complete",
    "fail",
    "release",
    "abort",
    "slot_dead",
    "sweep",
    "promote",
    "cancel",
    "pause",
    "resume",
    "requeue",
    "discard",
    "clean",
    "register",
)


@dataclass(frozen=True, slots=True)
class Scripts:
    """``texts`` and ``shas`` by transition."""

    texts: Mapping[str, str]
    shas: Mapping[str, str]

    def call(self, transition: str, *arguments: Argument) -> Command:
        """The EVALSHA command of a transition."""
        return ("EVALSHA", self.shas[transition], 1, PREFIX, *arguments)

    def load_commands(self) -> list[Command]:
        """What makes a server know them all."""
        return [("SCRIPT", "LOAD", text) for text in self.texts.values()]


def load(overlay: Path | None = None) -> Scripts:
    """Read the scripts; a file of ``overlay`` takes the place of ours of that name (the prelude may be replaced too).

    Raises ``SettingsError`` if ``overlay`` is no folder or holds a script that no transition has the name of.
    """
    folder = {path.stem: path for path in overlay.glob("*.lua")} if overlay else {}
    problems = [] if overlay is None or overlay.is_dir() else [f"the script folder {overlay} does not exist"]
    problems += [
        f"{path}: no transition has this name; there are {', '.join((PRELUDE, *TRANSITIONS))}"
        for name, path in sorted(folder.items())
        if name not in (PRELUDE, *TRANSITIONS)
    ]
    if problems:
        raise SettingsError(problems)

    def read(name: str) -> str:
        return folder.get(name, HOME / f"{name}.lua").read_text("utf-8")

    prelude = read(PRELUDE)
    texts = {name: f"{prelude}\n{read(name)}" for name in TRANSITIONS}
    return Scripts(texts, {name: hashlib.sha1(text.encode()).hexdigest() for name, text in texts.items()})  # noqa: S324
