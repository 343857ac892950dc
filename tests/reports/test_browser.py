"""The report in a real Chromium: what fits the first screen, no sideways scrolling, nothing that needs a script."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.html import render
from reports.run_record import RunRecord
from tests.reports import sample

pytestmark = pytest.mark.browser
SAMPLES: list[Callable[[], RunRecord]] = [sample.single, sample.campaign, sample.passed]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the report is not looked at")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on PATH: the report is not looked at in a browser")
    with api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


def opened(browser: Any, tmp_path: Path, record: RunRecord, width: int, height: int, **options: Any) -> Any:  # noqa: ANN401  # playwright's types need it installed
    path = tmp_path / "report.html"
    path.write_text(render(record), encoding="utf-8")
    page = browser.new_context(viewport={"width": width, "height": height}, **options).new_page()
    page.goto(path.as_uri())
    return page


def bottom(page: Any, selector: str) -> float:  # noqa: ANN401  # playwright's types need it installed
    box = page.locator(selector).first.bounding_box()
    assert box is not None, f"{selector} is not shown"
    return float(box["y"] + box["height"])


@pytest.mark.parametrize("make", [sample.single, sample.campaign])
def test_the_first_screen_holds_band_tiles_plot_chips_reasons_and_finding(
    browser: Any,  # noqa: ANN401  # playwright's types need it installed
    tmp_path: Path,
    make: Callable[[], RunRecord],
) -> None:
    page = opened(browser, tmp_path, make(), 1280, 800)
    for selector in ("h1", ".tiles", ".wide .tl", ".side .rows", ".why", "#top .life", "#top .cmd"):
        assert 0 < bottom(page, selector) <= 800, selector
    assert not page.locator(".nar").first.is_visible()


@pytest.mark.parametrize("make", SAMPLES)
@pytest.mark.parametrize("width", [390, 760, 900, 1280])
def test_the_page_never_scrolls_sideways_even_with_everything_open(
    browser: Any,  # noqa: ANN401  # playwright's types need it installed
    tmp_path: Path,
    make: Callable[[], RunRecord],
    width: int,
) -> None:
    page = opened(browser, tmp_path, make(), width, 844)
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_phone_gets_a_drawing_of_its_own(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401  # playwright's types need it installed
    page = opened(browser, tmp_path, sample.single(), 390, 844)
    assert page.locator(".nar .tl").is_visible()
    assert not page.locator(".wide .tl").is_visible()


def test_without_javascript_everything_can_be_read(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401  # playwright's types need it installed
    page = opened(browser, tmp_path, sample.single(), 1280, 800, java_script_enabled=False)
    assert page.locator("#top .life").is_visible()
    page.locator("#p1-workers_killed > summary").click()
    assert page.locator("#p1-workers_killed .tl").is_visible()
    assert not page.locator(".cmd button").first.is_visible()


def test_a_link_opens_the_scenario_that_it_leads_to(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401  # playwright's types need it installed
    page = opened(browser, tmp_path, sample.single(), 1280, 800)
    assert not page.locator("#p1-workers_killed .tl").is_visible()
    page.get_by_role("link", name="Workers killed").first.click()
    page.locator("#p1-workers_killed .tl").wait_for(state="visible")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_their_ground(browser: Any, tmp_path: Path, scheme: str) -> None:  # noqa: ANN401  # playwright's types need it installed
    """WCAG AA, contrast of at least 4.5, for each colour of words that the page uses, in both schemes."""
    page = opened(browser, tmp_path, sample.single(), 1280, 800, color_scheme=scheme)
    ratios = page.evaluate(CONTRAST)
    assert len(ratios) >= 6
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < 4.5} == {}


def test_print_opens_every_scenario(browser: Any, tmp_path: Path) -> None:  # noqa: ANN401  # playwright's types need it installed
    page = opened(browser, tmp_path, sample.single(), 1280, 800, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.locator("#p1-workers_killed .sc").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


CONTRAST = """() => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length == 3 || colour[3] == 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = {};
  for (const element of document.querySelectorAll("body *")) {
    const says = [...element.childNodes].some(node => node.nodeType == 3 && node.data.trim());
    if (!says || element.closest("svg, script, style")) continue;
    const words = parse(getComputedStyle(element).color), behind = ground(element);
    const [high, low] = [light(words), light(behind)].sort((a, b) => b - a);
    found[`${words} on ${behind}`] = (high + .05) / (low + .05);
  }
  return found;
}"""
