"""Something that is looked at beside a run, in a thread of its own, for as long as it is entered."""

import threading
from types import TracebackType
from typing import Self


class Beside:
    """``_look_on`` is what the thread does, until ``stopping`` is set. ``error`` is what ended it (None: nothing)."""

    def __init__(self, name: str) -> None:
        """``name`` of the thread, which starts when entered."""
        self.error: Exception | None = None
        self.stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End; waits for the look that is under way. Idempotent."""
        self.stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            self._look_on()
        except Exception as error:  # noqa: BLE001  # whoever entered asks for it, and ends this thread
            self.error = error

    def _look_on(self) -> None:
        raise NotImplementedError
