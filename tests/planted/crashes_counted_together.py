"""Crashes and stalls are counted for the queue and not for the job: the third one buries whomever it meets.

`dead_letters` must find it, in `poison`: jobs end as crashed before their process has died as often as the policy says.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["CrashesCountedTogether", "task"]


class CrashesCountedTogether(Variant):
    """One counter for all."""

    name = "crashes-counted-together"
    places = (
        Place("prelude", "bump(job_key(id), counter) >= bound", "bump(sp_key('sweep', queue), counter) >= bound"),
    )


if __name__ == "__main__":
    CrashesCountedTogether.main()
