"""The documented filters of GET /v2/incidents."""

from collections.abc import Callable, Collection

from incident_mcp.sandbox.engine.service import Call, Json

from .account import IncidentIO, by_id
from .incident_values import options_of
from .query_filters import Filter, date_filter, invalid, membership, only, split_query

MODES = ("standard", "retrospective", "test", "tutorial")
CATEGORIES = ("triage", "declined", "merged", "canceled", "live", "learning", "closed", "paused")
_PLAIN = {
    "page_size": None,
    "after": None,
    "sort_by": ("created_at_newest_first", "created_at_oldest_first"),
    "filter_mode": ("all", "any"),
}
_LISTED_MODES = ("standard", "retrospective")

_PICK: dict[str, Callable[[Json], set[str]]] = {
    "status": lambda incident: {incident["incident_status"]["id"]},
    "severity": lambda incident: {incident["severity"]["id"]} if "severity" in incident else set(),
    "incident_type": lambda incident: {incident["incident_type"]["id"]},
    "status_category": lambda incident: {incident["incident_status"]["category"]},
    "mode": lambda incident: {incident["mode"]},
}
"""The values of an incident that a filter compares."""


def read_filters(account: IncidentIO, call: Call) -> tuple[dict[str, str], Filter]:
    """Return the plain parameters of the query, and the filter that its other parameters make together."""
    plain, grouped = split_query(call.query, _PLAIN)
    filters = [_read_filter(account, path, values) for path, values in grouped.items()]
    combine = any if plain.get("filter_mode") == "any" and filters else all
    by_mode = any(path[0] == "mode" for path in grouped)

    def matches(incident: Json) -> bool:
        hidden = not by_mode and incident["mode"] not in _LISTED_MODES
        return not hidden and combine(accepts(incident) for accepts in filters)

    return plain, matches


def _read_filter(account: IncidentIO, path: tuple[str, ...], values: list[str]) -> Filter:
    key = path[0] + "".join(f"[{part}]" for part in path[1:])
    match path:
        case ("status" | "severity" | "incident_type" | "status_category" | "mode", operator):
            return _choice(account, path[0], operator, values, key)
        case ("created_at" | "updated_at", operator):
            return date_filter(path[0], operator, values, key)
        case ("custom_field", field_id, operator):
            return _custom_field(account, field_id, operator, values, key)
        case ("incident_role", role_id, operator):
            return _role(account, role_id, operator, values, key)
        case _:
            raise invalid(key, "is not a parameter of this list")


def _choice(account: IncidentIO, name: str, operator: str, values: list[str], key: str) -> Filter:
    known: dict[str, Collection[str]] = {
        "status": _ids(account.statuses),
        "severity": _ids(account.severities),
        "incident_type": _ids(account.types),
        "status_category": CATEGORIES,
        "mode": MODES,
    }
    _require_known(values, known[name], key)
    if name == "severity" and operator in {"gte", "lte"}:
        return _by_rank(account, operator, values, key)
    if name == "mode" and operator != "one_of":
        raise invalid(key, "mode takes only one_of")
    return membership(operator, values, _PICK[name], key)


def _by_rank(account: IncidentIO, operator: str, values: list[str], key: str) -> Filter:
    """Compare ranks: gte is this severe or worse. An incident without a severity matches neither."""
    severity = by_id(account.severities, only(values, key)) or {}
    rank: int = severity["rank"]

    def matches(incident: Json) -> bool:
        has: int | None = incident.get("severity", {}).get("rank")
        return has is not None and (has >= rank if operator == "gte" else has <= rank)

    return matches


def _custom_field(account: IncidentIO, field_id: str, operator: str, values: list[str], key: str) -> Filter:
    field = by_id(account.custom_fields, field_id)
    if field is None or not field["field_type"].endswith("select"):
        raise invalid(key, "is not an option custom field, the only kind whose filters are documented")
    catalog = "catalog_type_id" in field
    options = account.catalog_entries if catalog else options_of(account, field)
    _require_known(values, _ids(options), key)
    value_key = "value_catalog_entry" if catalog else "value_option"

    def pick(incident: Json) -> set[str]:
        entries = [entry for entry in incident["custom_field_entries"] if entry["custom_field"]["id"] == field_id]
        return {value[value_key]["id"] for entry in entries for value in entry["values"]}

    return membership(operator, values, pick, key)


def _role(account: IncidentIO, role_id: str, operator: str, values: list[str], key: str) -> Filter:
    """Filter by the assignee of a role.

    `is_blank=true` matches an unset role. The vendor's list page says that `is_set=true` does so too, which looks like
    a mistake; the sandbox follows the page, so no client should use it.
    """
    if by_id(account.roles, role_id) is None:
        raise invalid(key, "is not a role of this account")

    def pick(incident: Json) -> set[str]:
        slots = incident["incident_role_assignments"]
        return {slot["assignee"]["id"] for slot in slots if slot["role"]["id"] == role_id and "assignee" in slot}

    if operator in {"is_blank", "is_set"}:
        value = only(values, key)
        if value not in {"true", "false"}:
            raise invalid(key, f"must be true or false, not {value!r}")
        return lambda incident: (value == "true") is not bool(pick(incident))
    if operator != "one_of":
        raise invalid(key, f"{operator} is not an operator of this parameter")
    _require_known(values, _ids(account.users), key)
    return membership(operator, values, pick, key)


def _ids(rows: list[Json]) -> list[str]:
    return [row["id"] for row in rows]


def _require_known(values: list[str], known: Collection[str], key: str) -> None:
    for value in values:
        if value not in known:
            raise invalid(key, f"{value!r} is not known to this account")
