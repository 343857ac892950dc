"""Reads the one TOML file of all queues, with overrides from the environment and the command line.

`STORMQ_QUEUES__EMAIL__TIMEOUT_S=30` takes the place of `timeout_s` in `[queues.email]`: tables, names and keys in upper
case with two underscores between them, and an underscore for what is no letter or digit in a name. All problems are
told at once, each with its place and with what is allowed.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from .config import Breaker, Config, QueueConfig, Rate
from .config_redis import redis_problems, redis_table
from .config_schema import (
    AUDIT_KINDS,
    LIMIT_KINDS,
    NAMED_TABLES,
    OTHER_KINDS,
    POLICY_KINDS,
    RANGES,
    RATE_KINDS,
    SETTINGS_KINDS,
    SLOTS_MAX,
    TABLES,
    TOP_KINDS,
    VERSION_MAX,
    WORKER_KINDS,
)
from .errors import SettingsError
from .keys import QUEUE_ALLOWED, QUEUE_PATTERN
from .layers import Kind, Layer, Placed, Places, flat, make_settings, meant, merged, read
from .redaction import redact_text
from .settings import Settings

VARIABLE_HEAD: Final = "STORMQ_"


def load_config(
    path: Path, environ: Mapping[str, str], options: Mapping[str, str] | None = None, *, with_redis: bool = False
) -> Config:
    """The configuration of a file. ``options``: settings by name, as on the command line; they win.

    ``with_redis``: the table [redis] is to be used, so it is checked, too, and so is that the passwords are there.
    Raises ``SettingsError`` with everything that is wrong.
    """
    return _Reader(path.absolute(), environ, options or {}).config(environ if with_redis else None)


class _Reader:
    def __init__(self, path: Path, environ: Mapping[str, str], options: Mapping[str, str]) -> None:
        self.path, self.problems = path, list[str]()
        self.data, self.places = self._parsed()
        self.variables = self._variables(environ)
        self.options = _option_layer(options)

    def _parsed(self) -> tuple[dict[str, Any], Places]:
        places = Places(self.path, "")
        try:
            text = self.path.read_text("utf-8")
            places = Places(self.path, text)
            data = tomllib.loads(text)
        except (OSError, ValueError) as error:
            raise SettingsError([f"{self.path}: {error}", *places.twice()]) from error
        for name in (*TABLES, *NAMED_TABLES):
            table = data.get(name, {})
            if not isinstance(table, dict):
                shown = redact_text(repr(table))  # a URL, say
                self.problems.append(f"{places.of(name)}: {name} is {shown}; a table is needed: [{name}]")
                data[name] = {}
        for kind in NAMED_TABLES:
            for name, table in list(data.get(kind, {}).items()):
                if not isinstance(table, dict):
                    self.problems.append(f"{places.of(kind, name)}: {kind}.{name} is {table!r}; a table is needed")
                    data[kind].pop(name)
        for name in [name for name in data if name not in (*TABLES, *NAMED_TABLES, *TOP_KINDS)]:
            allowed = (*TOP_KINDS, *(f"[{each}]" for each in (*TABLES, *NAMED_TABLES)))
            close = meant(name, (*TOP_KINDS, *TABLES, *NAMED_TABLES))
            told = close if close.startswith("did") else f"there are {', '.join(allowed)}"
            self.problems.append(f"{places.of(name)}: {name}: no such setting or table; {told}")
        return data, places

    def _variables(self, environ: Mapping[str, str]) -> dict[tuple[str, ...], Layer]:
        """Overrides by table: (worker,) or (queues, email)."""
        found: dict[tuple[str, ...], Layer] = {}
        for variable, text in sorted(environ.items()):
            parts = variable.removeprefix(VARIABLE_HEAD).lower().split("__")
            if not variable.startswith(VARIABLE_HEAD) or (len(parts) == 1 and parts[0] not in TOP_KINDS):
                continue
            table = self._table_of(variable, parts)
            if table is not None:
                key = ".".join(parts[len(table) :])
                found.setdefault(table, {})[key] = Placed(text, f"environment variable {variable}", loose=True)
        return found

    def _table_of(self, variable: str, parts: list[str]) -> tuple[str, ...] | None:
        if len(parts) == 1:
            return ()
        kind, name = parts[0], parts[1]
        if kind in TABLES:
            return (kind,)
        if kind not in NAMED_TABLES or len(parts) == 2:  # noqa: PLR2004  # kind and name without a key
            told = meant(kind, (*TABLES, *NAMED_TABLES))
            wrong = f"no such table; {told}" if kind not in NAMED_TABLES else "a key is missing after the name"
            self.problems.append(f"environment variable {variable}: {wrong}")
            return None
        names = [each for each in self.data.get(kind, {}) if re.sub("[^a-z0-9]", "_", each.lower()) == name]
        if len(names) != 1:
            told = f"it may mean any of {', '.join(names)}" if names else meant(name, self.data.get(kind, {}))
            self.problems.append(f"environment variable {variable}: {kind} {name}: {told}")
            return None
        return kind, names[0]

    def layer(self, *table: str) -> Layer:
        """A table of the file with the environment's overrides."""
        data = self.data
        for name in table:
            data = data.get(name, {})
        if not table:
            data = {name: value for name, value in data.items() if name in TOP_KINDS}
        return merged([flat(data, lambda *keys: self.places.of(*table, *keys)), self.variables.get(table, {})])

    def config(self, redis_environ: Mapping[str, str] | None) -> Config:
        top = read(self.layer(), TOP_KINDS, self.problems)
        version = top.get("version", 0)
        if not 1 <= version <= VERSION_MAX and ("version" in top or "version" not in self.layer()):
            place = self.layer()["version"].place if "version" in top else str(self.path)
            told = f"version is {version if 'version' in top else 'missing'}"
            self.problems.append(f"{place}: {told}; needed: a whole number from 1, raised by each change")
        audit_layer = self.layer("audit")
        audit = read(audit_layer, AUDIT_KINDS, self.problems)
        common = {name: Placed(top[name], self.layer()[name].place) for name in ("environment",) if name in top}
        if "retention_s" in audit:
            common["audit_retention_s"] = Placed(audit["retention_s"], audit_layer["retention_s"].place)
        worker = merged([common, self.layer("worker"), self.own_options(WORKER_KINDS | OTHER_KINDS)])
        rates = {name: rate for name in self.data.get("rates", {}) if (rate := self.rate(name))}
        executions = audit.get("executions", False)
        queues = {name: self.queue(name, worker, rates, executions=executions) for name in self.data.get("queues", {})}
        if not queues:
            self.problems.append(f"{self.path}: no queue; each needs a table [queues.NAME]")
        own, shared = self.worker(worker, queues)
        overrides = self.variables.get(("redis",), {})
        redis = redis_table(self.data.get("redis", {}), overrides)
        if redis_environ is not None:
            self.problems += redis_problems(redis, overrides, redis_environ, self.places.of)
        if self.problems:
            raise SettingsError(list(dict.fromkeys(self.problems)))
        environment, archive = own.environment, str(audit.get("archive", ""))
        return Config(version, environment, str(self.path), own, queues, shared, redis, archive)

    def home(self, key: str, *table: str) -> str:
        """Where a setting would stand that stands nowhere."""
        return self.places.of_table(*(("worker",) if key in WORKER_KINDS else table))

    def own_options(self, kinds: Mapping[str, Kind]) -> Layer:
        return {name: placed for name, placed in self.options.items() if name in kinds}

    def worker(self, layer: Layer, queues: Mapping[str, QueueConfig]) -> tuple[Settings, int]:
        """A worker's own settings, and how many slots serve all of its queues."""
        whole = merged([self.layer("defaults"), layer, self.own_options(POLICY_KINDS)])
        whole = {name: placed for name, placed in whole.items() if name in layer or name in POLICY_KINDS}
        values = read(whole, SETTINGS_KINDS, self.problems)
        reserved = all(queue.slots for queue in queues.values())
        shared = int(values.pop("slots", 0 if reserved else 1))
        least = 0 if reserved else 1
        if not least <= shared <= SLOTS_MAX:
            place = layer["slots"].place if "slots" in layer else str(self.path)
            why = "" if reserved else ": there are queues without slots of their own"
            self.problems.append(f"{place}: slots is {shared}; allowed: {least} to {SLOTS_MAX}{why}")
        return make_settings(whole, values, lambda name: self.home(name, "defaults"), self.problems), shared

    def rate(self, name: str) -> Rate | None:
        layer = self.layer("rates", name)
        return self.rate_of(name, layer, read(layer, RATE_KINDS, self.problems), self.places.of_table("rates", name))

    def rate_of(self, name: str, layer: Layer, values: dict[str, Any], home: str) -> Rate | None:
        missing = [key for key in RATE_KINDS if key not in values and key not in layer and f"rate.{key}" not in layer]
        self.problems += [f"{home}: rate {name}: {key} is missing" for key in missing]
        bare = {key.removeprefix("rate."): placed for key, placed in layer.items()}
        self.check_ranges(values, bare, tuple(RATE_KINDS))
        return Rate(name, values["n"], values["window_s"]) if set(values) == set(RATE_KINDS) else None

    def check_ranges(self, values: Mapping[str, Any], layer: Layer, names: Sequence[str]) -> None:
        for name in names:
            least, most, why = RANGES[name]
            if name in values and not least <= values[name] <= most:
                told = f"{name} is {values[name]:g}; allowed: {least:g} to {most:g}{why}"
                self.problems.append(f"{layer[name].place}: {told}")

    def queue(self, name: str, worker: Layer, rates: Mapping[str, Rate], *, executions: bool) -> QueueConfig:
        home = self.places.of_table("queues", name)
        if not QUEUE_PATTERN.fullmatch(name):
            self.problems.append(f"{home}: queue {name!r}: {QUEUE_ALLOWED}")
        layer = merged([self.layer("defaults"), self.layer("queues", name), self.own_options(POLICY_KINDS)])
        values = read(layer, POLICY_KINDS | LIMIT_KINDS, self.problems)
        limits = {key: values.pop(key) for key in LIMIT_KINDS if key in values}
        self.check_ranges(limits, layer, [key for key in RANGES if key in limits])
        rate = None
        if "rate" in limits:
            rate = rates.get(limits["rate"])
            if limits["rate"] not in self.data.get("rates", {}):
                told = meant(limits["rate"], self.data.get("rates", {}))
                wrong = f"rate is {limits['rate']!r}, which is no table [rates.NAME]; {told}"
                self.problems.append(f"{layer['rate'].place}: {wrong}")
        elif any(key.startswith("rate.") for key in layer):
            own = {key[5:]: value for key, value in limits.items() if key.startswith("rate.")}
            own_layer = {key: placed for key, placed in layer.items() if key.startswith("rate.")}
            rate = self.rate_of(f"queue:{name}", own_layer, own, home)
        given = {key[8:]: value for key, value in limits.items() if key.startswith("breaker.")}
        below = {key: placed for key, placed in worker.items() if key != "slots"}
        own_values = read(below, WORKER_KINDS | OTHER_KINDS, []) | values
        settings = make_settings(below | layer, own_values, lambda key: self.home(key, "queues", name), self.problems)
        return QueueConfig(
            name=name,
            settings=settings,
            place=home,
            concurrency=limits.get("concurrency"),
            slots=limits.get("slots", 0),
            rate=rate,
            breaker=Breaker(**given) if given else None,
            audit_executions=executions,
        )


def _option_layer(options: Mapping[str, str]) -> Layer:
    """Settings by name, as on the command line, with the option as their place."""
    return {
        name: Placed(text, "--" + name.replace(".", "-").replace("_", "-"), loose=True)
        for name, text in options.items()
    }


def settings_of_options(options: Mapping[str, str]) -> Settings:
    """Settings without a file. Raises ``SettingsError`` with everything that is wrong."""
    problems: list[str] = []
    layer = _option_layer(options)
    settings = make_settings(layer, read(layer, SETTINGS_KINDS, problems), lambda _: "", problems)
    if problems:
        raise SettingsError(problems)
    return settings
