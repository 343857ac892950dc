"""A claim takes the job off its list and leases it to nobody: who dies meanwhile takes it along.

As (BL)POP does, resque/resque#93. `lost` must find it: after a kill the job is in no key, and nobody's to take back.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["LeaseForgotten", "task"]


class LeaseForgotten(Variant):
    """The lease is not written."""

    name = "lease-forgotten"
    places = (
        Place(
            "claim",
            """  redis.call('ZADD', sp_key('lease', queue), 'GT', int(now_us + lease_us), id)
""",
            "",
        ),
    )


if __name__ == "__main__":
    LeaseForgotten.main()
