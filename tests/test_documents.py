"""What the documents say holds: the map is the tree, examples are the files, commands exist."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.cli import parser
from system.reference import events, scripts
from system.reference.cli import _parser as reference_parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")


def mapped_folders() -> set[str]:
    """The first column of the map."""
    table = ARCHITECTURE.split("## Map")[1].split("## ")[0]
    return set(re.findall(r"^\| `([^`]+)`", table, re.MULTILINE))


def tracked_folders() -> set[str]:
    """Folders with files of ours, as git knows them."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return {str(Path(name).parent) for name in listed} - {"."}


def test_the_map_names_every_folder_with_code_and_no_other() -> None:
    tree = tracked_folders()
    mapped = mapped_folders()
    assert not {folder for folder in mapped if not (ROOT / folder).is_dir()}
    covered_whole = ("tests", "tools", "docs", ".github", ".ci")
    unmapped = {folder for folder in tree if folder not in mapped and folder.split("/")[0] not in covered_whole}
    assert unmapped <= {"system", "system/kit"}


@pytest.mark.parametrize("name", ["list_queue.py", "scenario_mail.py"])
def test_the_readme_shows_the_example_as_it_is(name: str) -> None:
    assert (ROOT / "docs" / "examples" / name).read_text("utf-8").rstrip() in README


def test_every_command_of_the_readme_is_one_that_the_command_line_takes() -> None:
    for words in commands():
        if words[0] == "stormproof":
            parser().parse_args(words[1:])
    taken = [reference_parser().parse_args(words[1:]) for words in commands("stormq ")]
    assert len(taken) >= 8


def commands(programs: tuple[str, ...] | str = ("stormproof ", "pytest ")) -> list[list[str]]:
    """What the README calls, without what needs a hand: make, Locust, a path to be filled in."""
    blocks = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    lines = [line.partition("#")[0] for block in blocks for line in block.splitlines()]
    found = [shlex.split(line) for line in lines if line.startswith(programs)]
    return [words for words in found if not any("path/to" in word for word in words)]


def takes_minutes(words: list[str]) -> bool:
    return words == ["stormproof", "run"] or (words[1] != "validate" and "rq" in words)


def perform(words: list[str], folder: Path) -> int:
    """Run it as a reader would, but in a folder of its own, whose documents are ours."""
    if not (folder / "docs").exists():
        (folder / "docs").symlink_to(ROOT / "docs")
    program = Path(sys.executable).with_name(words[0])
    done = subprocess.run([program, *words[1:]], cwd=folder, capture_output=True, text=True, timeout=400, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode


@pytest.mark.timeout(300)
def test_the_readme_s_commands_do_what_it_says(tmp_path: Path) -> None:
    """Those that run something go first: the others look at what it left."""
    chosen = [words for words in commands() if not takes_minutes(words)]
    assert len(chosen) >= 8
    for words in sorted(chosen, key=lambda words: words[1] != "run"):
        assert perform(words, tmp_path) == 0, words


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_readme_s_long_commands_end_with_a_verdict(tmp_path: Path) -> None:
    """Stock RQ is run as it is found, so its verdict may be a fail; but it must be one."""
    for words in filter(takes_minutes, commands()):
        assert perform(words, tmp_path) in ({0} if words == ["stormproof", "run"] else {0, 1}), words


def test_every_link_of_the_documents_leads_to_a_file() -> None:
    for text in (README, ARCHITECTURE):
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (ROOT / link).exists(), link


def test_the_table_of_events_is_the_code_s_own() -> None:
    rows = [re.sub(r"\s+", " ", line).strip() for line in (events.__doc__ or "").splitlines() if line.startswith("| ")]
    assert len(rows) == 13
    for row in rows[1:]:
        assert row in [re.sub(r"\s+", " ", line).strip() for line in ARCHITECTURE.splitlines()]


def test_the_table_of_transitions_names_each_script_and_no_other() -> None:
    table = ARCHITECTURE.split("| transition | by |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| ([a-z_, ]+) \|", table, re.MULTILINE)
    assert {name for row in rows for name in row.split(", ")} == set(scripts.TRANSITIONS)


@pytest.mark.parametrize("name", scripts.TRANSITIONS)
def test_each_script_begins_with_what_it_needs_does_and_answers(name: str) -> None:
    text = (scripts.HOME / f"{name}.lua").read_text("utf-8")
    header = text.split("\nlocal ")[0]
    assert header.startswith(f"-- {name}: ")
    assert [
        word for word in ("-- ARGV: ", "-- Precondition", "-- Effect", "-- Reply: ") if f"\n{word}" not in header
    ] == []
