"""A stored run in, text out: objectives, HTML, JUnit, Markdown, plots. Pure: no Redis, no clock, no randomness."""

import os
from pathlib import Path

# Matplotlib keeps a font cache. In a checkout it belongs beside the other caches and not into the user's home.
_CACHES = Path(__file__).parents[1] / ".stormproof"
if _CACHES.is_dir():
    os.environ.setdefault("MPLCONFIGDIR", str(_CACHES / "matplotlib"))
