"""The service's log: JSON lines on standard error, without patient data (promise P6).

Our own events name what happened with numbers and codes. Other libraries' messages may hold anything, so of those only
the logger, the level and the class of the exception are written.
"""

import logging
import sys
from typing import Any

import structlog
from pydantic_core import to_json


class _Foreign(logging.Handler):
    """Writes that a library had something to say, not what."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        fault = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        structlog.get_logger().log(record.levelno, "library.log", logger_name=record.name, fault=fault)


def _line(event: dict[str, Any], **_: object) -> str:
    return to_json(event, fallback=repr).decode()


def configure_log(level: str) -> None:
    """Make everything logged from now on a JSON line on standard error.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.

    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(_line),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_Foreign()]
    root.setLevel(logging.WARNING)
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # the relay says once what pika says at every attempt
