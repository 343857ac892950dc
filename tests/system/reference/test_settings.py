"""Settings that can't work together are refused, all at once; options make settings."""

import argparse

import pytest

from system.reference import Backoff, Settings, SettingsError
from system.reference.config_file import settings_of_options
from system.reference.options import add_settings, given_options
from system.reference.plan import Plan
from system.reference.wire import Briefing, from_line, to_line

pytestmark = pytest.mark.unit


def parsed(*arguments: str) -> Settings:
    parser = argparse.ArgumentParser()
    add_settings(parser)
    return settings_of_options(given_options(parser.parse_args(arguments)))


def test_defaults_are_lawful() -> None:
    assert parsed() == Settings()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"heartbeat_s": 6.0}, "heartbeat_s"),
        ({"margin_s": 10.0}, "margin_s"),
        ({"margin_s": 0.0}, "margin_s"),
        ({"poll_s": 8.0}, "poll_s"),
        ({"window_s": 5.0}, "enqueue_timeout_s"),
        ({"slots": 0}, "slots"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_crashes": 0}, "max_crashes"),
        ({"max_stalls": 0}, "max_stalls"),
        ({"timeout_s": float("nan")}, "timeout_s"),
        ({"lease_s": float("inf")}, "lease_s"),
        ({"result_ttl_s": -2}, "result_ttl_s"),
        ({"keep_finished": -1}, "keep_finished"),
        ({"dead_retention_s": 0.0}, "dead_retention_s"),
        ({"audit_retention_s": 1.0}, "audit_retention_s"),
        ({"clean_interval_s": 0.0}, "clean_interval_s"),
    ],
)
def test_what_cannot_work_is_refused_by_name(changes: dict[str, float], named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(**changes)  # type: ignore[arg-type]
    assert any(problem.startswith(f"{named} is") for problem in caught.value.problems)


def test_every_problem_is_told() -> None:
    with pytest.raises(SettingsError) as caught:
        parsed("--slots", "two", "--backoff-kind", "square", "--lease-s", "0.01", "--max-attempts", "many")
    text = "\n".join(caught.value.problems)
    for wrong in ("slots", "backoff.kind", "lease_s", "max_attempts", "heartbeat_s", "poll_s"):
        assert f"{wrong} is" in text


def test_options_make_settings() -> None:
    given = ("--slots", "4", "--backoff-kind", "linear", "--backoff-cap-s", "8", "--preload", "json,csv")
    settings = parsed(*given, "--environment", "staging", "--keep-finished", "7")
    assert (settings.slots, settings.preload, settings.environment) == (4, ("json", "csv"), "staging")
    assert settings.keep_finished == 7
    assert settings.backoff == Backoff("linear", cap_s=8.0)


def test_plan_survives_the_pipe() -> None:
    settings = Settings(slots=3, preload=("json",), backoff=Backoff("fixed", 0.5, 2.0, "equal"), margin_s=2.0)
    plan = Plan("redis://:secret@example/3", "w", ("high", "low"), "/lua", settings)
    briefing = Briefing("i-1", "/somewhere", plan)
    assert from_line(to_line(briefing)) == briefing
