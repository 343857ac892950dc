"""An endpoint as a URL, and back.

    redis://USER:PASSWORD@HOST:PORT/DB?OPTION=VALUE        rediss:// with TLS        unix://PATH?db=DB
    redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/NAME/DB?...    rediss+sentinel://

Options: password_env, password_file, the endpoint's numbers by name, for TLS redis-py's ssl_ca_certs, ssl_certfile,
ssl_keyfile and ssl_cert_reqs=none, for Sentinels sentinel_username, sentinel_password (_env, _file).
"""

from collections.abc import Iterable
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, Final
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from .address import RANGES, Endpoint, Login, Sentinels, Tls
from .errors import SettingsError

SCHEMES: Final = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
SENTINEL_PORT: Final = 26379
NUMBERS: Final = {each.name: each.type for each in fields(Endpoint) if each.name in RANGES and each.name != "port"}
TLS_NAMES: Final = {"ca": "ssl_ca_certs", "cert": "ssl_certfile", "key": "ssl_keyfile"}
LOGIN_NAMES: Final = ("username", "password", "password_env", "password_file")
OPTIONS: Final = (
    *NUMBERS, *TLS_NAMES.values(), "ssl_cert_reqs", "outage",
    *LOGIN_NAMES, *(f"sentinel_{name}" for name in LOGIN_NAMES),
)  # fmt: skip


def parse(url: str) -> Endpoint:
    """Raises ``SettingsError`` with every problem, and without showing a password."""
    try:
        parts = urlsplit(url)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    except ValueError:  # its message may hold the password
        wanted = "redis://USER:PASSWORD@HOST:PORT/DB, and in each part as %XX what is special in a URL"
        raise SettingsError([f"the Redis URL can't be used; allowed: {wanted}"]) from None
    problems = unknown_names("the Redis URL's option ", options, OPTIONS)
    if parts.scheme not in SCHEMES:
        problems.append(f"the Redis URL's scheme is {parts.scheme!r}; allowed: {', '.join(SCHEMES)}")
    values: dict[str, Any] = {}
    _numbers(options, values, problems)
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    given = {"username": unquote(user), "password": unquote(password)}
    values["login"] = Login(**{name: options.get(name) or given.get(name, "") for name in LOGIN_NAMES})
    if parts.scheme.startswith("rediss"):
        files = {name: options.get(option, "") for name, option in TLS_NAMES.items()}
        values["tls"] = Tls(**files, verify=options.get("ssl_cert_reqs", "required") != "none")
    if "outage" in options:
        values["outage"] = options["outage"]
    if parts.scheme == "unix":
        values["path"] = unquote(parts.path)
    elif parts.scheme.endswith("+sentinel"):
        primary, _, db = parts.path.strip("/").partition("/")
        found = tuple(split_host(each, SENTINEL_PORT, problems) for each in hosts.split(",") if each)
        own = Login(**{name: options.get(f"sentinel_{name}", "") for name in LOGIN_NAMES})
        values["sentinels"] = Sentinels(found, unquote(primary), own)
        _numbers({"db": db} if db else {}, values, problems)
    else:
        values["host"], values["port"] = split_host(hosts or "localhost", 6379, problems)
        db = parts.path.strip("/")
        _numbers({"db": db} if db and "db" not in values else {}, values, problems)
    return make(values, problems)


def to_url(endpoint: Endpoint) -> str:
    """What ``parse`` makes the same endpoint of. It holds the password if the endpoint does: not for an argument."""
    options: dict[str, object] = {}
    plain = Endpoint()
    for name in (*NUMBERS, "outage"):
        if getattr(endpoint, name) != getattr(plain, name):
            options[name] = getattr(endpoint, name)
    login, tls, sentinels = endpoint.login, endpoint.tls, endpoint.sentinels
    options |= {name: getattr(login, name) for name in ("password_env", "password_file")}
    if tls is not None:
        options |= {option: getattr(tls, name) for name, option in TLS_NAMES.items()}
        options |= {} if tls.verify else {"ssl_cert_reqs": "none"}
    head = "redis" if tls is None else "rediss"
    who = f"{quote(login.username, safe='')}:{quote(login.password, safe='')}@"
    who = "" if who == ":@" else who
    if sentinels is not None:
        options |= {f"sentinel_{name}": getattr(sentinels.login, name) for name in LOGIN_NAMES}
        hosts = ",".join(_shown(host, port) for host, port in sentinels.hosts)
        base = f"{head}+sentinel://{who}{hosts}/{quote(sentinels.primary, safe='')}"
    elif endpoint.path:
        base = f"unix://{who}{quote(endpoint.path)}"
    else:
        base = f"{head}://{who}{_shown(endpoint.host, endpoint.port)}"
    query = urlencode({name: value for name, value in options.items() if value != ""})
    return f"{base}?{query}" if query else base


def make(values: dict[str, Any], problems: list[str]) -> Endpoint:
    """The endpoint of these values. Raises ``SettingsError`` with these problems and with its own."""
    try:
        endpoint = Endpoint(**values)
    except SettingsError as error:
        problems = [*problems, *error.problems]
    if problems:
        raise SettingsError(problems)
    return endpoint


def unknown_names(head: str, given: Iterable[str], allowed: Iterable[str]) -> list[str]:
    """A problem for each name that is not allowed, with the one that may have been meant."""
    known, problems = sorted(allowed), []
    for name in sorted(set(given) - set(known)):
        near = get_close_matches(name, known, 1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        problems.append(f"{head}{name} is not known{meant}; allowed: {', '.join(known)}")
    return problems


def _numbers(options: dict[str, str], values: dict[str, Any], problems: list[str]) -> None:
    for name, text in options.items():
        if name in NUMBERS:
            try:
                values[name] = int(text) if NUMBERS[name] is int else float(text)
            except ValueError:
                problems.append(f"the Redis URL's {name} is no number")


def split_host(text: str, port: int, problems: list[str]) -> tuple[str, int]:
    """HOST or HOST:PORT, with this port where none is given; what is wrong with it is added to the problems."""
    try:
        parts = urlsplit(f"//{text}")
        found = parts.hostname or "localhost", parts.port or port
    except ValueError:  # its message may hold part of a password that was not quoted
        problems.append("a Redis host can't be read; allowed: HOST or HOST:PORT (a password's / and @ as %2F and %40)")
        return "localhost", port
    return found


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
