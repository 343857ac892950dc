"""The connection settings of the configuration file's table ``[redis]``.

    [redis]
    url = "rediss://stormq-worker@redis.internal:6380/0"       # or host, port, db, path, and username:
    password_file = "/run/secrets/redis"                       # or password_env = "REDIS_PASSWORD"; never the password
    tls = { ca = "/etc/ssl/redis-ca.pem", cert = "...", key = "...", verify = true }
    sentinel = { hosts = ["s1:26379", "s2:26379", "s3:26379"], primary = "mymaster", password_env = "SENTINEL" }
    wait_replicas = 1
    outage = "block"

and every number of ``Endpoint`` by its name. STORMQ_REDIS_URL and STORMQ_REDIS__PASSWORD of the environment may hold
what a file must not.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Final

from .address import RANGES, Endpoint, Login, Sentinels, Tls
from .endpoint_url import LOGIN_NAMES, SENTINEL_PORT, make, parse, split_host, to_url, unknown_names
from .errors import SettingsError
from .keys import PREFIX
from .redaction import redact_text

__all__ = ["PASSWORD_VARIABLE", "URL_VARIABLE", "Endpoint", "from_table", "parse", "to_url"]

URL_VARIABLE: Final = "STORMQ_REDIS_URL"
PASSWORD_VARIABLE: Final = "STORMQ_REDIS__PASSWORD"  # noqa: S105  # a variable's name
TYPES: Final = {each.name: each.type for each in fields(Endpoint) if each.name in RANGES}
NAMES: Final = (*TYPES, "url", "host", "path", "outage", "prefix", "tls", "sentinel", *LOGIN_NAMES)


def from_table(table: Mapping[str, Any], environ: Mapping[str, str]) -> Endpoint:
    """The endpoint that table and environment describe. Raises ``SettingsError`` naming every problem and its key."""
    problems = unknown_names("redis.", table, NAMES)
    base = _base(table, environ, problems)
    values: dict[str, Any] = {name: table[name] for name in ("host", "path", "outage") if name in table}
    for name in TYPES:
        if name in table:
            _number(name, table[name], values, problems)
    for name in ("host", "path", "outage"):
        if not isinstance(values.get(name, ""), str):
            problems.append(f"redis.{name} is {values.pop(name)!r}; text is needed")
    values["login"] = _login("redis.", table, environ, base.login, problems)
    if "tls" in table:
        values["tls"] = _tls(table["tls"], problems)
    if "sentinel" in table:
        values["sentinels"] = _sentinels(table["sentinel"], environ, problems)
    if table.get("prefix", PREFIX) != PREFIX:
        problems.append(
            f"redis.prefix is {table['prefix']!r} but RQ_KEY_PREFIX is {PREFIX!r}; allowed: the same, since RQ's own"
            " tools read that variable"
        )
    known = {each.name: getattr(base, each.name) for each in fields(Endpoint)}
    return make(known | values, problems)


def _base(table: Mapping[str, Any], environ: Mapping[str, str], problems: list[str]) -> Endpoint:
    url = environ.get(URL_VARIABLE) or table.get("url")
    if url is None:
        return Endpoint()
    try:
        endpoint = parse(str(url))
    except SettingsError as error:
        problems.extend(f"redis.url: {problem}" for problem in error.problems)
        return Endpoint()
    if URL_VARIABLE not in environ and endpoint.login.password:
        problems.append(
            f"redis.url holds a password; allowed: none in a file: put it into password_file, password_env or the"
            f" environment's {URL_VARIABLE}"
        )
        return replace(endpoint, login=Login())
    return endpoint


def _number(name: str, value: object, values: dict[str, Any], problems: list[str]) -> None:
    wanted = int if TYPES[name] is int else float
    kinds = str | int if wanted is int else str | int | float
    try:
        values[name] = wanted("" if isinstance(value, bool) or not isinstance(value, kinds) else value)
    except ValueError:
        problems.append(f"redis.{name} is {value!r}; a {'whole ' * (wanted is int)}number is needed")


def _login(head: str, table: Mapping[str, Any], environ: Mapping[str, str], base: Login, problems: list[str]) -> Login:
    given = {name: str(table[name]) for name in LOGIN_NAMES if name in table}
    if "password" in given and environ.get(PASSWORD_VARIABLE) != given["password"]:
        problems.append(f"{head}password stands in a file; allowed: {head}password_file or {head}password_env")
    variable = given.get("password_env", "")
    if variable and variable not in environ:
        problems.append(f"{head}password_env is {variable!r}; the environment has no such variable")
    if given.get("password_env") and given.get("password_file"):
        problems.append(f"{head}password_env and {head}password_file are given; allowed: one of them")
    known = {name: getattr(base, name) for name in LOGIN_NAMES}
    if any(given.get(name) for name in LOGIN_NAMES[1:]):
        known |= dict.fromkeys(LOGIN_NAMES[1:], "")
    return Login(**(known | given))


def _tls(table: object, problems: list[str]) -> Tls | None:
    if isinstance(table, bool):
        return Tls() if table else None
    if not isinstance(table, Mapping):
        problems.append(f"redis.tls is {redact_text(repr(table))}; true, false or a table is needed")
        return None
    problems += unknown_names("redis.tls.", table, [each.name for each in fields(Tls)])
    verify = table.get("verify", True)
    if not isinstance(verify, bool):
        problems.append(f"redis.tls.verify is {verify!r}; true or false is needed")
    return Tls(**{name: str(table.get(name, "")) for name in ("ca", "cert", "key")}, verify=verify is not False)


def _sentinels(table: object, environ: Mapping[str, str], problems: list[str]) -> Sentinels | None:
    if not isinstance(table, Mapping):
        problems.append(f"redis.sentinel is {redact_text(repr(table))}; a table is needed")
        return None
    problems += unknown_names("redis.sentinel.", table, ["hosts", "primary", *LOGIN_NAMES])
    hosts = table.get("hosts", [])
    hosts = hosts.split(",") if isinstance(hosts, str) else hosts
    if not isinstance(hosts, list) or not all(isinstance(each, str) for each in hosts):
        problems.append(f"redis.sentinel.hosts is {hosts!r}; a list of HOST:PORT is needed")
        hosts = ["?"]
    found = tuple(split_host(each.strip(), SENTINEL_PORT, problems) for each in hosts)
    login = _login("redis.sentinel.", table, environ, Login(), problems)
    return Sentinels(found, str(table.get("primary", "")), login)
