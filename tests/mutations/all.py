"""Every mutation, each under its function's name."""

from dataclasses import replace
from typing import Final

from tests.mutations import ends, limits, safety
from tests.mutations.scene import Mutation

MUTATIONS: Final[tuple[Mutation, ...]] = tuple(
    replace(each, name=each.make.__name__) for each in (*safety.MUTATIONS, *limits.MUTATIONS, *ends.MUTATIONS)
)
