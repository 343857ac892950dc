"""Every mutation, each under its function's name."""

from dataclasses import replace
from typing import Final

from tests.mutations import ends, leavings, limits, safety, tries
from tests.mutations.scene import Mutation

MUTATIONS: Final[tuple[Mutation, ...]] = tuple(
    replace(each, name=each.make.__name__)
    for each in (*safety.MUTATIONS, *tries.MUTATIONS, *limits.MUTATIONS, *ends.MUTATIONS, *leavings.MUTATIONS)
)
