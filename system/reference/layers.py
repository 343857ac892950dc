"""Settings in layers (file, environment, command line). Each value remembers where it stands, for errors to say."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from .backoff import Backoff
from .errors import SettingsError
from .settings import Settings

Kind = Literal["whole number", "number", "text", "true or false", "list of texts"]

_PART: Final = r"""(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)"""
_NAME: Final = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER: Final = re.compile(rf"\s*\[\s*({_NAME})\s*\]\s*(?:#.*)?")
_KEY: Final = re.compile(rf"\s*({_NAME})\s*=")


@dataclass(frozen=True, slots=True)
class Placed:
    """A value and where it stands. ``loose``: it came as text, so text that reads as a number is one."""

    value: object
    place: str
    loose: bool = False


Layer = dict[str, Placed]  # by name; those of a table within as `backoff.kind`


class Places:
    """On which line of a TOML file a key stands; tomllib does not say. Good for messages, not for parsing."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines: dict[tuple[str, ...], list[int]] = {}
        table: tuple[str, ...] = ()
        for number, line in enumerate(text.splitlines(), start=1):
            if header := _HEADER.fullmatch(line):
                table = _parts(header[1])
                self._lines.setdefault(table, []).append(number)
            elif key := _KEY.match(line):
                self._lines.setdefault((*table, *_parts(key[1])), []).append(number)

    def of(self, *keys: str) -> str:
        """``file:line [table]`` of a key, or of the nearest table that holds it."""
        return self._at(keys, keys[:-1])

    def of_table(self, *keys: str) -> str:
        """``file:line [table]`` of a table."""
        return self._at(keys, keys)

    def _at(self, keys: tuple[str, ...], table: tuple[str, ...]) -> str:
        shown = f" [{'.'.join(table)}]" if table else ""
        for length in range(len(keys), 0, -1):
            if lines := self._lines.get(keys[:length]):
                return f"{self._path}:{lines[0]}{shown}"
        return f"{self._path}{shown}"

    def twice(self) -> list[str]:
        """What stands in the file more than once, with every place."""
        return [
            f"{self._path}: {'.'.join(keys)} is given more than once: lines {', '.join(map(str, lines))}"
            for keys, lines in self._lines.items()
            if len(lines) > 1
        ]


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_PART, name))


def flat(table: Mapping[str, object], place_of: Callable[..., str], *inner: str) -> Layer:
    """A table's values by name, those of tables within as `backoff.kind`."""
    layer: Layer = {}
    for name, value in table.items():
        if isinstance(value, dict):
            layer |= flat(value, place_of, *inner, name)
        else:
            layer[".".join((*inner, name))] = Placed(value, place_of(*inner, name))
    return layer


def merged(layers: Iterable[Layer]) -> Layer:
    """The later wins, value by value; a name in place of a table (or the other way) takes the whole of its place."""
    result: Layer = {}
    for layer in layers:
        for name in layer:
            head = name.partition(".")[0]
            result = {
                each: placed
                for each, placed in result.items()
                if each == name or each.partition(".")[0] != head or ("." in each and "." in name)
            }
        result |= layer
    return result


def meant(word: str, allowed: Iterable[str]) -> str:
    """What may stand instead, for the end of a message."""
    allowed = list(allowed)
    close = difflib.get_close_matches(word, allowed, 1, 0.6)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(allowed) or 'none'}"


def read(layer: Layer, kinds: Mapping[str, Kind], problems: list[str]) -> dict[str, Any]:
    """The values, each of its kind; unknown names and wrong kinds go to ``problems``."""
    values: dict[str, Any] = {}
    for name, placed in layer.items():
        if name not in kinds:
            problems.append(f"{placed.place}: {name}: no such setting; {meant(name, kinds)}")
            continue
        try:
            values[name] = _typed(kinds[name], placed)
        except (TypeError, ValueError):
            problems.append(f"{placed.place}: {name} is {placed.value!r}; a {kinds[name]} is needed")
    return values


def _typed(kind: Kind, placed: Placed) -> object:
    value = placed.value
    if placed.loose and isinstance(value, str):
        return _from_text(kind, value)
    if kind == "list of texts":
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise TypeError
        return tuple(value)
    if isinstance(value, bool) is not (kind == "true or false"):
        raise TypeError
    if kind == "number" and isinstance(value, int | float):
        return float(value)
    if not isinstance(value, {"whole number": int, "text": str}.get(kind, bool)):
        raise TypeError
    return value


def _from_text(kind: Kind, text: str) -> object:
    if kind == "true or false":
        if text.lower() not in {"true", "false"}:
            raise ValueError
        return text.lower() == "true"
    if kind == "list of texts":
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return {"whole number": int, "number": float, "text": str}[kind](text)


def make_settings(layer: Layer, values: Mapping[str, Any], home: Callable[[str], str], problems: list[str]) -> Settings:
    """Settings of ``values``; what can't be goes to ``problems`` with its place in ``layer`` (else ``home`` of it)."""

    def told(error: SettingsError) -> None:
        for problem in error.problems:
            name = problem.partition(" ")[0]
            place = layer[name].place if name in layer else home(name)
            problems.append(f"{place}: {problem}" if place else problem)

    backoff = Backoff()
    try:
        backoff = Backoff(**{name[8:]: value for name, value in values.items() if name.startswith("backoff.")})
    except SettingsError as error:
        told(error)
    try:
        return Settings(backoff=backoff, **{name: value for name, value in values.items() if "." not in name})
    except SettingsError as error:
        told(error)
    return Settings()
