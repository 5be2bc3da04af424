"""Reading what a service reports about a failure: error bodies, headers, and the next step."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from itertools import islice
from typing import cast

from incident_mcp.records.clock import utc_now
from incident_mcp.records.record import Json, part, shorten
from incident_mcp.records.text import inert
from incident_mcp.transport.operation import Request

_LONGEST_DATE = 64
_LONGEST_ID = 80
MAX_SAID = 300
"""Characters of a service's own message that an error repeats."""


@dataclass(frozen=True)
class Problem:
    """The content of an error body, in the shape of either service."""

    type: str
    messages: tuple[tuple[str, str], ...]
    """(field or empty, message) pairs, at most ten."""
    request_id: str = ""

    def sentence(self) -> str:
        """Join the messages, each with its field."""
        joined = "; ".join(f"{message} ({field})" if field else message for field, message in self.messages)
        return joined.rstrip(".")


_KINDS = ("type", "error", "title", "code")
"""Keys of the kind of error: incident.io, NestJS, RFC 9457, others."""
_LISTS = ("errors", "message", "detail", "error_description", "error")
"""Keys of the messages: a text, an object, or several of either."""
_MESSAGES = ("message", "detail", "msg", "description", "reason", "title", "code")
_FIELDS = ("field", "pointer", "parameter", "property", "loc", "path")
_DEEPEST = 4
MAX_MESSAGES = 10


def read_problem(body: object) -> Problem | None:
    """Read an error body: incident.io's, NestJS's (Ionhour), RFC 9457, JSON:API or another one alike; else None."""
    record = cast("Json", body) if isinstance(body, dict) else {"errors": body}
    kind = _first(map(_kind, (record.get(name) for name in _KINDS)))
    found = [pair for name in _LISTS for pair in _read_messages(record.get(name), "", _DEEPEST)]
    pairs = {text: (field, text) for field, text in found if text != kind}
    if not kind and not pairs:
        return None
    return Problem(kind, tuple(pairs.values())[:MAX_MESSAGES], _short(record.get("request_id")))


def _kind(value: object) -> str:
    # An RFC 9457 type is an address; its title says the same in words.
    text = _short(value)
    return "" if ":" in text else text


def _first(texts: Iterable[str]) -> str:
    """Return the first text that is not empty."""
    return next(filter(None, texts), "")


_Messages = list[tuple[str, str]]
"""(field or empty, message) pairs."""


def _read_messages(value: object, field: str, depth: int) -> _Messages:
    """Read the messages of a text, of an object with a message or with fields, or of a list of them."""
    if isinstance(value, str):
        text = _short(value).rstrip(".")
        return [(field, text)] if text else []
    if isinstance(value, list) and depth:
        return _read_each(((field, item) for item in cast("list[object]", value)), depth)
    return _read_entry(cast("Json", value), field, depth) if isinstance(value, dict) and depth else []


def _read_each(items: Iterable[tuple[str, object]], depth: int) -> _Messages:
    # Bounded, since an error repeats only some.
    return [pair for field, item in islice(items, MAX_MESSAGES) for pair in _read_messages(item, field, depth - 1)]


def _read_entry(entry: Json, field: str, depth: int) -> _Messages:
    source = {**entry, **part(entry, "source")}
    field = _first(_field(source.get(key)) for key in _FIELDS) or field
    if text := _first(_short(entry.get(key)) for key in _MESSAGES):
        return [(field, text.rstrip("."))]
    if constraints := part(entry, "constraints"):
        return _read_messages(list(constraints.values()), field, depth - 1)
    return _read_each(((field if name in _LISTS else _short(name), item) for name, item in entry.items()), depth)


def _field(value: object) -> str:
    if isinstance(value, list):
        value = ".".join(str(item) for item in cast("list[object]", value)[:_DEEPEST])
    return _short(value).strip("/").replace("/", ".")


def _short(value: object) -> str:
    return shorten(inert(value), MAX_SAID) if isinstance(value, str) else ""


def retry_after(headers: Mapping[str, str], body: object) -> float | None:
    """Read the seconds to wait: from the header, as seconds or a date, else from the body's `retry_after`."""
    text = headers.get("retry-after") or _retry_after_of(body)
    if len(text) > _LONGEST_DATE:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", text.strip()):
        return float(text)
    when = _instant(text)
    return None if when is None else max(0.0, (when - utc_now()).total_seconds())


def _retry_after_of(body: object) -> str:
    record = cast("Json", body) if isinstance(body, dict) else {}
    limit = {**record, **part(record, "rate_limit")}
    value = limit.get("retry_after") or limit.get("retryAfter")
    return "" if isinstance(value, bool) or not isinstance(value, str | int | float) else str(value)


def read_request_id(headers: Mapping[str, str]) -> str | None:
    """Read the service's id of the request, for its support."""
    return shorten(_short(headers.get("x-request-id")), _LONGEST_ID) or None


@lru_cache(maxsize=16)
def read_date(text: str) -> float | None:
    """Read a `Date` header as Unix seconds."""
    when = _instant(text) if len(text) <= _LONGEST_DATE else None
    return None if when is None else when.timestamp()


_DENIALS = {"success": (False, "false"), "ok": (False, "false"), "status": ("error", "failed", "failure")}


def denies(body: object) -> bool:
    """Return whether the JSON of a 2xx response reports a failure."""
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


def next_step(status: int, key_variable: str, host: str, request: Request) -> str:
    """Return what to do about a status when the request has no better advice."""
    steps = {
        401: f"The key in {key_variable} is not valid for {host}: set a current one and start the server again.",
        403: f"The key in {key_variable} may not {_forbidden(request)}.",
        404: "It does not exist, or this key may not see it.",
        405: f"{host} does not offer this operation at this address.",
        409: "It was changed at the same time: read it again, then decide.",
        412: "Its present state does not allow this: read it again, then decide.",
        413: "Send less text.",
    }
    redirect = f"Redirects are not followed: check the address setting for {host}." if 300 <= status < 400 else ""
    return steps.get(status, redirect)


def _forbidden(request: Request) -> str:
    if request.scope:
        return f"do this: it needs the scope {request.scope}"
    return "read this" if request.method == "GET" else "do this: it may be one that only reads"
