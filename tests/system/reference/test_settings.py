"""Settings that can't work together are refused, all at once; file and options make the same settings."""

import argparse
from pathlib import Path

import pytest

from system.reference import Backoff, Settings, SettingsError
from system.reference.options import add_settings, read_settings
from system.reference.plan import Plan
from system.reference.wire import Briefing, from_line, to_line

pytestmark = pytest.mark.unit


def parsed(*arguments: str) -> Settings:
    parser = argparse.ArgumentParser()
    add_settings(parser)
    return read_settings(parser.parse_args(arguments))


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
    ],
)
def test_what_cannot_work_is_refused_by_name(changes: dict[str, float], named: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings(**changes)  # type: ignore[arg-type]
    assert any(problem.startswith(f"{named} is") for problem in caught.value.problems)


def test_every_problem_is_told(tmp_path: Path) -> None:
    config = tmp_path / "stormq.toml"
    config.write_text('slots = "two"\nspeed = 9\n[backoff]\nkind = "square"\nbase = 1\n')
    with pytest.raises(SettingsError) as caught:
        parsed("--config", str(config), "--lease-s", "0.01", "--max-attempts", "many")
    text = "\n".join(caught.value.problems)
    for wrong in ("slots", "speed", "backoff.kind", "backoff.base", "lease_s", "max_attempts", "heartbeat_s", "poll_s"):
        assert f"{wrong}" in text


def test_options_win_over_the_file(tmp_path: Path) -> None:
    config = tmp_path / "stormq.toml"
    config.write_text('slots = 3\nmax_attempts = 5\npreload = ["json", "csv"]\n[backoff]\nkind = "linear"\ncap_s = 7\n')
    settings = parsed("--config", str(config), "--slots", "4", "--backoff-cap-s", "8")
    assert (settings.slots, settings.max_attempts, settings.preload) == (4, 5, ("json", "csv"))
    assert settings.backoff == Backoff("linear", cap_s=8.0)


def test_file_that_is_no_toml_or_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("slots 3")
    for name in ("bad.toml", "none.toml"):
        with pytest.raises(SettingsError, match=name):
            parsed("--config", str(tmp_path / name))


def test_plan_survives_the_pipe() -> None:
    settings = Settings(slots=3, preload=("json",), backoff=Backoff("fixed", 0.5, 2.0, "equal"), margin_s=2.0)
    plan = Plan("redis://:secret@example/3", "w", ("high", "low"), "/lua", settings)
    briefing = Briefing("i-1", "/somewhere", plan)
    assert from_line(to_line(briefing)) == briefing
