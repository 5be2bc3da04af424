"""Changes that only webhooks report: who is on call, post-mortems, updates on status pages."""

from collections.abc import Iterable
from datetime import UTC, datetime

from incident_mcp.response.catch_up.events import KINDS, MAX_NAME, MAX_TEXT, Change, Event, format_time, one_line
from incident_mcp.tooling.feed import FeedEntry


def feed_events(entries: Iterable[FeedEntry]) -> list[Event]:
    """Return the changes of the feed; those of kinds that this version does not know are left out."""
    return [_event(entry) for entry in entries if entry.kind in KINDS]


def _event(entry: FeedEntry) -> Event:
    at = datetime.fromtimestamp(entry.at, UTC)
    change = Change(
        kind=entry.kind,
        at=format_time(at),
        title=one_line(entry.title, MAX_NAME),
        status=one_line(entry.status, MAX_NAME),
        text=one_line(entry.text, MAX_TEXT),
    )
    return Event(entry.key, at, change, entry.incident_id)
