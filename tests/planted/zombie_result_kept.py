"""A report that comes too late changes no state, but its result is kept, and is the newest.

`results` must find it: a result names its run, so a superseded run's is known.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["ZombieResultKept", "task"]


class ZombieResultKept(Variant):
    """The result is stored before anybody looks whose lease it is."""

    name = "zombie-result-kept"
    places = (
        Place(
            "complete",
            """if not holds(queue, id, exec) then
""",
            """if not holds(queue, id, exec) then
  redis.call('XADD', results_key(id), 'MAXLEN', RESULTS_MAX, '*', 'type', 1, 'worker_name', worker,
    'return_value', result)
""",
        ),
    )


if __name__ == "__main__":
    ZombieResultKept.main()
