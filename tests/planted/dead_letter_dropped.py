"""A job that has used up its attempts is forgotten instead of buried."""

from tests.planted.variant import Variant, task

__all__ = ["DeadLetterDropped", "task"]


class DeadLetterDropped(Variant):
    """The lease is dropped, and no dead letter written."""

    name = "dead-letter-dropped"
    script = "fail"
    sound = "  bury(queue, id, KINDS[kind], iso, settled)\n"
    buggy = "  redis.call('DEL', key)\n"


if __name__ == "__main__":
    DeadLetterDropped.main()
