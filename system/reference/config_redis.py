"""The table [redis] of the configuration file: with its overrides, and checked where it is to be used."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from .endpoint import from_table
from .errors import SettingsError
from .layers import Layer


def redis_table(table: Mapping[str, Any], overrides: Layer) -> dict[str, Any]:
    """The table with the environment's overrides (`tls.ca` goes into the table within)."""
    result = deepcopy(dict(table))
    for name, placed in overrides.items():
        *inner, last = name.split(".")
        where = result
        for each in inner:
            if not isinstance(where.get(each), dict):
                where[each] = {}
            where = where[each]
        text = str(placed.value)
        where[last] = text.lower() == "true" if text.lower() in {"true", "false"} else text
    return result


def redis_problems(
    table: Mapping[str, Any], overrides: Layer, environ: Mapping[str, str], place_of: Callable[..., str]
) -> list[str]:
    """What is wrong with the table, each with its place."""
    try:
        from_table(table, environ)
    except SettingsError as error:
        return [f"{_place(problem, overrides, place_of)}: {problem}" for problem in error.problems]
    return []


def _place(problem: str, overrides: Layer, place_of: Callable[..., str]) -> str:
    name = problem.partition(" ")[0].removesuffix(":").removeprefix("redis.")
    return overrides[name].place if name in overrides else place_of("redis", *name.split("."))
