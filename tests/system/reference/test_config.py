"""The one file of all queues: the shipped example, what is refused and how, what overrides what."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from system.reference import Settings, SettingsError
from system.reference.backoff import Backoff
from system.reference.cli import _parser
from system.reference.cli_config import HOME_URL, url_for
from system.reference.commands import where_and_how
from system.reference.config import Breaker, Config, QueueConfig, Rate, health_queues
from system.reference.config_file import load_config
from system.reference.wire import Briefing
from system.reference.worker_plan import plan_of, url_of

HOME = Path(__file__).parents[3] / "system" / "reference"
EXAMPLE = HOME / "audit_queues.toml"
SMALL = """\
version = 3
[rates.shared]
n = 10
window_s = 60
[defaults]
max_attempts = 4
backoff = { kind = "linear", base_s = 2 }
[worker]
slots = 2
[queues.some-mail]
timeout_s = 7
rate = "shared"
concurrency = 3
slots = 1
[queues.other]
max_attempts = 9
backoff.base_s = 5
"""

pytestmark = pytest.mark.unit


def config_of(folder: Path, text: str, environ: Mapping[str, str] | None = None, **options: str) -> Config:
    path = folder / "queues.toml"
    path.write_text(text, "utf-8")
    return load_config(path, environ or {}, options)


def problems_of(folder: Path, text: str, environ: Mapping[str, str] | None = None, **options: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        config_of(folder, text, environ, **options)
    return list(caught.value.problems)


def example(environ: Mapping[str, str] | None = None) -> Config:
    return load_config(EXAMPLE, environ or {})


# Attempts and backoff where the audit's table of queues has them; a timeout, a limit and a bound where it has none.
CELLS = {
    "document-processing": (3, Backoff("exponential", 2.0, 300.0, "equal"), 600.0, 5, 100),
    "email": (5, Backoff("exponential", 1.0, 300.0, "equal"), 60.0, 10, 1000),
    "reports": (3, Backoff("exponential", 5.0, 300.0, "equal"), 600.0, 2, 100),
    "notifications": (3, Backoff("exponential", 1.0, 60.0, "equal"), 30.0, 20, 1000),
    "backup": (2, Backoff("exponential", 60.0, 1800.0, "equal"), 3600.0, 1, 100),
}


@pytest.mark.parametrize("name", CELLS)
def test_example_fills_every_cell_of_the_audits_table(name: str) -> None:
    queue = example().queues[name]
    settings = queue.settings
    found = (settings.max_attempts, settings.backoff, settings.timeout_s, queue.concurrency, settings.keep_finished)
    assert found == CELLS[name]
    assert settings.dead_retention_s == 90 * 86400  # where the table asks for a dead-letter queue
    assert settings.result_ttl_s > 0
    assert (settings.max_stalls, settings.max_crashes) == (3, 3)
    assert queue.breaker == Breaker(0.5, 20, 60.0, 30.0)
    assert queue.slots >= 1  # no other queue can take all of a worker
    assert queue.audit_executions


def test_example_holds_these_queues_and_limits_what_is_outside() -> None:
    config = example()
    assert set(config.queues) == set(CELLS)
    rates = {name: queue.rate for name, queue in config.queues.items()}
    assert rates["email"] == Rate("email-provider", 100, 3600.0)
    assert rates["document-processing"] == Rate("ocr-service", 60, 60.0)
    assert rates["notifications"] == Rate("webhooks", 600, 60.0)
    assert (rates["reports"], rates["backup"]) == (None, None)
    assert config.environment == "production"


def leaves(table: Mapping[str, Any], *keys: str) -> list[tuple[tuple[str, ...], Any]]:
    found = []
    for name, value in table.items():
        found += leaves(value, *keys, name) if isinstance(value, dict) else [((*keys, name), value)]
    return found


OTHER_WORDS = {"exponential": "linear", "equal": "full", "ocr-service": "webhooks", "email-provider": "webhooks"}


@pytest.mark.parametrize(("keys", "value"), leaves(tomllib.loads(EXAMPLE.read_text("utf-8"))))
def test_each_value_of_the_example_counts_and_a_variable_overrides_it(keys: tuple[str, ...], value: object) -> None:
    if isinstance(value, bool):
        other: object = str(not value).lower()
    elif isinstance(value, int | float):
        other = 0.25 if keys[-1] == "rate" else value + 1
    else:
        other = OTHER_WORDS.get(str(value), "email-provider" if value == "webhooks" else "staging")
    variable = "STORMQ_" + "__".join(keys).upper().replace("-", "_")
    before, after = example(), example({variable: str(other)})
    assert after != before
    alone = [name for name in before.queues if after.queues[name] != before.queues[name]]
    if keys[0] == "queues":
        assert alone == [keys[1]]


def test_nothing_that_the_example_names_is_written_elsewhere() -> None:
    names = [*CELLS, "email-provider", "ocr-service"]
    for path in [*HOME.rglob("*.py"), *HOME.rglob("*.lua")]:
        text = path.read_text("utf-8")
        for name in names:
            assert f'"{name}"' not in text, path
            assert f"'{name}'" not in text, path


def test_layers_file_then_environment_then_options(tmp_path: Path) -> None:
    config = config_of(tmp_path, SMALL)
    mail, other = config.queues["some-mail"], config.queues["other"]
    assert (mail.settings.max_attempts, mail.settings.timeout_s) == (4, 7.0)
    assert mail.settings.backoff == Backoff("linear", 2.0)
    assert other.settings.max_attempts == 9
    assert other.settings.backoff == Backoff("linear", 5.0)
    environ = {"STORMQ_QUEUES__SOME_MAIL__TIMEOUT_S": "8", "STORMQ_DEFAULTS__MAX_ATTEMPTS": "6", "STORMQ_VERSION": "12"}
    config = config_of(tmp_path, SMALL, environ)
    assert config.version == 12
    assert (config.queues["some-mail"].settings.max_attempts, config.queues["other"].settings.max_attempts) == (6, 9)
    assert config.queues["some-mail"].settings.timeout_s == 8.0
    config = config_of(tmp_path, SMALL, environ, timeout_s="9", slots="3", **{"backoff.cap_s": "11"})
    assert {queue.settings.timeout_s for queue in config.queues.values()} == {9.0}
    assert {queue.settings.backoff.cap_s for queue in config.queues.values()} == {11.0}
    assert config.shared_slots == 3


def test_variables_of_other_kinds_are_left_alone(tmp_path: Path) -> None:
    environ = {"STORMQ_REDIS_URL": "redis://x", "STORMQ_KEY_FILE": "k", "PATH": "/bin"}
    assert config_of(tmp_path, SMALL, environ) == config_of(tmp_path, SMALL)


WRONG = """\
version = "one"
colour = 1
[worker]
lease_s = 0.01
slots = true
[defaults]
max_atempts = 3
[defaults.backoff]
kind = "square"
[rates.big]
n = 5000
window_s = 60
[rates.half]
n = 5
[queues.email]
timeout_s = "30"
rate = "bigg"
concurrency = 0
[queues.email.breaker]
rate = 2
[queues.reports]
rate = { n = 2 }
max_stalls = 0
[queues."bad name"]
[audit]
executions = "yes"
[redis]
"""


def test_all_problems_at_once_each_with_its_place(tmp_path: Path) -> None:
    found = problems_of(
        tmp_path, WRONG, {"STORMQ_QUEUES__EMIAL__TIMEOUT_S": "3", "STORMQ_QUEUE__X__Y": "1"}, grace_s="x"
    )
    text = "\n".join(found)
    path = tmp_path / "queues.toml"
    for said in (
        f"{path}:1: version is 'one'; a whole number is needed",
        f"{path}:2: colour: no such setting or table",
        f"{path}:4 [worker]: lease_s is 0.01; allowed: 0.2",
        f"{path}:5 [worker]: slots is True; a whole number is needed",
        f"{path}:7 [defaults]: max_atempts: no such setting; did you mean max_attempts?",
        f"{path}:9 [defaults.backoff]: backoff.kind is 'square'; allowed: fixed, linear, exponential",
        f"{path}:11 [rates.big]: n is 5000; allowed: 1 to 1000: a rate is a ring of the last grants' times in Redis",
        f"{path}:13 [rates.half]: rate half: window_s is missing",
        f"{path}:16 [queues.email]: timeout_s is '30'; a number is needed",
        f"{path}:17 [queues.email]: rate is 'bigg', which is no table [rates.NAME]; did you mean big?",
        f"{path}:18 [queues.email]: concurrency is 0; allowed: 1 to 100000",
        f"{path}:20 [queues.email.breaker]: breaker.rate is 2; allowed: 0.001 to 1",
        f"{path}:21 [queues.reports]: rate queue:reports: window_s is missing",
        f"{path}:23 [queues.reports]: max_stalls is 0; allowed: 1",
        f"{path}:24 [queues.bad name]: queue 'bad name': allowed are",
        f"{path}:26 [audit]: executions is 'yes'; a true or false is needed",
        "environment variable STORMQ_QUEUES__EMIAL__TIMEOUT_S: queues emial: did you mean email?",
        "environment variable STORMQ_QUEUE__X__Y: no such table; did you mean queues?",
        "--grace-s: grace_s is 'x'; a number is needed",
    ):
        assert said in text
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version = 1\n[queues.a]\n[queues.b]\n[queues.a]\n", "queues.a is given more than once: lines 2, 4"),
        (
            "version = 1\n[queues.a]\ntimeout_s = 1\ntimeout_s = 2\n",
            "queues.a.timeout_s is given more than once: lines 3, 4",
        ),
        ("version 3", "queues.toml"),
        ("version = 0\n[queues.a]\n", "version is 0; needed: a whole number from 1"),
        ("version = 1\n", "no queue"),
        ("[queues.a]\n", "version is missing"),
        ("version = 1\nqueues = 3\n", "queues is 3; a table is needed"),
        ("version = 1\n[queues]\na = 3\n", "queues.a is 3; a table is needed"),
        (
            "version = 1\n[worker]\nslots = 0\n[queues.a]\n",
            "slots is 0; allowed: 1 to 256: there are queues without slots",
        ),
    ],
)
def test_what_is_no_configuration_is_refused(tmp_path: Path, text: str, said: str) -> None:
    assert any(said in problem for problem in problems_of(tmp_path, text))


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml"):
        load_config(tmp_path / "none.toml", {})


def test_variable_that_may_mean_two_queues_is_refused(tmp_path: Path) -> None:
    text = "version = 1\n[queues.a-b]\n[queues.a_b]\n"
    (problem,) = problems_of(tmp_path, text, {"STORMQ_QUEUES__A_B__TIMEOUT_S": "3"})
    assert "it may mean any of a-b, a_b" in problem


def test_own_rate_of_a_queue_and_partial_override(tmp_path: Path) -> None:
    text = "version = 1\n[rates.r]\nn = 1\nwindow_s = 1\n[defaults]\nrate = 'r'\n"
    text += "[queues.a]\nrate = {n = 5, window_s = 60}\n[queues.b]\n"
    config = config_of(tmp_path, text, {"STORMQ_QUEUES__A__RATE__N": "6"})
    assert config.queues["a"].rate == Rate("queue:a", 6, 60.0)
    assert config.queues["b"].rate == Rate("r", 1, 1.0)
    assert config.queues["a"].limits()["rate_window_us"] == 60_000_000


def test_limits_are_what_register_takes() -> None:
    queue = QueueConfig(
        "q",
        Settings(lease_s=3, heartbeat_s=1),
        "here",
        4,
        1,
        Rate("r", 5, 0.5),
        Breaker(0.25, 8, 10, 2),
        audit_executions=True,
    )
    assert queue.limits() == {
        "sweep_interval_us": 1_000_000, "lease_us": 3_000_000, "audit_executions": "1", "concurrency": 4,
        "rate_name": "r", "rate_n": 5, "rate_window_us": 500_000,
        "breaker_rate": "0.25", "breaker_min_runs": 8, "breaker_window_us": 10_000_000, "breaker_open_us": 2_000_000,
    }  # fmt: skip


def test_digest_is_of_what_is_promised_and_not_of_the_host() -> None:
    queue = example().queues["email"]
    same = [
        replace(queue, place="elsewhere"),
        replace(queue, slots=9),
        replace(queue, settings=replace(queue.settings, drain_s=1, preload=("json",), poll_s=0.5)),
    ]
    other = [
        replace(queue, concurrency=9),
        replace(queue, rate=None),
        replace(queue, breaker=None),
        replace(queue, audit_executions=False),
        replace(queue, settings=replace(queue.settings, timeout_s=1)),
        replace(queue, settings=replace(queue.settings, backoff=Backoff("fixed"))),
    ]
    assert {each.digest() for each in same} == {queue.digest()}
    assert len({queue.digest(), *(each.digest() for each in other)}) == 1 + len(other)


def test_layout_reserves_slots_and_one_for_health(tmp_path: Path) -> None:
    config = config_of(tmp_path, SMALL)
    both, health = ("some-mail", "other"), ("stormq.health.v3", "stormq.health.v3.w1")
    assert config.layout(both, health) == (("some-mail",), both, both, health)
    plan = plan_of(config, (), url="redis://x", worker="w1", named=True)
    assert plan.seats == config.layout(both, health)
    assert plan.queues == (*both, *health)
    assert plan.version == "3"
    assert plan.settings_of("some-mail").timeout_s == 7
    assert plan_of(config, ("other",), url="", worker="w", named=False).seats == (("other",),) * 2 + (health_queues(3),)
    with pytest.raises(SettingsError, match="did you mean some-mail"):
        plan_of(config, ("somemail",), url="", worker="w", named=False)


def test_redis_table_is_read_with_its_overrides(tmp_path: Path) -> None:
    text = SMALL + "[redis]\nhost = 'here'\nport = 1\ntls = { verify = false }\n"
    environ = {"STORMQ_REDIS__PORT": "2", "STORMQ_REDIS__TLS__VERIFY": "true", "STORMQ_REDIS__PASSWORD": "hidden"}
    config = config_of(tmp_path, text, environ)
    assert config.redis == {"host": "here", "port": "2", "tls": {"verify": True}, "password": "hidden"}
    assert url_of(config, environ).startswith("rediss://:hidden@here:2")


def test_problems_of_redis_are_told_with_the_others(tmp_path: Path) -> None:
    path = tmp_path / "queues.toml"
    path.write_text("version = 1\n[redis]\nhosst = 'here'\n[queues.a]\ntimeout_s = 0\n")
    with pytest.raises(SettingsError) as caught:
        load_config(path, {"STORMQ_REDIS__PORT": "x"}, with_redis=True)
    text = "\n".join(caught.value.problems)
    assert f"{path}:3 [redis]: redis.hosst is not known (did you mean host?)" in text
    assert "environment variable STORMQ_REDIS__PORT: redis.port is 'x'" in text
    assert f"{path}:5 [queues.a]: timeout_s is 0" in text


def test_neither_data_nor_messages_show_a_password(tmp_path: Path) -> None:
    config = config_of(tmp_path, SMALL, {"STORMQ_REDIS__PASSWORD": "h1dden-w0rd"})
    plan = plan_of(config, (), url="redis://:h1dden-w0rd@here", worker="w", named=False)
    assert "h1dden-w0rd" not in f"{config!r} {Briefing('slot', '', plan)!r}"
    with pytest.raises(SettingsError, match=r"redis is .*; a table is needed: \[redis\]") as caught:
        config_of(tmp_path, 'redis = "redis://:h1dden-w0rd@here"\n' + SMALL)
    assert "h1dden-w0rd" not in str(caught.value)
    for name in ("tls", "sentinel"):
        with pytest.raises(SettingsError, match=name) as caught:
            url_of(config_of(tmp_path, f'{SMALL}[redis]\n{name} = "redis://:h1dden-w0rd@here"\n'))
        assert "h1dden-w0rd" not in str(caught.value)


@pytest.mark.parametrize("command", [("activate", "FILE", "--reason", "r"), ("health", "--config", "FILE")])
def test_commands_tell_problems_of_redis_with_the_others(tmp_path: Path, command: tuple[str, ...]) -> None:
    path = tmp_path / "queues.toml"
    path.write_text("version = 0\n[redis]\nport = 'x'\n[queues.a]\n")
    done = stormq(*(str(path) if word == "FILE" else word for word in command))
    assert done.returncode == 2
    assert "version is 0" in done.stderr
    assert "redis.port is 'x'" in done.stderr


def test_config_check_shows_no_password(tmp_path: Path) -> None:
    path = tmp_path / "queues.toml"
    path.write_text(SMALL + "[redis]\nhost = 'here'\n")
    environ = {**os.environ, "STORMQ_REDIS__PASSWORD": "h1dden-w0rd"}
    command = [sys.executable, "-m", "system.reference.cli", "config", "check", str(path)]
    for more in ([], ["--json"]):
        done = subprocess.run([*command, *more], check=True, capture_output=True, text=True, env=environ, timeout=60)
        assert "h1dden-w0rd" not in done.stdout + done.stderr


def test_an_enqueue_takes_the_settings_of_its_queue(tmp_path: Path) -> None:
    path = tmp_path / "queues.toml"
    path.write_text(SMALL.replace("[worker]\n", "[worker]\nwindow_s = 33\n"))
    given = ("math.sqrt", "4", "--config", str(path))
    arguments = _parser().parse_args(["enqueue", "some-mail", *given, "--enqueue-timeout-s", "2"])
    _, settings = where_and_how(arguments)
    assert (settings.window_s, settings.enqueue_timeout_s, settings.timeout_s) == (33, 2, 7)
    with pytest.raises(SettingsError, match="did you mean some-mail"):
        where_and_how(_parser().parse_args(["enqueue", "some-mial", *given]))


@pytest.mark.parametrize(
    ("option", "goes_to"),
    [
        ((), "redis://db.internal:6390"),
        (("--redis-url", HOME_URL), HOME_URL),
        (("--redis-url", "redis://else:1"), "redis://else:1"),
    ],
)
def test_a_command_goes_where_its_file_says_unless_the_option_says_otherwise(
    option: tuple[str, ...], goes_to: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STORMQ_REDIS_URL", raising=False)
    path = tmp_path / "queues.toml"
    path.write_text(f'{SMALL}\n[redis]\nhost = "db.internal"\nport = 6390\n')
    named = ("--config", str(path), *option)
    arguments = _parser().parse_args(["enqueue", "some-mail", "math.sqrt", "4", *named])
    assert where_and_how(arguments)[0] == goes_to
    assert url_for(_parser().parse_args(["dead", "expire", *named]), load_config(path, {})) == goes_to


def stormq(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "system.reference.cli", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_config_check_says_what_it_comes_to_or_what_is_wrong(tmp_path: Path) -> None:
    done = stormq("config", "check", str(EXAMPLE))
    assert done.returncode == 0
    assert all(name in done.stdout for name in CELLS)
    shown = json.loads(stormq("config", "check", "--json", str(EXAMPLE)).stdout)
    assert shown["queues"]["email"]["rate"]["n"] == 100
    (tmp_path / "bad.toml").write_text(WRONG)
    done = stormq("config", "check", str(tmp_path / "bad.toml"))
    assert done.returncode == 2
    assert "did you mean max_attempts?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_worker_does_not_pay_for_the_producers_client() -> None:
    code = "import sys, system.reference.cli, system.reference.commands_worker; print('redis' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n"
