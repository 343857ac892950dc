"""Set-up as a user meets it: what it says when something cannot be had, and that an interruption leaves nothing."""

import ast
import os
import signal
import socket
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.tools.conftest import ROOT, Checkout

EXIT_CANNOT = 4
EXIT_INTERRUPTED = 130


def one_message(done: subprocess.CompletedProcess[str]) -> str:
    """What a user reads, of a set-up that could not go on."""
    assert done.returncode == EXIT_CANNOT, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stderr


def test_an_older_python_is_told_so_and_how_to_name_another(checkout: Checkout) -> None:
    said = one_message(checkout.set_up("sys.version_info = (3, 9, 2)"))
    assert "needs Python 3.11 or newer" in said
    assert "make setup PYTHON=" in said
    assert not (checkout.root / ".venv").exists()


def test_the_door_can_be_read_by_a_much_older_python() -> None:
    source = (ROOT / "tools/setup/__main__.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 6))


def test_another_system_is_told_so(checkout: Checkout) -> None:
    assert "runs on Linux only" in one_message(checkout.set_up("sys.platform = 'darwin'"))


def test_a_python_without_its_venv_module_is_told_which_package_has_it(checkout: Checkout) -> None:
    said = one_message(checkout.set_up("sys.modules['ensurepip'] = None"))
    assert "python3-venv" in said


def test_no_package_index_ends_in_one_message_that_says_what_to_set(checkout: Checkout) -> None:
    done = checkout.set_up()
    said = one_message(done)
    assert "uv " in said
    assert "PIP_INDEX_URL" in said
    assert "make setup" in said
    assert "virtual environment" in done.stdout, "each step is named as it runs"


def test_a_folder_that_cannot_be_written_is_a_message(checkout: Checkout) -> None:
    (checkout.root / ".stormproof").touch()
    assert ".stormproof" in one_message(checkout.set_up())


def test_nothing_is_written_outside_the_checkout(checkout: Checkout) -> None:
    one_message(checkout.set_up())
    assert list(Path(checkout.env["HOME"]).iterdir()) == []


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupted_set_up_says_how_to_go_on_and_leaves_no_process(checkout: Checkout, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(120)
        env = {**checkout.env, "PIP_INDEX_URL": f"http://127.0.0.1:{silent.getsockname()[1]}/"}
        process = subprocess.Popen(
            checkout.argv("pass"), cwd=checkout.root, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        asked, _ = silent.accept()  # pip, which gets no answer
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.send_signal(signal.Signals[name])
        _, said = process.communicate(timeout=60)
        asked.close()
    assert process.returncode == EXIT_INTERRUPTED, said
    assert "make setup" in said
    assert "Traceback" not in said
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_a_second_set_up_of_one_checkout_waits_for_the_first(checkout: Checkout) -> None:
    state = checkout.root / ".stormproof"
    state.mkdir()
    holder = subprocess.Popen(
        ["flock", str(state / "lock"), "sh", "-c", "echo held; read line"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    second = subprocess.Popen(
        checkout.argv("sys.modules['ensurepip'] = None"),
        cwd=checkout.root,
        env={**checkout.env, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert second.stdout is not None
    assert "waiting for it" in second.stdout.readline()
    assert second.poll() is None
    holder.communicate("\n", timeout=30)
    second.communicate(timeout=60)
    assert second.returncode == EXIT_CANNOT, "it went on, to where this machine's lack of venv ends it"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_set_up_in_full_then_nothing_to_do_then_what_was_removed_comes_back(checkout: Checkout) -> None:
    """With the network of the machine: the whole chain, once."""
    kept = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    real = Checkout(checkout.root, {**kept, "HOME": checkout.env["HOME"]})
    first = real.set_up()
    assert first.returncode == 0, first.stderr
    assert "Toxiproxy" in first.stdout
    again = real.set_up()
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    (real.root / ".stormproof/bin/toxiproxy-server").unlink()
    (real.root / ".venv/bin/python").unlink()
    repaired = real.set_up()
    assert repaired.returncode == 0, repaired.stderr
    assert (real.root / ".stormproof/bin/toxiproxy-server").is_file()
    assert (
        subprocess.run([real.root / ".venv/bin/python", "-c", "import redis, rq, system"], check=False).returncode == 0
    )
    assert list(Path(real.env["HOME"]).iterdir()) == []
