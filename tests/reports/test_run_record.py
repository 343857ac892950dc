import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reports import html, junit, markdown
from reports.run_record import Percentile, RecordError, RunRecord, dump, load, parse
from reports.verdict import Verdict
from tests.reports import sample

SAMPLES = [sample.campaign, sample.single, sample.passed]


def errors_of(data: object) -> tuple[str, ...]:
    with pytest.raises(RecordError) as caught:
        parse(data)
    return caught.value.errors


def small() -> dict[str, Any]:
    """The smallest campaign: one part with one scenario."""
    data = json.loads(dump(sample.single()))
    data["parts"][0]["scenarios"] = [run for run in data["parts"][0]["scenarios"] if run["name"] == "workers_killed"]
    return data  # type: ignore[no-any-return]


@pytest.mark.parametrize("make", SAMPLES)
def test_what_was_dumped_is_loaded_unchanged(make: Callable[[], RunRecord], tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(dump(make()), encoding="utf-8")
    assert load(path) == make()


def test_infinity_survives_as_a_string_since_json_has_no_number_for_it() -> None:
    record = sample.single()
    percentiles = [each.job_time.percentiles[-1] for each in record.parts[0].scenarios if each.job_time]
    assert Percentile(q=1.0, value_s=math.inf, n_needed=1) in percentiles
    assert '"value_s": "inf"' in dump(record)


def test_every_error_is_named_at_once_with_its_path() -> None:
    data = small()
    data["seed"] = "seven"
    data["host"]["cpus"] = True
    data["parts"][0]["kind"] = "as dreamt"
    data["parts"][0]["scenarios"][0]["load"] = []
    del data["parts"][0]["scenarios"][0]["replay"]
    data["parts"][0]["scenarios"][0]["checkers"][2]["verdict"] = "maybe"
    data["weather"] = "fair"
    assert [error.split(": ")[0] for error in errors_of(data)] == [
        "$.seed",
        "$.host.cpus",
        "$.parts[0].kind",
        "$.parts[0].scenarios[0].replay",
        "$.parts[0].scenarios[0].load",
        "$.parts[0].scenarios[0].checkers[2].verdict",
        "$.weather",
    ]


@pytest.mark.parametrize(
    ("version", "advice"),
    [(2, "2, but this Stormproof reads version 1; update"), (0, "run the campaign again"), (None, "no run.json of")],
)
def test_another_schema_version_is_told_in_one_message(version: object, advice: str) -> None:
    (error,) = errors_of({"schema_version": version, "seed": "x"})
    assert advice in error


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '"run"'])
def test_what_is_no_record_is_refused_with_the_file_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecordError, match=r"run\.json: \$"):
        load(path)


def test_a_broken_promise_without_its_quoted_clause_is_refused() -> None:
    data = small()
    data["parts"][0]["scenarios"][0]["findings"][0]["clause"]["source"] = ""
    assert errors_of(data) == (
        "$.parts[0].scenarios[0].findings[0].clause: a broken promise needs its clause, quoted with its source",
    )


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda data: data.update(started="yesterday"), "$.started"),
        (lambda data: data.update(ended="2026-11-24T09:14:02+01:00"), "$.ended"),
        (lambda data: data.update(parts=[]), "$.parts"),
        (lambda data: data["parts"][0].update(scenarios=[]), "$.parts[0].scenarios"),
        (lambda data: run_of(data)["series"]["backlog"].pop(), "$.parts[0].scenarios[0].series.backlog"),
        (lambda data: run_of(data)["series"]["edges_s"].reverse(), "$.parts[0].scenarios[0].series.edges_s"),
        (lambda data: run_of(data)["findings"].append(run_of(data)["findings"][0]), "$.parts[0]"),
        (lambda data: data["parts"][0]["metrics"][1].update(value=99.9), "$.parts[0].metrics[1].value"),
        (lambda data: run_of(data).update(title="\ud800"), "$.parts[0].scenarios[0].title"),
    ],
)
def test_contradictions_are_refused(change: Callable[[Any], Any], path: str) -> None:
    data = small()
    change(data)
    assert [error.split(": ")[0] for error in errors_of(data)] == [path]


def run_of(data: dict[str, Any]) -> Any:  # noqa: ANN401  # plain JSON data
    return data["parts"][0]["scenarios"][0]


def test_a_record_that_could_not_be_loaded_is_not_dumped() -> None:
    record = sample.single()
    object.__setattr__(record, "started", "yesterday")
    with pytest.raises(RecordError):
        dump(record)


def test_a_campaign_passes_when_each_part_ended_as_it_should() -> None:
    record = sample.campaign()
    assert [part.verdict for part in record.parts] == [Verdict.PASS, Verdict.FAIL, Verdict.FAIL]
    assert record.verdict is Verdict.PASS


def test_a_planted_bug_that_another_checker_found_is_not_caught() -> None:
    data = json.loads(dump(sample.campaign()))
    data["parts"][1]["caught_by"] = "overlap"
    assert parse(data).verdict is Verdict.FAIL


def test_a_planted_bug_that_passes_fails_the_campaign() -> None:
    data = json.loads(dump(sample.campaign()))
    data["parts"][1]["verdict"] = "pass"
    assert parse(data).verdict is Verdict.FAIL


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just("inf"), st.just([]))


def places(data: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(each for key, value in items for each in places(value, (*path, key)))]


@pytest.mark.property
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_damage_is_refused_or_reported_and_never_crashes_a_report(choose: st.DataObject) -> None:
    """A value replaced anywhere: either ``RecordError``, or every report can be written from what was read."""
    data: Any = copy.deepcopy(small())
    path = choose.draw(st.sampled_from(places(data)[1:]))
    at = data
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = choose.draw(SCALARS)
    try:
        record = parse(data)
    except RecordError:
        return
    for render in (html.render, junit.render, markdown.render):
        assert render(record).encode()
