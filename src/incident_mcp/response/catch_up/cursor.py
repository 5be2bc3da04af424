"""The cursor of `catch_up`: how far each source was reported, and what the services do not keep themselves.

It is self-contained, so any process that has the same API keys can continue from it. It is sealed with a hash that is
keyed with the account: a cursor of another account, a cut one and a changed one are rejected.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from incident_mcp.errors import InputError
from incident_mcp.response.catch_up.events import HASH_BYTES, LAST, Position
from incident_mcp.response.catch_up.watermark import MAX_REPORTED, Watermark

MAX_LENGTH = 2_400
"""Characters of a cursor."""
MAX_INCIDENTS, MAX_ALERTS, MAX_ALERT_BYTES = 50, 150, 250
"""Open incidents and unresolved alerts whose state a cursor holds, and bytes of the latter."""
SOURCES = ("incidents", "updates", "pages", "alerts", "ionhour")
FEED = "feed"
"""A further source, which only a server that receives webhooks has: without a mark of it, it was never read."""
PREFIX = "c1."
_TEXT = re.compile(r"c1\.[A-Za-z0-9_-]{1,2400}")
_SEAL_BYTES, _ACCOUNT_BYTES, _LEAD_BYTES = 8, 3, 2
_MAX_NUMBER = 2**63
MAX_ALERT = 2**53
"""Alerts with larger numbers, or with none above 0, are known by their times only."""


@dataclass(frozen=True)
class IncidentState:
    """What a cursor holds of an open incident."""

    lead: int = 0
    """A hash of its lead; 0 if unknown."""
    rank: int = 0
    """The rank of its severity plus one; 0 if unknown."""


@dataclass(frozen=True)
class Cursor:
    """What was reported so far."""

    marks: Mapping[str, Watermark]
    """By source."""
    incidents: Mapping[int, IncidentState] = field(default_factory=dict[int, IncidentState])
    """By hash of the ID, the most recently updated first."""
    alerts: Mapping[int, bool] | None = None
    """Unresolved Ionhour alerts to whether they had recovered; None if they were never read."""
    tracked_from: int = 0
    """The smallest alert number of which `alerts` is complete."""
    ionhour: bytes = b"\0\0\0"
    """The tag of the Ionhour account that `alerts` is from; zeros if there was none."""


def owner(account: str, person: str) -> str:
    """Return to whom a cursor belongs: an account, and where several people share a server, one of them."""
    return blake2b(f"{account}\0{person}".encode(errors="replace"), digest_size=32).hexdigest() if person else account


def seal(cursor: Cursor, account: str) -> str:
    """Return a cursor as text.

    Args:
        cursor: The cursor.
        account: To whom it belongs, as `owner` returns it.
    """
    out = _Writer()
    out.raw(cursor.ionhour)
    for source in SOURCES:
        _write_mark(out, cursor.marks[source])
    out.number(len(cursor.incidents))
    for number, state in cursor.incidents.items():
        out.raw(number.to_bytes(HASH_BYTES, "big") + state.lead.to_bytes(_LEAD_BYTES, "big") + bytes([state.rank]))
    _write_alerts(out, cursor)
    if FEED in cursor.marks:
        _write_mark(out, cursor.marks[FEED])
    content = bytes(out.content)
    return PREFIX + base64.urlsafe_b64encode(_seal_of(content, account) + content).decode().rstrip("=")


def unseal(text: str, account: str, ionhour: bytes) -> Cursor:
    """Read a cursor.

    Args:
        text: The text from an earlier result.
        account: To whom cursors of this call belong, as `owner` returns it.
        ionhour: The tag of its Ionhour account.

    Raises:
        InputError: It was cut or changed, or it belongs to another account or person.
    """
    content = _checked(text, account)
    try:
        return _read(_Reader(content), ionhour)
    except (ValueError, OverflowError):
        raise _rejected() from None


def _rejected() -> InputError:
    return InputError(
        "since is a cursor that is not complete and unchanged, or that belongs to another account. Pass `cursor` from"
        " an earlier result as it was, or a timestamp like 2026-11-21T03:12:00Z. Not sent."
    )


def _checked(text: str, account: str) -> bytes:
    """Return the content of a cursor with a valid seal."""
    if len(text) > MAX_LENGTH or _TEXT.fullmatch(text) is None:
        raise _rejected()
    body = text.removeprefix(PREFIX)
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), b"-_", validate=True)
    except binascii.Error:
        raise _rejected() from None
    # Base64 has several spellings of its last character.
    canonical = base64.urlsafe_b64encode(data).decode().rstrip("=") == body
    stated, content = data[:_SEAL_BYTES], data[_SEAL_BYTES:]
    if not canonical or not hmac.compare_digest(stated, _seal_of(content, account)):
        raise _rejected()
    return content


def _seal_of(content: bytes, account: str) -> bytes:
    return blake2b(content, key=account.encode()[:64], digest_size=_SEAL_BYTES, person=b"catch_up").digest()


def account_tag(account: str) -> bytes:
    """Return a short hash of an account; zeros for an empty one."""
    return blake2b(account.encode(), digest_size=_ACCOUNT_BYTES).digest() if account else bytes(_ACCOUNT_BYTES)


def _write_mark(out: "_Writer", watermark: Watermark) -> None:
    mark = watermark.mark
    seconds, micros = divmod(mark.micros, 1_000_000)
    is_exact = micros != 0 or mark.tie != LAST
    out.number(seconds * 2 + is_exact)
    if is_exact:
        out.number(micros)
        out.raw(mark.tie.to_bytes(HASH_BYTES, "big"))
    out.number(len(watermark.reported))
    for tie in sorted(watermark.reported):
        out.raw(tie.to_bytes(HASH_BYTES, "big"))


def _write_alerts(out: "_Writer", cursor: Cursor) -> None:
    """Write the unresolved alerts as differences of their sorted numbers."""
    out.number(0 if cursor.alerts is None else len(cursor.alerts) + 1)
    out.number(cursor.tracked_from)
    last = 0
    for number, recovered in sorted((cursor.alerts or {}).items()):
        out.number((number - last) * 2 + recovered)
        last = number


def fit_alerts(alerts: Mapping[int, bool]) -> tuple[dict[int, bool], int]:
    """Return the newest alerts that a cursor can hold, and the smallest number of which they are complete."""
    numbers = sorted((number for number in alerts if 0 < number < MAX_ALERT), reverse=True)
    kept = numbers[:MAX_ALERTS]
    while _alert_bytes(kept) > MAX_ALERT_BYTES:
        kept.pop()
    return {number: alerts[number] for number in kept}, kept[-1] if kept and len(kept) < len(numbers) else 0


def _alert_bytes(numbers: list[int]) -> int:
    out = _Writer()
    last = 0
    for number in reversed(numbers):
        out.number((number - last) * 2)
        last = number
    return len(out.content)


def _read(content: "_Reader", ionhour: bytes) -> Cursor:
    tag = content.raw(_ACCOUNT_BYTES)
    if any(tag) and any(ionhour) and tag != ionhour:
        raise ValueError("of another Ionhour account")
    marks = {source: _read_mark(content) for source in SOURCES}
    incidents = dict(_read_incident(content) for _ in range(content.number(MAX_INCIDENTS)))
    count, tracked_from = content.number(MAX_ALERTS + 1), content.number()
    alerts = _read_alerts(content, count - 1) if count else None
    if not content.is_at_end:
        marks[FEED] = _read_mark(content)
    content.end()
    return Cursor(marks, incidents, alerts, tracked_from, tag if any(tag) else ionhour)


def _read_mark(content: "_Reader") -> Watermark:
    seconds, is_exact = divmod(content.number(2**40), 2)
    micros = content.number(999_999) if is_exact else 0
    tie = int.from_bytes(content.raw(HASH_BYTES), "big") if is_exact else LAST
    ties = [int.from_bytes(content.raw(HASH_BYTES), "big") for _ in range(content.number(MAX_REPORTED))]
    return Watermark(Position(seconds * 1_000_000 + micros, tie), frozenset(ties))


def _read_incident(content: "_Reader") -> tuple[int, IncidentState]:
    number = int.from_bytes(content.raw(HASH_BYTES), "big")
    lead = int.from_bytes(content.raw(_LEAD_BYTES), "big")
    return number, IncidentState(lead, content.raw(1)[0])


def _read_alerts(content: "_Reader", count: int) -> dict[int, bool]:
    alerts: dict[int, bool] = {}
    last = 0
    for _ in range(count):
        more, recovered = divmod(content.number(), 2)
        last += more
        alerts[last] = bool(recovered)
    return alerts


class _Writer:
    """Writes numbers in as few bytes as they need."""

    def __init__(self) -> None:
        self.content = bytearray()

    def raw(self, content: bytes) -> None:
        self.content += content

    def number(self, value: int) -> None:
        while value >= 0x80:  # noqa: PLR2004  # seven bits a byte
            self.content.append(value & 0x7F | 0x80)
            value >>= 7
        self.content.append(value)


class _Reader:
    """Reads what `_Writer` wrote.

    Raises:
        ValueError: The content is not of that form.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def raw(self, length: int) -> bytes:
        found = self._content[self._at : self._at + length]
        if len(found) < length:
            raise ValueError("is cut off")
        self._at += length
        return found

    def number(self, most: int = _MAX_NUMBER) -> int:
        value = shift = 0
        while shift < 70:  # noqa: PLR2004  # ten bytes
            byte = self.raw(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004  # the last one
                break
            shift += 7
        if value > most:
            raise ValueError("is too large")
        return value

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._content)

    def end(self) -> None:
        if self._at != len(self._content):
            raise ValueError("is too long")
