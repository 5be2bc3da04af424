"""How a service's refusals and failures read: who answered what, why, and the next step."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import cast

from incident_mcp.models import Json, make_visible, part, parts, shorten

_LONGEST_DATE = 64
MOST_SAID = 300
"""Characters of a service's own message that an error repeats."""


@dataclass(frozen=True)
class Problem:
    """The content of an error body, in the shape of either service."""

    type: str
    messages: tuple[tuple[str, str], ...]
    """(field or empty, message) pairs."""
    request_id: str | None = None

    def sentence(self) -> str:
        """Join the messages, each with its field."""
        joined = "; ".join(f"{message} ({field})" if field else message for field, message in self.messages)
        return joined.rstrip(".")


def read_problem(body: object) -> Problem | None:
    """Read incident.io's error body or NestJS's, which Ionhour answers; None for anything else."""
    if not isinstance(body, dict):
        return None
    record = cast("Json", body)
    if isinstance(record.get("errors"), list):
        pairs = [_vendor_message(entry) for entry in parts(record, "errors")]
        return Problem(_short(record.get("type")), tuple(pairs), _short(record.get("request_id")) or None)
    message: object = record.get("message")
    messages = cast("list[object]", message) if isinstance(message, list) else [message]
    pairs = [("", _short(entry)) for entry in messages if isinstance(entry, str) and entry]
    if not pairs and not isinstance(record.get("error"), str):
        return None
    return Problem(_short(record.get("error")), tuple(pairs))


def _vendor_message(entry: Json) -> tuple[str, str]:
    source = part(entry, "source")
    field = source.get("field") or str(source.get("pointer") or "").strip("/").replace("/", ".")
    return _short(field), _short(entry.get("message") or entry.get("code")).rstrip(".")


def _short(value: object) -> str:
    return shorten(str(make_visible(" ".join(value.split()))), MOST_SAID) if isinstance(value, str) else ""


def retry_after(headers: Mapping[str, str], body: object) -> float | None:
    """Read how many seconds to wait: the header as seconds or a date, else the body's `rate_limit.retry_after`."""
    limit = part(cast("Json", body), "rate_limit") if isinstance(body, dict) else {}
    text = headers.get("retry-after") or limit.get("retry_after")
    text = str(text) if isinstance(text, int | float) and not isinstance(text, bool) else text
    if not isinstance(text, str) or len(text) > _LONGEST_DATE:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", text.strip()):
        return float(text)
    when = _instant(text)
    return None if when is None else max(0.0, (when - datetime.now(UTC)).total_seconds())


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


def next_step(status: int, key_variable: str, host: str, scope: str) -> str:  # noqa: PLR0911  # a table
    """Return what to do about a status, when nothing nearer to the call knows better."""
    match status:
        case 401:
            return f"The key in {key_variable} is not valid for {host}: set a current one and start the server again."
        case 403:
            why = f"it needs the scope {scope}" if scope else "it may be one that only reads"
            return f"The key in {key_variable} may not do this: {why}."
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
