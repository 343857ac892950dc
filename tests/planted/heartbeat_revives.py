"""A heartbeat that was on its way while the job ended leases it anew; the sweep then gives it to somebody else.

`duplicates` must find it: the first run ended well and was reported, and no cause connects the second one.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["HeartbeatRevives", "task"]


class HeartbeatRevives(Variant):
    """Renews what it is asked to renew, whoever holds it."""

    name = "heartbeat-revives"
    places = (
        Place(
            "heartbeat",
            """  if holds(queue, id, exec) then
    redis.call('ZADD', sp_key('lease', queue), 'XX', 'GT', int(now_us + lease_us), id)""",
            """  if redis.call('EXISTS', job_key(id)) == 1 then
    redis.call('ZADD', sp_key('lease', queue), 'GT', int(now_us + lease_us), id)""",
        ),
    )


if __name__ == "__main__":
    HeartbeatRevives.main()
