"""Logs: one JSON object a line on standard error, or a readable line where a person looks at a terminal."""

import logging
import sys
from collections.abc import Iterable
from typing import Any

import structlog

# Keys whose values never reach a log, whoever logs them.
_SECRET_KEYS = frozenset(
    {"password", "secret", "authorization", "api_key", "credential", "database_url", "token", "digits"}
)
_QUIET = ("aiohttp.access", "asyncio", "alembic", "httpx", "httpcore", "procrastinate", "_granian")


def configure_logs(role: str, *, plain: bool = False) -> None:
    """`plain` forces JSON: a supervisor reads it and shows it itself."""
    readable = sys.stderr.isatty() and not plain
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _naming(role),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide_secrets,
    ]
    shown: list[Any] = (
        [structlog.dev.ConsoleRenderer()]
        if readable
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*before, *shown],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _capture_standard_logging(before, shown)


def _capture_standard_logging(before: Iterable[Any], shown: Iterable[Any]) -> None:
    """Libraries log through `logging`: the same lines, warnings and up."""
    handler = logging.StreamHandler(sys.stderr)
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=[*before], processors=[remove_meta, *shown])
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _naming(role: str) -> Any:
    def name(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        event["role"] = role
        return event

    return name


def hide_secrets(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    for key in event:
        if key.lower() in _SECRET_KEYS and event[key]:
            event[key] = "(hidden)"
    return event
