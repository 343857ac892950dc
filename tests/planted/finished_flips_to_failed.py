"""A slot that ends after its job was done takes the job for one that it killed: what is finished is dead, too.

`states` must find it, at the latest when workers are stopped.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["FinishedFlipsToFailed", "task"]


class FinishedFlipsToFailed(Variant):
    """Whatever a slot had last is what it held."""

    name = "finished-flips-to-failed"
    places = (
        Place(
            "claim",
            """remember('', '')
""",
            """remember(known[3] or '', known[4] or '')
""",
        ),
        Place(
            "slot_dead",
            "if not held then return {'applied', 'none'} end",
            """if not held then
  if queue and queue ~= '' then bury(queue, id, 'crashed', iso, exec .. ' slot_dead') end
  return {'applied', 'none'}
end""",
        ),
    )


if __name__ == "__main__":
    FinishedFlipsToFailed.main()
