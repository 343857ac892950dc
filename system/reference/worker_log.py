"""A worker's log: lines on standard error, without secrets."""

import logging
from typing import Final

from .redaction import redact_text

FORMAT: Final = "%(asctime)s %(name)s %(levelname)s %(message)s"
LINE_MAX: Final = 16_384  # looking for secrets takes its time
_formatter: Final = logging.Formatter()


def _cut(text: str) -> str:
    return text if len(text) <= LINE_MAX else f"{text[:LINE_MAX]}... ({len(text)} characters)"


class Redacting(logging.Filter):
    """Takes secrets out of a line and of its traceback, whoever wrote it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record; it is kept always."""
        try:
            record.msg, record.args = redact_text(_cut(record.getMessage())), None
        except (TypeError, ValueError):  # its arguments don't fit its text: nothing of them is shown
            record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = _formatter.formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact_text(_cut(record.exc_text))
        return True


def set_up() -> None:
    """Log to standard error unless the program has done so already; redact what the root's handlers write."""
    logging.basicConfig(level=logging.INFO, format=FORMAT)
    for handler in logging.getLogger().handlers:
        if not any(isinstance(each, Redacting) for each in handler.filters):
            handler.addFilter(Redacting())
