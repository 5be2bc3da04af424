"""What hangs on an incident: timeline items and attachments (section 2.2 of the reference)."""

from incident_mcp.sandbox.clock import read_instant, tell, ulid
from incident_mcp.sandbox.service import Call, Json, Refusal, Reply
from incident_mcp.sandbox.shapes import Flaw, Part, Shape

from .changes import touch
from .paging import page, plain_query
from .state import API_KEY_ACTOR, IncidentIO, by_id, checked, referred

RESOURCE_TYPES = (
    "pager_duty_incident",
    "opsgenie_alert",
    "datadog_monitor_alert",
    "github_pull_request",
    "gitlab_merge_request",
    "sentry_issue",
    "jira_issue",
    "jsm_alert",
    "atlassian_statuspage_incident",
    "zendesk_ticket",
    "google_calendar_event",
    "outlook_calendar_event",
    "slack_file",
    "salesforce_case",
    "pylon_issue",
    "arbitrary_url",
    "scrubbed",
    "statuspage_incident",
)
TIMELINE_ITEM: Shape = {
    "incident_id": Part("string", required=True, not_empty=True),
    "timestamp": Part("instant", required=True),
    "title": Part("string", required=True, not_empty=True),
    "idempotency_key": Part("string", required=True, not_empty=True),
    "description": Part("string"),
}
_RESOURCE: Shape = {
    "resource_type": Part("string", required=True, choices=RESOURCE_TYPES),
    "external_id": Part("string", not_empty=True),
    "url": Part("string", not_empty=True),
    "title": Part("string"),
    "emoji": Part("string"),
}
ATTACHMENT: Shape = {
    "incident_id": Part("string", required=True, not_empty=True),
    "resource": Part("object", required=True, shape=_RESOURCE),
}


def list_timeline_items(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/incident_timeline_items, by when it happened, oldest first."""
    given = plain_query(call.query, "incident_id", "page_size", "after", required=("incident_id",))
    rows = sorted(account.timeline_items, key=lambda row: (read_instant(row["timestamp"]), row["id"]))
    shown, meta = page(rows, given, keep=lambda row: row["incident_id"] == given["incident_id"])
    return Reply(200, {"incident_timeline_items": shown, "pagination_meta": meta})


def create_timeline_item(account: IncidentIO, call: Call) -> Reply:
    """POST /v2/incident_timeline_items. A key seen before answers the item that it made."""
    body = checked(call.body, TIMELINE_ITEM)
    done = account.done.get(("timeline item", body["idempotency_key"]))
    item = by_id(account.timeline_items, done)
    if item is None:
        item = add_timeline_item(account, body, API_KEY_ACTOR)
        account.done["timeline item", body["idempotency_key"]] = item["id"]
    return Reply(201, {"incident_timeline_item": item})


def add_timeline_item(account: IncidentIO, body: Json, creator: Json) -> Json:
    """Add an item; the description is left out when empty."""
    incident = referred(account.incidents, body, "incident_id") or {}
    instant = account.clock.tick()
    item: Json = {
        "id": ulid(instant, f"timeline item {len(account.timeline_items)}"),
        "incident_id": incident["id"],
        "title": body["title"],
        "timestamp": body["timestamp"],
        "creator": creator,
        "created_at": tell(instant),
        "updated_at": tell(instant),
    }
    if body.get("description"):
        item["description"] = body["description"]
    account.timeline_items.append(item)
    touch(incident, instant, edited=False)
    return item


def list_attachments(account: IncidentIO, call: Call) -> Reply:
    """GET /v1/incident_attachments, of one incident or of one external resource; not paged."""
    given = plain_query(call.query, "incident_id", "resource_type", "external_id")
    by_resource = {"resource_type", "external_id"} <= given.keys()
    if "incident_id" not in given and not by_resource:
        message = "Either incident_id, or resource_type and external_id, must be given"
        raise Refusal(422, Flaw("is_required", message, "incident_id"))

    def fits(row: Json) -> bool:
        resource = {"incident_id": row["incident_id"], **row["resource"]}
        return all(resource[key] == value for key, value in given.items())

    return Reply(200, {"incident_attachments": [row for row in account.attachments if fits(row)]})


def create_attachment(account: IncidentIO, call: Call) -> Reply:
    """POST /v1/incident_attachments."""
    body = checked(call.body, ATTACHMENT)
    incident = referred(account.incidents, body, "incident_id") or {}
    resource = body["resource"]
    if ("url" in resource) == ("external_id" in resource):
        message = "Exactly one of resource.url and resource.external_id is required"
        raise Refusal(422, Flaw("is_required", message, "resource.url"))
    if resource["resource_type"] != "arbitrary_url":
        for key in {"title", "emoji"} & resource.keys():
            message = f"resource.{key} is only supported for arbitrary_url"
            raise Refusal(422, Flaw("invalid_value", message, f"resource.{key}"))
    instant = account.clock.tick()
    attachment = add_attachment(account, incident, resource)
    touch(incident, instant, edited=False)
    return Reply(201, {"incident_attachment": attachment})


def add_attachment(account: IncidentIO, incident: Json, resource: Json) -> Json:
    """Attach a resource; the sandbox knows its title and link from the request alone."""
    external_id = resource.get("external_id", resource.get("url"))
    attachment: Json = {
        "id": ulid(account.clock.now, f"attachment {len(account.attachments)}"),
        "incident_id": incident["id"],
        "resource": {
            "resource_type": resource["resource_type"],
            "external_id": external_id,
            "permalink": resource.get("url", f"https://example.com/{resource['resource_type']}/{external_id}"),
            "title": resource.get("title", external_id),
        },
    }
    account.attachments.append(attachment)
    return attachment
