"""What the documents say holds: the map is the tree, examples are the files, commands exist."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from scenarios.cli import parser
from system.reference import events

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
    commands = [
        shlex.split(line.partition("#")[0])[1:] for line in README.splitlines() if line.startswith("stormproof ")
    ]
    assert len(commands) >= 8
    for words in commands:
        parser().parse_args(words)


def test_every_link_of_the_documents_leads_to_a_file() -> None:
    for text in (README, ARCHITECTURE):
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (ROOT / link).exists(), link


def test_the_table_of_events_is_the_code_s_own() -> None:
    rows = [re.sub(r"\s+", " ", line).strip() for line in (events.__doc__ or "").splitlines() if line.startswith("| ")]
    assert len(rows) == 9
    for row in rows[1:]:
        assert row in [re.sub(r"\s+", " ", line).strip() for line in ARCHITECTURE.splitlines()]
