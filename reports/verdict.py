"""Verdicts, and how several become one: fail > inconclusive > pass; the other two have no effect and are shown."""

from collections.abc import Iterable
from enum import StrEnum


class Verdict(StrEnum):
    """What was concluded. Inconclusive: the run can't tell. Not applicable: the target has no such ability.

    Not judged: the policy asks for more samples or a longer window than this campaign could supply.
    """

    PASS = "pass"  # noqa: S105  # a verdict, no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOT_APPLICABLE = "not applicable"
    NOT_JUDGED = "not judged"

    @property
    def rank(self) -> int:
        """Place in every list, worst first: fail 0, inconclusive 1, pass 2, then those without effect."""
        return _ORDER.index(self)


_ORDER = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS, Verdict.NOT_JUDGED, Verdict.NOT_APPLICABLE)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The verdict of a whole. Nothing at all was examined: inconclusive, since zero samples never pass."""
    return min(verdicts, key=lambda verdict: verdict.rank, default=Verdict.INCONCLUSIVE)
