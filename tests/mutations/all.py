"""Every mutation, each under its function's name."""

from dataclasses import replace
from typing import Final

from tests.mutations import ends, leavings, limits, outages, safety, told, tries, waits
from tests.mutations.scene import Mutation

MUTATIONS: Final[tuple[Mutation, ...]] = tuple(
    replace(each, name=each.make.__name__)
    for part in (safety, outages, told, tries, limits, waits, ends, leavings)
    for each in part.MUTATIONS
)
