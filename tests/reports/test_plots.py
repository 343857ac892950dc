import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from reports.plot_canvas import Size, text_width
from reports.plot_labels import Box, LabelSpace, fault_labels
from reports.plot_series import binned, ticks
from reports.plots import FIRST_SCREEN, PHONE, SECTION, describe, timeline
from reports.run_record import Series
from tests.reports import sample

SVG_NAMES = {"svg", "g", "path", "text", "title", "desc"}


def texts(svg: str) -> list[str]:
    return [" ".join(each.itertext()) for each in ET.fromstring(svg).iter() if each.tag == "text"]  # noqa: S314  # ours


@pytest.mark.parametrize("size", [FIRST_SCREEN, SECTION, PHONE])
def test_a_drawing_is_well_formed_labelled_and_has_no_colour_of_its_own(size: Size) -> None:
    svg = timeline(sample.workers_killed(), size, "k")
    assert {each.tag for each in ET.fromstring(svg).iter()} == SVG_NAMES  # noqa: S314  # ours
    assert not re.search(r"#[0-9a-f]{3,6}|url\(|href", svg)
    said = texts(svg)
    for label in ("jobs per second", "backlog, jobs", "completions", "3 stranded ✗", "limit 6 s", "peak 26"):
        assert label in said
    assert "recovery > 15.1 s" in said


def test_the_same_run_gives_the_same_drawing() -> None:
    run = sample.workers_killed()
    assert timeline(run, FIRST_SCREEN, "k") == timeline(run, FIRST_SCREEN, "k")


def test_a_fault_that_did_not_fire_has_no_fill() -> None:
    dud, fired = sample.redis_restart_dud(), sample.calm_run("redis_restart", "c", sample._restart(6), p95_s=0.2)
    assert "opacity: 0.16" not in timeline(dud, SECTION, "k")
    assert "opacity: 0.16" in timeline(fired, SECTION, "k")


def test_faults_close_together_get_lanes_of_their_own() -> None:
    labels = fault_labels(sample._many_kills(), narrow=False)
    arranged = labels.arrange(lambda at_s: 34 + at_s * 23.3, 808, text_width)
    assert [lane for _, lane, _, _ in arranged] == [0, 1, 2, 3, 0]
    assert all(len(lines) == 1 for _, _, lines, _ in arranged)


def test_a_label_that_would_leave_the_drawing_stands_left_of_its_line() -> None:
    labels = fault_labels(sample._restart(6), narrow=False)
    ((_, _, lines, left),) = labels.arrange(lambda _: 800.0, 808, text_width)
    assert left + max(map(text_width, lines)) < 800


@pytest.mark.parametrize("hostile", ["</text><script>", "$x^2$", "a\nb", "\x00", "日本", "&amp;"])
def test_a_hostile_label_stays_text(hostile: str) -> None:
    fault = replace(sample._restart(6)[0], name=hostile)
    svg = timeline(replace(sample.steady(), faults=(fault,), title=hostile), SECTION, "k")
    assert "<script" not in svg
    assert "<use" not in svg


def test_the_words_of_a_drawing_tell_what_it_shows() -> None:
    says = describe(sample.workers_killed())
    assert "kill tree: injected at 17.0 s, healed at 18.1 s, fired ×3." in says
    assert "The backlog peaks at 26 jobs at 19.2 s and ends at 3." in says
    assert says.endswith("3 jobs stranded. Recovery > 15.1 s, limit 6 s.")


def test_without_a_series_there_is_no_drawing() -> None:
    assert timeline(replace(sample.steady(), series=None), SECTION, "k") == ""


def test_a_series_of_nothing_can_be_drawn() -> None:
    series = Series(edges_s=(0.0, 1.0), arrivals=(0,), completions=(0,), backlog=(0,))
    assert "jobs per second" in texts(timeline(replace(sample.steady(), series=series, marks=None), SECTION, "k"))


def test_merged_bins_keep_their_jobs_and_their_highest_backlog() -> None:
    series = Series(
        edges_s=(0, 1, 2, 3, 4, 5), arrivals=(1, 2, 3, 4, 5), completions=(0, 0, 6, 0, 3), backlog=(1, 9, 2, 3, 0)
    )
    merged = binned(series, 3)
    assert list(merged.edges_s) == [0, 2, 4, 5]
    assert list(merged.arrivals_s) == [1.5, 3.5, 5.0]
    assert list(merged.completions_s) == [0.0, 3.0, 3.0]
    assert list(merged.backlog) == [9, 3, 0]


@pytest.mark.parametrize(
    ("value_max", "count_max", "expected"),
    [
        (45, 2, (0, 20, 40)),
        (33.2, 7, (0, 5, 10, 15, 20, 25, 30)),
        (4, 2, (0, 2, 4)),
        (1, 2, (0, 0.5, 1.0)),
        (9.99, 2, (0, 5)),
    ],
)
def test_ticks_are_round_and_few(value_max: float, count_max: int, expected: tuple[float, ...]) -> None:
    assert ticks(value_max, count_max) == expected


def test_a_label_takes_the_spot_that_covers_least() -> None:
    space = LabelSpace()
    space.take(Box(0, 0, 10, 10))
    assert space.best([Box(5, 5, 15, 15), Box(9, 9, 19, 19), Box(10, 10, 20, 20), Box(30, 30, 40, 40)]) == 2
