"""What a webhook says: the event for listeners, and the entry of the feed for `catch_up`.

The names and fields are those of the webhooks in incident.io's API document. The version at the end of a name is
ignored, and so are unknown fields. Webhooks about something private hold only IDs.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from incident_mcp.records.record import Json, part, parts, shorten
from incident_mcp.serving.subscriptions.events import Event, stamp_of
from incident_mcp.tooling.feed import FeedEntry

_KINDS = {
    "incident.incident_created": "incident",
    "incident.incident_updated": "incident",
    "incident.incident_status_updated": "incident",
    "incident.membership_granted": "incident",
    "incident.membership_revoked": "incident",
    "incident.action_created": "action",
    "incident.action_updated": "action",
    "incident.follow_up_created": "follow_up",
    "incident.follow_up_updated": "follow_up",
    "incident.postmortem_document_status_updated": "post_mortem",
    "escalation.escalation_created": "page",
    "escalation.escalation_status_updated": "page",
    "alert.alert_created": "alert",
    "alert.alert_resolved": "alert",
    "schedule.created": "schedule",
    "schedule.updated": "schedule",
    "schedule.deleted": "schedule",
    "schedule.shift_change": "schedule",
    "status_page_incident.update_shared": "status_page",
}
_TYPE = re.compile(r"(?P<private>private_)?(?:public_)?(?P<name>[a-z_]{1,40}\.[a-z_]{1,60}?)(?:_v[0-9]{1,3})?")
_MAX_ID, _MAX_TEXT, _MAX_RELATED = 64, 400, 50


@dataclass(frozen=True)
class Webhook:
    """What a webhook says."""

    event: Event
    entry: FeedEntry | None = None
    """Of a change that no list shows."""


def read_webhook(payload: Json, number: str, at: float) -> Webhook | None:
    """Return what a webhook says; None if its type is unknown.

    Args:
        payload: The body.
        number: The webhook's ID.
        at: When it was sent, in Unix seconds.
    """
    name = payload.get("event_type")
    found = _TYPE.fullmatch(name) if isinstance(name, str) else None
    kind = _KINDS.get(found["name"]) if found else None
    if found is None or kind is None:
        return None
    if found["private"]:
        return Webhook(Event(frozenset({kind}), at=at, private=True))
    content = part(payload, cast("str", name))
    stamp = _stamp(content) if kind == "incident" else ""
    event = Event(frozenset({kind}), _incidents(kind, content), at, stamp=stamp)
    return Webhook(event, _entry(found["name"], content, number, at))


def _incidents(kind: str, content: Json) -> frozenset[str]:
    """Return the IDs of the public incidents that a webhook concerns."""
    find = _FINDERS.get(kind)
    found = find(content) if find else []
    return frozenset(each.upper() for each in found if each and len(each) <= _MAX_ID)


def _related(content: Json) -> list[str | None]:
    related = parts(part(content, "escalation") or content, "related_incidents")[:_MAX_RELATED]
    return [_text(row, "id") for row in related if row.get("visibility") == "public"]


def _of_record(content: Json) -> list[str | None]:
    return [_text(content, "incident_id")]


_FINDERS: dict[str, Callable[[Json], list[str | None]]] = {
    "incident": lambda content: [_text(_incident(content), "id")],
    "action": _of_record,
    "follow_up": _of_record,
    "post_mortem": lambda content: _of_record(part(content, "postmortem_document")),
    "page": _related,
}


def _incident(content: Json) -> Json:
    return part(content, "incident") or content


def _stamp(content: Json) -> str:
    incident = _incident(content)
    updated_at = _text(incident, "updated_at")
    return stamp_of(updated_at, _text(part(incident, "incident_status"), "id")) if updated_at else ""


def _entry(name: str, content: Json, number: str, at: float) -> FeedEntry | None:
    match name:
        case "schedule.shift_change":
            people = [_text(row, "name") for row in parts(content, "current_users")[:10]]
            text = ", ".join(filter(None, people)) or "nobody"
            title = _text(part(content, "schedule"), "name")
            return FeedEntry(number, "on_call_changed", at, title=title, text=shorten(text, _MAX_TEXT))
        case "incident.postmortem_document_status_updated":
            document = part(content, "postmortem_document")
            incident = _text(document, "incident_id")
            title, status = _text(document, "title"), _text(content, "new_status")
            return FeedEntry(number, "post_mortem", at, incident, title, status)
        case "status_page_incident.update_shared":
            update = part(content, "update")
            title, status = _text(part(content, "status_page_incident"), "name"), _text(update, "incident_status")
            # Its place is when it was sent, even where it was published earlier: a later repeat is reported, too.
            return FeedEntry(number, "status_page_update", at, None, title, status, _text(update, "message"))
        case _:
            return None


def _text(row: Json, name: str) -> str | None:
    value = row.get(name)
    if not isinstance(value, str):
        return None
    # A lone surrogate cannot be stored.
    return shorten(value, _MAX_TEXT).encode(errors="replace").decode() or None
