"""Logs as JSON: one object a line on stderr, with the trace that it belongs to."""

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO, cast

from opentelemetry.trace import get_current_span

from incident_mcp.records.record import Json
from incident_mcp.records.text import inert

LONGEST_MESSAGE = 4_000
"""Characters."""
MOST_FRAMES = 30
MOST_CAUSES = 5
_ACCESS = "uvicorn.access"
_AUTHORIZATION = re.compile(r"(?i)\b(bearer|basic)(\s{1,3})[\w.~+/=-]{1,4000}")


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON: never a query string, a credential or the text of an exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        fields: Json = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": _safe(_message(record)),
        }
        if record.exc_info and record.exc_info[1] is not None:
            fields["exception"] = describe_exception(record.exc_info[1])
        context = get_current_span().get_span_context()
        if context.is_valid:
            fields |= {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}
        return json.dumps(fields)


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to stderr. A record that cannot be written is dropped: the usual report of that would quote it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name
        """Drop a record."""


def configure_json_logging() -> None:
    """Log warnings, and what this package and uvicorn log, to stderr as JSON.

    uvicorn needs `log_config=None` to leave that alone.
    """
    handler = _Handler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("uvicorn", "uvicorn.error", _ACCESS):
        logger = logging.getLogger(name)
        if not logger.handlers and not logger.propagate:
            # uvicorn turned its access log off: in a worker it does so before the app is built.
            continue
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.INFO)
    logging.getLogger("incident_mcp").setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    # At INFO it logs every URL with its query.
    logging.getLogger("httpx2").setLevel(logging.WARNING)


def _message(record: logging.LogRecord) -> str:
    try:
        if record.name.startswith("uvicorn.") and isinstance(record.args, tuple):
            return record.msg % tuple(_without_query(each) for each in record.args)
        return record.getMessage()
    except Exception as error:  # noqa: BLE001  # the arguments do not fit the message, or one has a faulty repr
        return f"{record.msg} ({type(error).__name__} while formatting)"


def _without_query(value: object) -> object:
    return value.partition("?")[0] if isinstance(value, str) else value


def _safe(text: str) -> str:
    """Return a text on one line, bounded, and without credentials."""
    cut = text[:LONGEST_MESSAGE]
    return inert(_AUTHORIZATION.sub(r"\1\2***", cut))[:LONGEST_MESSAGE] + ("…" if len(text) > LONGEST_MESSAGE else "")


def describe_exception(error: BaseException) -> list[Json]:
    """Return the types of an exception and its causes, and where each was raised: their texts may hold anything."""
    described: list[Json] = []
    pending: list[BaseException] = [error]
    while pending and len(described) < MOST_CAUSES:
        found = pending.pop(0)
        described.append({"type": f"{type(found).__module__}.{type(found).__qualname__}"[:200], "at": _frames(found)})
        if isinstance(found, BaseExceptionGroup):
            pending.extend(cast("BaseExceptionGroup[BaseException]", found).exceptions[:MOST_CAUSES])
        cause = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
        pending.extend([] if cause is None else [cause])
    return described


def _frames(error: BaseException) -> list[str]:
    """Return the innermost places of a traceback."""
    stack: TracebackType | None = error.__traceback__
    places = traceback.StackSummary.extract(traceback.walk_tb(stack), limit=-MOST_FRAMES, lookup_lines=False)
    return [f"{place.filename[-120:]}:{place.lineno} {place.name}"[:300] for place in places]
