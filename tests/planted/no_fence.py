"""An outcome is taken from whoever brings it: a zombie, whose lease ended long ago, completes the job.

`results` must find it: what is stored names a run that was superseded before its end.
"""

from tests.planted.variant import Place, Variant, task

__all__ = ["NoFence", "task"]


class NoFence(Variant):
    """Only a repeated report is told apart."""

    name = "no-fence"
    places = (
        Place(
            "complete",
            """if not holds(queue, id, exec) then
  return {was_taken(id, exec, 'complete') and 'replayed' or 'lost'}
end""",
            "if was_taken(id, exec, 'complete') then return {'replayed'} end",
        ),
    )


if __name__ == "__main__":
    NoFence.main()
