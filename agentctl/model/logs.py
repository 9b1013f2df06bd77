"""What the SDK writes to standard error when ANTHROPIC_LOG asks for it, without what is secret."""

import logging

from agentctl.redaction import KNOWN, learn_own_keys


class RedactedFormatter(logging.Formatter):
    """Another formatter's lines, without secrets; tracebacks are a part of them."""

    def __init__(self, inner: logging.Formatter | None) -> None:
        super().__init__()
        self._inner = inner or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """Write a record down."""
        return KNOWN.text(self._inner.format(record))


def redact_logs() -> None:
    """Have every handler of the root logger, as the SDK sets them up, write no secret; may be called twice."""
    learn_own_keys()
    for handler in logging.getLogger().handlers:
        if not isinstance(handler.formatter, RedactedFormatter):
            handler.setFormatter(RedactedFormatter(handler.formatter))
