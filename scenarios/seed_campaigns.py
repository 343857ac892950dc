"""Campaigns side by side, each a process of its own: one that fails, or hangs, costs the others nothing.

Each has its own Redis, ports and Toxiproxy, its own interpreter (threads of one would make each other late), and its
own guardian. It is told to stop when we end, however we end.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chaos.errors import HarnessError
from reports.run_record import RecordError, load
from scenarios.seed_rows import Row, row_of

ROOT: Final = Path(__file__).resolve().parent.parent
PR_SET_PDEATHSIG: Final = 1
POLL_S: Final = 0.2
CAMPAIGN_S_MAX: Final = 3600.0
END_S: Final = 30.0
STORED_HISTORY: Final = "history.parquet"
LOG_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Campaigns:
    """How each seed is run: ``scenarios`` of the catalogue ([]: all), a folder a seed below ``out``."""

    out: Path
    scenarios: Sequence[str] = ()
    seconds_max: float = CAMPAIGN_S_MAX

    def run(self, seeds: Iterable[int], at_once: int, *, hog: bool, told: Callable[[Row], None]) -> None:
        """All of them, ``at_once`` at a time; ``told`` hears of each as it ends. ``hog``: only noted in the rows."""
        waiting, running = deque(seeds), list[_Child]()
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    running.append(_Child(self, waiting.popleft()))
                for child in [each for each in running if each.over]:
                    running.remove(child)
                    told(child.row(hog=hog))
                time.sleep(POLL_S)
        finally:
            for child in running:
                child.process.terminate()
            for child in running:
                child.end()


class _Child:
    """One campaign. It is spawned by the thread that waits for it, whose end it is told of."""

    def __init__(self, campaigns: Campaigns, seed: int) -> None:
        self.seed, self.folder = seed, campaigns.out / str(seed)
        shutil.rmtree(self.folder, ignore_errors=True)  # of a run that was interrupted
        self.folder.mkdir(parents=True)
        self.log = self.folder / "campaign.log"
        words = ["run", "--target", "reference", "--seed", str(seed), "--out", str(self.folder.resolve())]
        words += [word for name in campaigns.scenarios for word in ("--scenario", name)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "scenarios.seed_campaigns", str(os.getpid()), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
            )
        self.until_s = time.monotonic() + campaigns.seconds_max

    @property
    def over(self) -> bool:
        """Whether it has ended; one that takes too long is ended here."""
        if self.process.poll() is None and time.monotonic() > self.until_s:
            self.process.terminate()
            self.end()
        return self.process.poll() is not None

    def end(self) -> None:
        """Wait until it has cleaned up."""
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def row(self, *, hog: bool) -> Row:
        """What it came to. Every history stays, for later checkers; the rest only where it was not lawful."""
        try:
            (path,) = self.folder.glob("*-*/run.json")
            row = row_of(load(path), self.seed, hog=hog)
        except (ValueError, RecordError, OSError) as error:
            why = f"exit code {self.process.returncode}: {self._said() or error}"
            return Row(seed=self.seed, hog=hog, error=why)
        if not row.keeps_logs:
            for each in path.parent.glob("*/*/*"):
                if each.name == STORED_HISTORY:
                    continue
                if each.is_dir():
                    shutil.rmtree(each)
                else:
                    each.unlink()
        return row

    def _said(self) -> str:
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line and line[0] != " "]
        return " ".join(lines[-LOG_LINES:])  # progress is indented


def end_with(parent: int) -> None:
    """Have the kernel send us SIGTERM when the thread of ``parent`` that spawned us ends; it may have by now."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        raise HarnessError(f"prctl(PR_SET_PDEATHSIG): {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        raise HarnessError("whoever started this campaign is gone")


def main() -> int:
    """One campaign, as ``stormproof`` would run it."""
    from scenarios.cli import main as stormproof

    end_with(int(sys.argv[1]))
    return stormproof(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
