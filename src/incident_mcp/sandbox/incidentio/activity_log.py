"""The activity log of incidents."""

from collections.abc import Iterator

from incident_mcp.sandbox.engine.clock import account_ulid
from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Problem

from .account import IncidentIO, Routes
from .pages import PAGING, page, read_query

_MOST_IDS = 100


def list_activity(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/incident_activity_log_entries, oldest first by when it happened; `id` may be repeated."""
    ids = [value for name, value in call.query if name == "id"]
    if len(ids) > _MOST_IDS:
        raise ApiError(422, Problem(f"id: at most {_MOST_IDS}", "id", "invalid_value"))
    query = read_query(call, "incident_id", "id", *PAGING, required=("incident_id",))
    rows = [*account.rows["activity_log"], *_updates(account)]
    rows.sort(key=lambda row: (row["occurred_at"], row["id"]))

    def matches(row: Json) -> bool:
        # A stream's entries are in its parent's log, too.
        return query["incident_id"] in (row["incident_id"], row.get("parent_id")) and (not ids or row["id"] in ids)

    shown, meta = page(rows, query, keep=matches)
    entries = [{key: value for key, value in row.items() if key != "parent_id"} for row in shown]
    return Reply(200, {"incident_activity_log_entries": entries, "pagination_meta": meta})


def _updates(account: IncidentIO) -> Iterator[Json]:
    """Return the entry of each update, with what the one before it had."""
    before: dict[str, Json] = {}
    for update in sorted(account.updates, key=lambda row: (row["created_at"], row["id"])):
        incident = update["incident_id"]
        content: Json = {"id": update["id"], "updater": update["updater"]}
        content |= {"message": update["message"]} if update.get("message") else {}
        for name, key in (("status", "new_incident_status"), ("severity", "new_severity")):
            old, new = before.get(incident, {}).get(key), update.get(key)
            if old and new and old["id"] != new["id"]:
                content |= {f"previous_{name}": old, f"new_{name}": new}
        yield {
            "id": account_ulid(f"activity of {update['id']}"),
            "incident_id": incident,
            "type": "incident_update",
            "title": "Shared an update",
            "occurred_at": update["created_at"],
            "created_at": update["created_at"],
            "content": {"incident_update": content},
        }
        before[incident] = update


ROUTES: Routes = {("GET", "/v2/incident_activity_log_entries"): list_activity}
SCOPES = {("GET", "/v2/incident_activity_log_entries"): ("incidents.view",)}
