"""Alerts, and whether the key may see them."""

from collections.abc import Mapping, Sequence

from incident_mcp.sandbox.engine.clock import rfc3339
from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Problem

from .account import IncidentIO, Routes, by_id
from .alert_sources import is_externally_resolved, source_of
from .pages import page, read_query
from .query_filters import Filter, date_filter, invalid, membership, only, split_query

STATUSES = ("firing", "resolved")
MAX_PAGE_SIZE = 50
GLOBAL_ACCESS = "global_access"
"""The scope without which private alerts and incidents do not exist for a key; the vendor has no name for it."""
_DETAILS = ("attributes", "tags")
_PAGING: Mapping[str, Sequence[str] | None] = {"page_size": None, "after": None}


def list_alerts(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/alerts, newest first, though the vendor promises no order. All filters must match."""
    plain, grouped = split_query(call.query, _PAGING)
    require_page_size(plain)
    filters = [_read_filter(account, path, values) for path, values in grouped.items()]

    def matches(alert: Json) -> bool:
        return may_see(account, alert) and all(accepts(alert) for accepts in filters)

    rows = sorted(account.rows["alerts"], key=lambda row: row["created_at"], reverse=True)
    shown, meta = page(rows, plain, most=MAX_PAGE_SIZE, keep=matches)
    return Reply(200, {"alerts": shown, "pagination_meta": meta})


def require_page_size(query: Mapping[str, str]) -> None:
    """Raise a 422 for a list of alerts or their links without a page size, which both require."""
    if not query.get("page_size"):
        raise ApiError(422, Problem("page_size is required", "page_size", "is_required"))


def _read_filter(account: IncidentIO, path: tuple[str, ...], values: list[str]) -> Filter:
    key = path[0] + "".join(f"[{part}]" for part in path[1:])
    match path:
        case ("status", operator):
            if unknown := set(values) - set(STATUSES):
                raise invalid(key, f"{min(unknown)!r} is not a status")
            return membership(operator, values, lambda row: {row["status"]}, key)
        case ("alert_source", operator):
            if any(by_id(account.rows["alert_sources"], value) is None for value in values):
                raise invalid(key, "is not an alert source of this account")
            return membership(operator, values, lambda row: {row["alert_source_id"]}, key)
        case ("created_at" | "updated_at", operator):
            return date_filter(path[0], operator, values, key)
        case _:
            return _read_other_filter(account, path, values, key)


def _read_other_filter(account: IncidentIO, path: tuple[str, ...], values: list[str], key: str) -> Filter:
    match path:
        case ("alert_group_id", "one_of"):
            return membership("one_of", values, lambda row: set(row["alert_group_ids"]), key)
        case ("deduplication_key", "is"):
            wanted = only(values, key)
            return lambda row: row["deduplication_key"] == wanted
        case ("tags", operator):
            return _by_tags(operator, values, key)
        case ("has_notes", "is"):
            return _by_notes(account, only(values, key), key)
        case _:
            raise invalid(key, "is not a parameter of this list")


def _by_tags(operator: str, values: list[str], key: str) -> Filter:
    """Compare the names of tags, regardless of case."""
    wanted = {value.casefold() for value in values}

    def names(row: Json) -> set[str]:
        return {tag["name"].casefold() for tag in row["tags"]}

    if operator == "all_of":
        return lambda row: wanted <= names(row)
    return membership(operator, list(wanted), names, key)


def _by_notes(account: IncidentIO, value: str, key: str) -> Filter:
    if value not in {"true", "false"}:
        raise invalid(key, f"must be true or false, not {value!r}")
    noted = {note.get("alert_id") for note in account.rows["alert_notes"]}
    return lambda row: (row["id"] in noted) is (value == "true")


def get_alert(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/alerts/{id}."""
    read_query(call)
    return Reply(200, {"alert": find_alert(account, call.path["id"])})


def resolve_alert(account: IncidentIO, call: Call) -> Reply:
    """POST /v2/alerts/{id}/actions/resolve. An alert that is resolved stays unchanged."""
    alert = find_alert(account, call.path["id"])
    if alert["status"] == "firing":
        if is_externally_resolved(account, alert):
            name = source_of(account, alert)["name"]
            raise ApiError(422, Problem(f"Alerts from {name} can only be resolved in {name}", "id", "invalid_value"))
        instant = rfc3339(account.clock.tick())
        alert |= {"status": "resolved", "resolved_at": instant, "updated_at": instant}
    return Reply(200, {"alert": alert})


def find_alert(account: IncidentIO, wanted: object) -> Json:
    """Return the alert with an id.

    Raises:
        ApiError: 404, if there is none that the key may see.
    """
    alert = by_id(account.rows["alerts"], wanted)
    if alert is None or not may_see(account, alert):
        raise ApiError(404, "The alert could not be found")
    return alert


def may_see(account: IncidentIO, alert: Json) -> bool:
    """Return whether the key may see an alert."""
    return GLOBAL_ACCESS not in account.missing_scopes or not is_private(account, alert)


def is_private(account: IncidentIO, alert: Json) -> bool:
    """Return whether an alert is private: its source says so."""
    return bool(source_of(account, alert)["template"]["is_private"])


def slim_alert(alert: Json) -> Json:
    """Return an alert as links and escalations embed it."""
    return {key: value for key, value in alert.items() if key not in _DETAILS}


ROUTES: Routes = {
    ("GET", "/v2/alerts"): list_alerts,
    ("GET", "/v2/alerts/{id}"): get_alert,
    ("POST", "/v2/alerts/{id}/actions/resolve"): resolve_alert,
}
SCOPES = {name: ("alerts.view" if name[0] == "GET" else "alerts.resolve",) for name in ROUTES}
