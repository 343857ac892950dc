"""Where Redis is, as users write it: each form is read, each mistake is named, and no password is shown."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from system.reference import Endpoint, SettingsError
from system.reference.address import OUTAGES, RANGES, Login, Sentinels, Tls
from system.reference.endpoint import NAMES, from_table, parse, to_url

COLUMNS = 5  # of a table of three, split at its bars
HANDBOOK = Path(__file__).parents[3] / "docs" / "connections.md"
pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("redis://", Endpoint("localhost")),
        ("redis://10.0.0.1:7000/2", Endpoint("10.0.0.1", 7000, db=2)),
        ("redis://me:p%40ss@host", Endpoint("host", login=Login("me", "p@ss"))),
        ("redis://:secret@host?db=4", Endpoint("host", db=4, login=Login(password="secret"))),  # noqa: S106
        ("redis://me@host?password_file=/run/pw", Endpoint("host", login=Login("me", password_file="/run/pw"))),  # noqa: S106
        ("unix:///run/redis.sock?db=1", Endpoint(path="/run/redis.sock", db=1)),
        ("rediss://host?ssl_cert_reqs=none", Endpoint("host", tls=Tls(verify=False))),
        ("rediss://host?ssl_ca_certs=/ca.pem", Endpoint("host", tls=Tls(ca="/ca.pem"))),
        (
            "redis://[::1]:6380/0?keepalive_s=5&connect_timeout_s=0.5",
            Endpoint("::1", 6380, keepalive_s=5, connect_timeout_s=0.5),
        ),
        (
            "rediss+sentinel://u@s1:1,s2/main/3?password_env=PW&sentinel_username=s&sentinel_password_env=SPW",
            Endpoint(
                db=3,
                login=Login("u", password_env="PW"),  # noqa: S106
                tls=Tls(),
                sentinels=Sentinels((("s1", 1), ("s2", 26379)), "main", Login("s", password_env="SPW")),  # noqa: S106
            ),
        ),
    ],
)
def test_urls(url: str, endpoint: Endpoint) -> None:
    assert parse(url) == endpoint


WORDS = st.text("abcXYZ019@:/?#%&=+ ü", min_size=1, max_size=8)
FILES = st.one_of(st.just(""), WORDS)
HOSTS = st.sampled_from(["localhost", "10.0.0.1", "::1", "redis.internal"])
LOGINS = st.builds(Login, username=FILES, password=FILES, password_env=FILES, password_file=FILES)


@st.composite
def endpoints(draw: st.DrawFn) -> Endpoint:
    chosen: dict[str, Any] = {}
    for each in fields(Endpoint):
        if each.name in RANGES and draw(st.booleans()):
            least, most = RANGES[each.name]
            numbers: Any = (
                st.integers(int(least), int(most)) if each.type is int else st.floats(float(least), float(most))
            )
            chosen[each.name] = draw(numbers)
    if chosen.get("wait_replicas"):
        chosen |= {"wait_ms": 1, "command_timeout_s": 2.0}
    chosen["outage"] = draw(st.sampled_from(OUTAGES))
    chosen["login"] = draw(LOGINS)
    pair = draw(st.sampled_from([("", ""), ("c.pem", "k e y.pem")]))
    where = draw(st.sampled_from(["tcp", "unix", "sentinel"]))
    if where == "unix":
        return Endpoint(**chosen | {"port": 6379, "path": "/" + draw(WORDS).replace("/", "")})
    if draw(st.booleans()):
        chosen["tls"] = Tls(draw(FILES), *pair, verify=draw(st.booleans()))
    if where == "tcp":
        return Endpoint(**chosen | {"host": draw(HOSTS)})
    hosts = tuple(draw(st.lists(st.tuples(HOSTS, st.integers(1, 65535)), min_size=1, max_size=3)))
    name = draw(st.text("abc-", min_size=1, max_size=5))
    return Endpoint(**chosen | {"port": 6379, "sentinels": Sentinels(hosts, name, draw(LOGINS))})


@given(endpoints())
def test_a_worker_is_told_all_of_it_by_its_url(endpoint: Endpoint) -> None:
    assert parse(to_url(endpoint)) == endpoint


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://host", "scheme is 'http'; allowed: redis, rediss, unix"),
        ("redis://:hunter2@host/x", "db is no number"),
        ("redis://:hunter2@host:port/0", "allowed: HOST or HOST:PORT"),
        ("redis://:hunter/2@host/0", "a password's / and @ as"),
        ("redis://:hunter2@host/0?conect_timeout_s=1", "did you mean connect_timeout_s?"),
        ("redis://:hunter2@host/0?connect_timeout_s=0", "redis.connect_timeout_s is 0; allowed: 0.01 to 60"),
        ("redis+sentinel://:hunter2@s1", "the name of the primary"),
    ],
)
def test_bad_url_is_refused_without_its_password(url: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem.replace("?", r"\?")) as caught:
        parse(url)
    assert "hunter" not in str(caught.value)


def test_password_is_shown_nowhere() -> None:
    endpoint = parse("redis+sentinel://u:hunter2@s1/main?sentinel_password=hunter3")
    assert "hunter" not in f"{endpoint} {endpoint!r}"


def test_table() -> None:
    table = {
        "host": "db",
        "port": 7000,
        "username": "w",
        "password_env": "PW",
        "connect_timeout_s": "0.5",
        "outage": "buffer",
        "tls": {"ca": "/ca.pem", "cert": "/c.pem", "key": "/k.pem"},
        "wait_replicas": 1,
        "prefix": "rq",
        "keepalive_s": 0,
    }
    assert from_table(table, {"PW": "x"}) == Endpoint(
        "db",
        7000,
        login=Login("w", password_env="PW"),  # noqa: S106
        tls=Tls("/ca.pem", "/c.pem", "/k.pem"),
        connect_timeout_s=0.5,
        outage="buffer",
        wait_replicas=1,
        keepalive_s=0,
    )
    assert from_table({}, {}) == Endpoint()
    assert from_table({"sentinel": {"hosts": ["a:1", "b"], "primary": "m"}}, {}).sentinels == Sentinels(
        (("a", 1), ("b", 26379)), "m"
    )


def test_what_a_file_must_not_hold_comes_from_the_environment() -> None:
    told = from_table({"connections_max": 3}, {"STORMQ_REDIS_URL": "redis://u:pw@host/1"})
    assert told == replace(parse("redis://u:pw@host/1"), connections_max=3)
    assert from_table({"password": "pw"}, {"STORMQ_REDIS__PASSWORD": "pw"}).login.secret() == "pw"


def test_every_mistake_in_a_table_is_named_at_once() -> None:
    table = {
        "url": "redis://:hunter2@h",
        "password": "hunter3",
        "tls": 3,
        "conections_max": 2,
        "db": 1.5,
        "port": "99999",
        "sentinel": {"host": 1, "primary": "m"},
        "outage": "wait",
        "prefix": "q",
        "wait_replicas": True,
        "retry_cap_s": "x",
    }
    with pytest.raises(SettingsError) as caught:
        from_table(table, {})
    told = "\n".join(caught.value.problems)
    for part in (
        "redis.url holds a password",
        "redis.password stands in a file",
        "redis.tls is 3",
        "did you mean connections_max?",
        "redis.db is 1.5; a whole number",
        "redis.port is 99999; allowed: 1 to 65535",
        "did you mean hosts?",
        "redis.outage is 'wait'; allowed: raise, block, buffer",
        "redis.prefix is 'q'",
        "redis.wait_replicas is True",
        "redis.retry_cap_s is 'x'; a number",
        "redis.sentinel needs hosts",
    ):
        assert part in told
    assert "hunter" not in told
    with pytest.raises(SettingsError, match="no such variable"):
        from_table({"password_env": "ABSENT"}, {})
    with pytest.raises(SettingsError, match="one of them"):
        from_table({"password_env": "PW", "password_file": "/f"}, {"PW": "x"})
    with pytest.raises(SettingsError, match="wait_ms is 2000; allowed: less than command_timeout_s"):
        from_table({"wait_replicas": 1, "wait_ms": 2000}, {})


def test_every_number_can_be_set_in_a_table() -> None:
    assert set(RANGES) <= set(NAMES)
    for name, (least, most) in RANGES.items():
        for bad in (least - 1, most + 1):
            with pytest.raises(SettingsError, match=rf"redis\.{name} is .*; allowed: "):
                from_table({name: bad}, {})


def test_the_handbook_names_every_number_with_its_default() -> None:
    rows = [line.split("|") for line in HANDBOOK.read_text("utf-8").splitlines() if line.startswith("| `")]
    told = {row[1].strip(" `"): row[2].strip() for row in rows if len(row) == COLUMNS}
    plain = Endpoint()
    assert told == {name: f"{getattr(plain, name):.12g}" for name in RANGES if name not in {"port", "db"}}
