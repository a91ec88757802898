"""Our own log: JSON lines on standard error, with bounded fields and never a line, a value or a payload."""

import logging
import sys

import structlog


def configure(*, verbose: bool, level: str = "info") -> None:
    """Set up structlog, and quieten every library that would print bodies or keys."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.getLevelName(level.upper())),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # At DEBUG these print request bodies and the write key.
    for name in ("segment", "urllib3", "requests", "watchdog"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
