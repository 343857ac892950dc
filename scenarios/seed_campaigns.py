"""The catalogue on the reference under many seeds: a campaign a seed, and the row that is kept of it."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from reports.run_record import RecordError, load
from scenarios.children import Child, side_by_side
from scenarios.seed_rows import Row, row_of

CAMPAIGN_S_MAX: Final = 3600.0
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
        starts = [partial(_Campaign, self, seed) for seed in seeds]
        side_by_side(starts, at_once, lambda campaign: told(campaign.row(hog=hog)))


class _Campaign(Child):
    def __init__(self, campaigns: Campaigns, seed: int) -> None:
        self.seed = seed
        words = ["run", "--target", "reference", "--seed", str(seed)]
        words += [word for name in campaigns.scenarios for word in ("--scenario", name)]
        super().__init__(words, campaigns.out / str(seed), campaigns.seconds_max)

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
