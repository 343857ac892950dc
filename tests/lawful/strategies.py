"""Worlds for Hypothesis: a frame from a small number, jobs and blows as lists, so that they shrink."""

from dataclasses import replace
from random import Random

from hypothesis import strategies as st

from tests.lawful.draws import draw_frame, lawful_blows
from tests.lawful.world import FAULTS, SPECS, Blow, Enqueue, World, us

MOMENTS = st.integers(0, 400).map(lambda n: n * us(0.01))
JOBS = st.builds(
    Enqueue,
    at=MOMENTS,
    spec=st.sampled_from(tuple(dict.fromkeys(SPECS))),
    delay=st.sampled_from((0, 0, 0, us(0.3), us(1.0))),
    takes=st.sampled_from((us(0.001), us(0.05), us(0.3), us(0.9))),
)
BLOWS = st.builds(
    Blow,
    kind=st.sampled_from(tuple(dict.fromkeys(FAULTS))),
    at=MOMENTS,
    lasts=st.sampled_from((us(0.05), us(0.3), us(0.8), us(1.5), us(3.0))),
    whom=st.integers(0, 11),
)


@st.composite
def worlds(draw: st.DrawFn, wanting: str = "") -> World:
    """A whole world; the fewer jobs and blows the simpler."""
    frame = draw_frame(Random(draw(st.integers(0, 10_000))), wanting)
    jobs = sorted(draw(st.lists(JOBS, min_size=1, max_size=8)), key=lambda job: job.at)
    blows = draw(st.lists(BLOWS, max_size=4))
    noise = draw(st.integers(0, 255))
    return replace(frame, jobs=tuple(jobs), blows=tuple(lawful_blows(blows, frame)), noise=noise)
