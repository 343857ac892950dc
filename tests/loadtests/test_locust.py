"""Locust as a generator, for real: its own processes, our runner behind it, Chromium in front of it."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.loadtests.conftest import REPOSITORY

TARGET = "reference"
LONG_S = 120.0


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "locust", "-f", str(REPOSITORY / "loadtests" / "locustfile.py"), *arguments]


def headless(out: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("--headless", "--only-summary", "--out", str(out), *arguments),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=LONG_S * 2,
        check=False,
    )


def invoked(out: Path) -> list[dict[str, object]]:
    """Every enqueue of the load that a ledger tells of, in order of intended time."""
    lines = [line for path in out.rglob("*.jsonl") for line in path.read_text().splitlines()]
    events = [event for event in map(json.loads, lines) if event["e"] == "invoked"]
    load = [event for event in events if str(event["job"]).startswith("w-")]
    return sorted(load, key=lambda event: (event["intended_ns"], event["job"]))


def spacing_ns(events: list[dict[str, object]]) -> Counter[int]:
    times_ns = [int(str(event["intended_ns"])) for event in events]
    return Counter(round(after - before, -3) for before, after in pairwise(times_ns))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def web_ui(out: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Locust with its web UI; the address, and the process."""
    port, log = free_port(), out.parent / "locust.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command("--web-port", str(port), "--out", str(out)), cwd=REPOSITORY, stdout=output, stderr=output
        )
    try:
        for _ in range(600):
            assert process.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
            except OSError:
                time.sleep(0.05)
            else:
                break
        yield f"http://127.0.0.1:{port}", process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(LONG_S)


@pytest.mark.load
@pytest.mark.parametrize(
    ("target", "codes"), [("reference", {0, 3}), (str(REPOSITORY / "tests" / "planted" / "accept_and_drop.py"), {1})]
)
def test_headless_the_exit_code_is_the_verdict_s_and_the_ledger_has_the_plan(
    tmp_path: Path, target: str, codes: set[int]
) -> None:
    """A queue that drops jobs fails; the reference passes, or is inconclusive on a host that has no time for it."""
    done = headless(tmp_path / "out", "--target", target, "--duration", "4")
    said = re.search(r"verdict: ([a-z ]+) \(exit code (\d+)\)", done.stderr)
    assert said, done.stderr
    assert done.returncode == int(said[2])
    assert done.returncode in codes, done.stderr
    events = invoked(tmp_path / "out")
    assert len(events) == 400
    assert spacing_ns(events) == {10_000_000: 399}
    assert re.search(r"enqueue +400 +0\(0\.00%\)", done.stderr), done.stderr
    ended = re.search(r"job \(end to end\) +(\d+) +0\(0\.00%\)", done.stderr)
    assert ended, done.stderr
    assert int(ended[1]) == 400 or target != "reference"


@pytest.mark.load
def test_ctrl_c_cuts_the_load_short_and_what_was_sent_is_judged(tmp_path: Path) -> None:
    log = tmp_path / "locust.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command("--headless", "--out", str(tmp_path / "out"), "--target", TARGET, "--duration", "600"),
            cwd=REPOSITORY,
            stdout=output,
            stderr=output,
        )
    try:
        until_s = time.monotonic() + LONG_S
        while len(invoked_so_far := invoked(tmp_path / "out")) < 20:
            assert time.monotonic() < until_s, log.read_text()
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        code = process.wait(LONG_S)
    finally:
        process.kill()
    said = re.search(r"verdict: ([a-z ]+) \(exit code (\d+)\)", log.read_text())
    assert said, log.read_text()
    assert code == int(said[2])
    assert code in {0, 1, 3}
    assert len(invoked(tmp_path / "out")) >= len(invoked_so_far)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(("--duration", "-1"), "for_s -1"), (("--target", "nonexistent"), "no such target")],
)
def test_what_can_t_be_run_ends_with_exit_code_2_and_says_why(
    tmp_path: Path, arguments: tuple[str, str], told: str
) -> None:
    done = headless(tmp_path / "out", *arguments)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr


def test_distributed_mode_is_refused(tmp_path: Path) -> None:
    done = headless(tmp_path / "out", "--master", "--master-bind-port", str(free_port()))
    assert done.returncode == 2, done.stderr
    assert "distributed mode is not supported" in done.stderr


@pytest.mark.browser
def test_a_run_is_started_watched_and_stopped_in_chromium(tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on PATH: Locust's web UI is not tried in a browser")
    from playwright.sync_api import sync_playwright

    out = tmp_path / "out"
    with web_ui(out) as (url, process), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(LONG_S * 1000)
        page.goto(url)
        page.get_by_text("Custom parameters").click()
        for name in ("arrivals", "fault"):
            assert page.locator(f"select[name={name}] option").count() > 1
        page.locator("select[name=arrivals]").select_option("sustained")
        page.locator("select[name=fault]").select_option("none")
        page.locator("input[name=target]").fill(TARGET)
        page.locator("input[name=duration]").fill("600")
        page.get_by_role("button", name="Start", exact=True).click()
        page.get_by_role("cell", name="job (end to end)").wait_for()
        page.get_by_role("tab", name="Verdict").click()
        page.get_by_role("cell", name="none yet").wait_for()
        assert page.get_by_role("cell", name=TARGET, exact=True).count() == 1
        page.get_by_role("button", name="Stop", exact=True).click()
        page.get_by_text("STOPPED").wait_for()
        verdict = page.get_by_role("cell").filter(has_text=re.compile(r"^(pass|fail|inconclusive): "))
        for _ in range(int(LONG_S)):
            if verdict.count():
                break
            page.wait_for_timeout(1000)
            page.reload()
        assert verdict.count() == 1
        page.get_by_role("tab", name="Statistics").click()
        row = page.get_by_role("row").filter(has=page.get_by_role("cell", name="enqueue"))
        enqueued = int(row.get_by_role("cell").nth(2).inner_text())
        browser.close()
        process.terminate()
        assert process.wait(LONG_S) in {0, 1, 3}
    events = invoked(out)
    assert [event["job"] for event in events] == [f"w-{number:04d}" for number in range(1, enqueued + 1)]
    assert len(spacing_ns(events)) == 1
