"""Attachments of incidents."""

from incident_mcp.sandbox.engine.clock import ulid
from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Field, Problem, Shape

from .account import IncidentIO, read_body, referenced
from .incident_changes import touch
from .pages import read_query

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
_RESOURCE: Shape = {
    "resource_type": Field("string", required=True, choices=RESOURCE_TYPES),
    "external_id": Field("string", not_empty=True),
    "url": Field("string", not_empty=True),
    "title": Field("string"),
    "emoji": Field("string"),
}
ATTACHMENT: Shape = {
    "incident_id": Field("string", required=True, not_empty=True),
    "resource": Field("object", required=True, shape=_RESOURCE),
}


def list_attachments(account: IncidentIO, call: Call) -> Reply:
    """GET /v1/incident_attachments, of one incident or of one external resource; not paged."""
    query = read_query(call, "incident_id", "resource_type", "external_id")
    if "incident_id" not in query and not {"resource_type", "external_id"} <= query.keys():
        message = "Either incident_id, or resource_type and external_id, must be given"
        raise ApiError(422, Problem(message, "incident_id", "is_required"))

    def matches(row: Json) -> bool:
        resource = {"incident_id": row["incident_id"], **row["resource"]}
        return all(resource[key] == value for key, value in query.items())

    return Reply(200, {"incident_attachments": list(filter(matches, account.rows["attachments"]))})


def create_attachment(account: IncidentIO, call: Call) -> Reply:
    """POST /v1/incident_attachments."""
    body = read_body(call.body, ATTACHMENT)
    incident = referenced(account.incidents, body, "incident_id") or {}
    resource = body["resource"]
    if ("url" in resource) == ("external_id" in resource):
        message = "Exactly one of resource.url and resource.external_id is required"
        raise ApiError(422, Problem(message, "resource.url", "is_required"))
    if resource["resource_type"] != "arbitrary_url":
        for key in {"title", "emoji"} & resource.keys():
            message = f"resource.{key} is only supported for arbitrary_url"
            raise ApiError(422, Problem(message, f"resource.{key}", "invalid_value"))
    instant = account.clock.tick()
    attachment = add_attachment(account, incident, resource)
    touch(incident, instant, edited=False)
    return Reply(201, {"incident_attachment": attachment})


def add_attachment(account: IncidentIO, incident: Json, resource: Json) -> Json:
    """Attach a resource. The sandbox knows its title and link from the request alone."""
    external_id = resource.get("external_id", resource.get("url"))
    rows = account.rows["attachments"]
    attachment: Json = {
        "id": ulid(account.clock.now, f"attachment {len(rows)}"),
        "incident_id": incident["id"],
        "resource": {
            "resource_type": resource["resource_type"],
            "external_id": external_id,
            "permalink": resource.get("url", f"https://example.com/{resource['resource_type']}/{external_id}"),
            "title": resource.get("title", external_id),
        },
    }
    rows.append(attachment)
    return attachment


ROUTES = {
    ("GET", "/v1/incident_attachments"): list_attachments,
    ("POST", "/v1/incident_attachments"): create_attachment,
}
SCOPES = {
    ("GET", "/v1/incident_attachments"): ("attachments.view",),
    ("POST", "/v1/incident_attachments"): ("attachments.create",),
}
