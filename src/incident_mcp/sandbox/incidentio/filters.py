"""GET /v2/incidents: every documented filter (section 1.6 of the reference).

Stricter than the vendor is known to be: a parameter, operator or id that the account does not know is refused with a
422 that names it, so that a client's misspelling shows instead of quietly widening or emptying the list.
"""

import re
from collections.abc import Callable
from datetime import datetime

from incident_mcp.sandbox.clock import read_date_or_instant, read_instant
from incident_mcp.sandbox.service import Call, Json, Refusal, Reply
from incident_mcp.sandbox.shapes import Flaw

from .incidents import MODES
from .paging import page
from .state import IncidentIO, by_id

CATEGORIES = ("triage", "declined", "merged", "canceled", "live", "learning", "closed", "paused")
_KEY = re.compile(r"(\w+)((?:\[[^\[\]]+\])+)")
_PLAIN = {
    "page_size": None,
    "after": None,
    "sort_by": ("created_at_newest_first", "created_at_oldest_first"),
    "filter_mode": ("all", "any"),
}
_SHOWN_MODES = ("standard", "retrospective")

Filter = Callable[[Json], bool]


def list_incidents(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/incidents."""
    plain, grouped = _split(call.query)
    filters = [_read_filter(account, path, values) for path, values in grouped.items()]
    combine = any if plain.get("filter_mode") == "any" and filters else all
    asks_for_mode = any(path[0] == "mode" for path in grouped)

    def keep(incident: Json) -> bool:
        hidden = not asks_for_mode and incident["mode"] not in _SHOWN_MODES
        return not hidden and combine(fits(incident) for fits in filters)

    newest_first = plain.get("sort_by") != "created_at_oldest_first"
    rows = sorted(account.incidents, key=lambda row: (row["created_at"], row["id"]), reverse=newest_first)
    shown, meta = page(rows, plain, keep=keep)
    meta["total_record_count"] = sum(keep(row) for row in rows)
    return Reply(200, {"incidents": shown, "pagination_meta": meta})


def _split(query: list[tuple[str, str]]) -> tuple[dict[str, str], dict[tuple[str, ...], list[str]]]:
    """The plain parameters, and the filters as (name, ..., operator) to their values."""
    plain: dict[str, str] = {}
    grouped: dict[tuple[str, ...], list[str]] = {}
    for key, value in query:
        if key in _PLAIN:
            choices = _PLAIN[key]
            if choices and value and value not in choices:
                raise _refused(key, f"must be one of {', '.join(choices)}, not {value!r}")
            plain[key] = value
            continue
        match = _KEY.fullmatch(key)
        path = (match[1], *re.findall(r"\[([^\[\]]+)\]", match[2])) if match else (key,)
        grouped.setdefault(path, []).append(value)
    return plain, grouped


def _read_filter(account: IncidentIO, path: tuple[str, ...], values: list[str]) -> Filter:
    key = path[0] + "".join(f"[{part}]" for part in path[1:])
    match path:
        case ("status" | "severity" | "incident_type" | "status_category" | "mode", operator):
            return _choice(account, path[0], operator, values, key)
        case ("created_at" | "updated_at", operator):
            return _dates(path[0], operator, values, key)
        case ("custom_field", field_id, operator):
            return _custom_field(account, field_id, operator, values, key)
        case ("incident_role", role_id, operator):
            return _role(account, role_id, operator, values, key)
        case _:
            raise _refused(key, "is not a parameter of this list")


def _choice(account: IncidentIO, name: str, operator: str, values: list[str], key: str) -> Filter:
    known: dict[str, list[str]] = {
        "status": [row["id"] for row in account.statuses],
        "severity": [row["id"] for row in account.severities],
        "incident_type": [row["id"] for row in account.types],
        "status_category": list(CATEGORIES),
        "mode": list(MODES),
    }
    _require_known(values, known[name], key)
    if name == "severity" and operator in {"gte", "lte"}:
        return _by_rank(account, operator, values, key)

    def pick(incident: Json) -> set[str]:
        found: dict[str, str | None] = {
            "status": incident["incident_status"]["id"],
            "severity": incident.get("severity", {}).get("id"),
            "incident_type": incident["incident_type"]["id"],
            "status_category": incident["incident_status"]["category"],
            "mode": incident["mode"],
        }
        value = found[name]
        return {value} if value else set()

    if name == "mode" and operator != "one_of":
        raise _refused(key, "mode takes only one_of")
    return _membership(operator, values, pick, key)


def _membership(operator: str, values: list[str], pick: Callable[[Json], set[str]], key: str) -> Filter:
    match operator:
        case "one_of":
            return lambda incident: bool(pick(incident) & set(values))
        case "not_in":
            return lambda incident: not pick(incident) & set(values)
        case _:
            raise _refused(key, f"{operator} is not an operator of this parameter")


def _by_rank(account: IncidentIO, operator: str, values: list[str], key: str) -> Filter:
    """Compare ranks: gte is this severe or worse. An incident without a severity fits neither."""
    severity = by_id(account.severities, _only(values, key)) or {}
    rank: int = severity["rank"]

    def fits(incident: Json) -> bool:
        has: int | None = incident.get("severity", {}).get("rank")
        return has is not None and (has >= rank if operator == "gte" else has <= rank)

    return fits


def _dates(name: str, operator: str, values: list[str], key: str) -> Filter:
    """Both ends count, and a bare date means its midnight in UTC, at the end of a range too."""
    text = _only(values, key)
    start, end = None, None
    match operator:
        case "gte":
            start = _instant(text, key)
        case "lte":
            end = _instant(text, key)
        case "date_range" if text.count("~") == 1:
            start, end = (_instant(part, key) for part in text.split("~"))
        case _:
            raise _refused(key, f"{operator}={text!r} is not one of gte, lte, date_range=FROM~TO")

    def fits(incident: Json) -> bool:
        instant = read_instant(incident[name])
        return instant is not None and (start is None or instant >= start) and (end is None or instant <= end)

    return fits


def _instant(text: str, key: str) -> datetime:
    instant = read_date_or_instant(text)
    if instant is None:
        raise _refused(key, f"{text!r} is not a date")
    return instant


def _custom_field(account: IncidentIO, field_id: str, operator: str, values: list[str], key: str) -> Filter:
    field = by_id(account.custom_fields, field_id)
    if field is None or not field["field_type"].endswith("select"):
        raise _refused(key, "is not an option custom field, the only kind whose filters are documented")
    catalog = "catalog_type_id" in field
    options = account.catalog_entries if catalog else account.options
    known = [row["id"] for row in options if catalog or row["custom_field_id"] == field_id]
    _require_known(values, known, key)

    def pick(incident: Json) -> set[str]:
        return {
            value["value_catalog_entry" if catalog else "value_option"]["id"]
            for entry in incident["custom_field_entries"]
            if entry["custom_field"]["id"] == field_id
            for value in entry["values"]
        }

    return _membership(operator, values, pick, key)


def _role(account: IncidentIO, role_id: str, operator: str, values: list[str], key: str) -> Filter:
    """Filter by who has a role.

    `is_blank=true` finds the role unset. `is_set` is taken at the list page's word, which says that `is_set=true`
    finds it unset too; that reads like a slip of the vendor's, so no client should use it.
    """
    if by_id(account.roles, role_id) is None:
        raise _refused(key, "is not a role of this account")

    def pick(incident: Json) -> set[str]:
        slots = incident["incident_role_assignments"]
        return {slot["assignee"]["id"] for slot in slots if slot["role"]["id"] == role_id and "assignee" in slot}

    if operator in {"is_blank", "is_set"}:
        value = _only(values, key)
        if value not in {"true", "false"}:
            raise _refused(key, f"must be true or false, not {value!r}")
        return lambda incident: (value == "true") is not bool(pick(incident))
    if operator != "one_of":
        raise _refused(key, f"{operator} is not an operator of this parameter")
    _require_known(values, [row["id"] for row in account.users], key)
    return _membership(operator, values, pick, key)


def _require_known(values: list[str], known: list[str], key: str) -> None:
    for value in values:
        if value not in known:
            raise _refused(key, f"{value!r} is not known to this account")


def _only(values: list[str], key: str) -> str:
    if len(values) != 1:
        raise _refused(key, "takes one value")
    return values[0]


def _refused(key: str, why: str) -> Refusal:
    return Refusal(422, Flaw("invalid_value", f"{key}: {why}", key))
