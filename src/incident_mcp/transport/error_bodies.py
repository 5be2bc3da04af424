"""How a service's refusals and failures read: who answered what, why, and the next step."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import cast

from incident_mcp.records.record import Json, part, shorten
from incident_mcp.records.text import inert
from incident_mcp.transport.operation import Request

_LONGEST_DATE = 64
_LONGEST_ID = 80
MOST_SAID = 300
"""Characters of a service's own message that an error repeats."""


@dataclass(frozen=True)
class Problem:
    """The content of an error body, in the shape of either service."""

    type: str
    messages: tuple[tuple[str, str], ...]
    """(field or empty, message) pairs, of which at most ten are kept."""
    request_id: str | None = None

    def sentence(self) -> str:
        """Join the messages, each with its field."""
        joined = "; ".join(f"{message} ({field})" if field else message for field, message in self.messages)
        return joined.rstrip(".")


_KINDS = ("type", "error", "title", "code")
"""Where an error body says what kind of error it is: incident.io, NestJS, RFC 9457, others."""
_LISTS = ("errors", "message", "detail", "error_description", "error")
"""Where it says what is wrong: a text, an object, or several of either."""
_MESSAGES = ("message", "detail", "msg", "description", "reason", "title", "code")
_FIELDS = ("field", "pointer", "parameter", "property", "loc", "path")
_DEEPEST = 4
MOST_MESSAGES = 10


def read_problem(body: object) -> Problem | None:
    """Read an error body: incident.io's, NestJS's (Ionhour), RFC 9457, JSON:API or another one alike; else None."""
    record = cast("Json", body) if isinstance(body, dict) else {"errors": body}
    kinds = (_short(record.get(name)) for name in _KINDS)
    # An RFC 9457 type is an address, whose title says the same in words.
    kind = next((kind for kind in kinds if kind and ":" not in kind), "")
    found = [pair for name in _LISTS for pair in _read_messages(record.get(name), deeper=_DEEPEST)]
    pairs = {text: (field, text) for field, text in found if text != kind}
    if not kind and not pairs:
        return None
    return Problem(kind, tuple(pairs.values())[:MOST_MESSAGES], _short(record.get("request_id")) or None)


def _read_messages(value: object, field: str = "", *, deeper: int) -> list[tuple[str, str]]:
    """Return (field, message) pairs of a text, of an object with a message or with fields, or of a list of them."""
    if isinstance(value, str):
        text = _short(value).rstrip(".")
        return [(field, text)] if text else []
    if not deeper or not isinstance(value, dict | list):
        return []
    if isinstance(value, list):
        # Bounded, since only some are repeated.
        items = cast("list[object]", value)[:MOST_MESSAGES]
        return [pair for item in items for pair in _read_messages(item, field, deeper=deeper - 1)]
    entry = cast("Json", value)
    source = {**entry, **part(entry, "source")}
    field = next((name for key in _FIELDS if (name := _field(source.get(key)))), field)
    if text := next((text for key in _MESSAGES if (text := _short(entry.get(key)))), ""):
        return [(field, text.rstrip("."))]
    if constraints := part(entry, "constraints"):
        return _read_messages(list(constraints.values()), field, deeper=deeper - 1)
    named = [(field if name in _LISTS else _short(name), item) for name, item in list(entry.items())[:MOST_MESSAGES]]
    return [pair for name, item in named for pair in _read_messages(item, name, deeper=deeper - 1)]


def _field(value: object) -> str:
    if isinstance(value, list):
        value = ".".join(str(item) for item in cast("list[object]", value)[:_DEEPEST])
    return _short(value).strip("/").replace("/", ".")


def _short(value: object) -> str:
    return shorten(inert(value), MOST_SAID) if isinstance(value, str) else ""


def retry_after(headers: Mapping[str, str], body: object) -> float | None:
    """Read how many seconds to wait: the header as seconds or a date, else the body's `retry_after`."""
    record = cast("Json", body) if isinstance(body, dict) else {}
    limit = {**record, **part(record, "rate_limit")}
    text = headers.get("retry-after") or limit.get("retry_after") or limit.get("retryAfter")
    text = str(text) if isinstance(text, int | float) and not isinstance(text, bool) else text
    if not isinstance(text, str) or len(text) > _LONGEST_DATE:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", text.strip()):
        return float(text)
    when = _instant(text)
    return None if when is None else max(0.0, (when - datetime.now(UTC)).total_seconds())


def read_request_id(headers: Mapping[str, str]) -> str | None:
    """Read what the service calls the request, for its support."""
    return shorten(_short(headers.get("x-request-id")), _LONGEST_ID) or None


@lru_cache(maxsize=16)
def read_date(text: str) -> float | None:
    """Read a `Date` header as Unix seconds."""
    when = _instant(text) if len(text) <= _LONGEST_DATE else None
    return None if when is None else when.timestamp()


_DENIALS = {"success": (False, "false"), "ok": (False, "false"), "status": ("error", "failed", "failure")}


def denies(body: object) -> bool:
    """Return whether the JSON of a 2xx answer reports that nothing was done."""
    if not isinstance(body, dict):
        return False
    record = cast("Json", body)
    denied = any(name in record and record[name] in values for name, values in _DENIALS.items())
    code = record.get("statusCode")
    return denied or bool(record.get("error") or record.get("errors")) or (isinstance(code, int) and code >= 400)


def _instant(text: str) -> datetime | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            when = read(text)
        except (ValueError, OverflowError, TypeError):
            continue
        return when if when.tzinfo else when.replace(tzinfo=UTC)
    return None


def _forbidden(request: Request) -> str:
    if request.scope:
        return f"do this: it needs the scope {request.scope}"
    return "read this" if request.method == "GET" else "do this: it may be one that only reads"


def next_step(status: int, key_variable: str, host: str, request: Request) -> str:  # noqa: PLR0911  # a table
    """Return what to do about a status, when nothing nearer to the call knows better."""
    match status:
        case 401:
            return f"The key in {key_variable} is not valid for {host}: set a current one and start the server again."
        case 403:
            return f"The key in {key_variable} may not {_forbidden(request)}."
        case 404:
            return "It does not exist, or this key may not see it."
        case 409:
            return "Somebody changed it at the same time: read it again, then decide."
        case 412:
            return "Its present state does not allow this: read it again, then decide."
        case 413:
            return "Send less text."
        case 405:
            return f"{host} does not offer this operation at this address."
        case _ if 300 <= status < 400:
            return f"Redirects are not followed: check the address setting for {host}."
        case _:
            return ""
