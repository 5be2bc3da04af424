"""Post-mortem documents. Those of the type `external` are held by another service, so their text is not here."""

from datetime import datetime

from incident_mcp.sandbox.engine.clock import rfc3339, ulid
from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Field, Problem, Shape

from .account import IncidentIO, Routes, by_id, number_of, read_body
from .pages import PAGING, get_one, page, read_query

STATUSES = ("in_progress", "in_review", "completed")
ORDERS = ("created_at_newest_first", "created_at_oldest_first")
STATUS: Shape = {"status": Field("string", required=True, choices=STATUSES)}
IMPORT: Shape = {
    "title": Field("string", required=True, not_empty=True),
    "content": Field("string", required=True, not_empty=True),
}


def list_documents(account: IncidentIO, call: Call) -> Reply:
    """GET /v1/postmortem_documents, by default the newest first."""
    query = read_query(call, "incident_id", "sort_by", *PAGING)
    order = query.get("sort_by") or ORDERS[0]
    if order not in ORDERS:
        raise ApiError(422, Problem(f"sort_by must be one of {', '.join(ORDERS)}", "sort_by", "invalid_value"))
    rows = sorted(
        account.rows["postmortem_documents"], key=lambda row: (row["created_at"], row["id"]), reverse=order == ORDERS[0]
    )
    wanted = query.get("incident_id")
    shown, meta = page(rows, query, keep=lambda row: not wanted or row["incident_id"] == wanted)
    return Reply(200, {"postmortem_documents": shown, "pagination_meta": meta})


def get_document(account: IncidentIO, call: Call) -> Reply:
    """GET /v1/postmortem_documents/{id}."""
    return get_one(call, "postmortem_document", account.rows["postmortem_documents"])


def get_content(account: IncidentIO, call: Call) -> Reply:
    """GET /v1/postmortem_documents/{id}/content. For an external document the vendor documents no answer: a 404."""
    read_query(call)
    found = by_id(account.rows["postmortem_contents"], _find(account, call)["id"])
    if found is None:
        raise ApiError(404, "The post-mortem has no content here")
    return Reply(200, {"markdown": found["markdown"]})


def set_status(account: IncidentIO, call: Call) -> Reply:
    """PUT /v1/postmortem_documents/{id}."""
    body = read_body(call.body, STATUS)
    document = _find(account, call)
    document["status"] = body["status"]
    document["updated_at"] = rfc3339(account.clock.tick())
    return Reply(200, {"postmortem_document": document})


def import_document(account: IncidentIO, call: Call) -> Reply:
    """POST /v2/incidents/{id}/actions/import_postmortem_document. Each request adds a document: there is no key."""
    incident = by_id(account.incidents, call.path["id"])
    if incident is None:
        raise ApiError(404, "The incident could not be found")
    body = read_body(call.body, IMPORT)
    instant = account.clock.tick()
    number = len(account.rows["postmortem_documents"])
    document = new_document(ulid(instant, f"post-mortem {number}"), instant, incident, body["title"])
    add_document(account, document, f"# {body['title']}\n\n{body['content']}")
    return Reply(201, {"postmortem_document": document}, {"Location": document["document_url"]})


def new_document(document_id: str, instant: datetime, incident: Json, title: str) -> Json:
    """Return a document that nobody has edited yet."""
    at = f"https://app.incident.io/sandbox/incidents/{number_of(incident)}/post-mortems/{document_id}"
    return {
        "id": document_id,
        "incident_id": incident["id"],
        "title": title,
        "type": "in_app",
        "status": STATUSES[0],
        "document_url": at,
        "exported_urls": [],
        "editors": [],
        "created_at": rfc3339(instant),
        "updated_at": rfc3339(instant),
    }


def add_document(account: IncidentIO, document: Json, markdown: str | None) -> None:
    """Add a document and its text, if that is here."""
    account.rows["postmortem_documents"].append(document)
    if markdown is not None:
        account.rows["postmortem_contents"].append({"id": document["id"], "markdown": markdown})


def _find(account: IncidentIO, call: Call) -> Json:
    document = by_id(account.rows["postmortem_documents"], call.path["id"])
    if document is None:
        raise ApiError(404, "The post-mortem document could not be found")
    return document


_ONE = "/v1/postmortem_documents/{id}"
_IMPORT = "/v2/incidents/{id}/actions/import_postmortem_document"
ROUTES: Routes = {
    ("GET", "/v1/postmortem_documents"): list_documents,
    ("GET", _ONE): get_document,
    ("PUT", _ONE): set_status,
    ("GET", f"{_ONE}/content"): get_content,
    ("POST", _IMPORT): import_document,
}
SCOPES = {
    ("GET", "/v1/postmortem_documents"): ("incidents.view",),
    ("GET", _ONE): ("incidents.view",),
    ("PUT", _ONE): ("in_app_postmortems.update_status",),
    ("GET", f"{_ONE}/content"): ("in_app_postmortems.copy_as_markdown",),
    ("POST", _IMPORT): ("in_app_postmortems.import",),
}
