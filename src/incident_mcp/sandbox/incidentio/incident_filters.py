"""The documented filters of GET /v2/incidents.

The sandbox is stricter than the vendor is known to be: it rejects unknown parameters, operators and ids with a 422 that
names them, so that a client's misspelling does not silently widen or empty the list.
"""

import re
from collections.abc import Callable, Collection
from datetime import datetime

from incident_mcp.sandbox.engine.clock import read_date_or_instant, read_instant
from incident_mcp.sandbox.engine.service import ApiError, Call, Json
from incident_mcp.sandbox.engine.shapes import Problem

from .account import IncidentIO, by_id
from .incident_values import options_of

MODES = ("standard", "retrospective", "test", "tutorial")
CATEGORIES = ("triage", "declined", "merged", "canceled", "live", "learning", "closed", "paused")
_KEY = re.compile(r"(\w+)((?:\[[^\[\]]+\])+)")
_PLAIN = {
    "page_size": None,
    "after": None,
    "sort_by": ("created_at_newest_first", "created_at_oldest_first"),
    "filter_mode": ("all", "any"),
}
_LISTED_MODES = ("standard", "retrospective")

Filter = Callable[[Json], bool]
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
    plain, grouped = _split(call.query)
    filters = [_read_filter(account, path, values) for path, values in grouped.items()]
    combine = any if plain.get("filter_mode") == "any" and filters else all
    by_mode = any(path[0] == "mode" for path in grouped)

    def matches(incident: Json) -> bool:
        hidden = not by_mode and incident["mode"] not in _LISTED_MODES
        return not hidden and combine(accepts(incident) for accepts in filters)

    return plain, matches


def _split(query: list[tuple[str, str]]) -> tuple[dict[str, str], dict[tuple[str, ...], list[str]]]:
    """Return the plain parameters, and the filters as (name, ..., operator) to values."""
    plain: dict[str, str] = {}
    grouped: dict[tuple[str, ...], list[str]] = {}
    for key, value in query:
        if key in _PLAIN:
            choices = _PLAIN[key]
            if choices and value and value not in choices:
                raise _invalid(key, f"must be one of {', '.join(choices)}, not {value!r}")
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
            raise _invalid(key, "is not a parameter of this list")


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
        raise _invalid(key, "mode takes only one_of")
    return _membership(operator, values, _PICK[name], key)


def _membership(operator: str, values: list[str], pick: Callable[[Json], set[str]], key: str) -> Filter:
    match operator:
        case "one_of":
            return lambda incident: bool(pick(incident) & set(values))
        case "not_in":
            return lambda incident: not pick(incident) & set(values)
        case _:
            raise _invalid(key, f"{operator} is not an operator of this parameter")


def _by_rank(account: IncidentIO, operator: str, values: list[str], key: str) -> Filter:
    """Compare ranks: gte is this severe or worse. An incident without a severity matches neither."""
    severity = by_id(account.severities, _only(values, key)) or {}
    rank: int = severity["rank"]

    def matches(incident: Json) -> bool:
        has: int | None = incident.get("severity", {}).get("rank")
        return has is not None and (has >= rank if operator == "gte" else has <= rank)

    return matches


def _dates(name: str, operator: str, values: list[str], key: str) -> Filter:
    """Filter by instant. Both ends are inclusive; a bare date is midnight in UTC, also at the end of a range."""
    text = _only(values, key)
    ranges: dict[str, list[str | None]] = {"gte": [text, None], "lte": [None, text], "date_range": [*text.split("~")]}
    ends = ranges.get(operator, [])
    if len(ends) != 2:  # noqa: PLR2004  # from and to
        raise _invalid(key, f"{operator}={text!r} is not one of gte, lte, date_range=FROM~TO")
    start, end = (None if part is None else _instant(part, key) for part in ends)

    def matches(incident: Json) -> bool:
        instant = read_instant(incident[name])
        return instant is not None and (start or instant) <= instant <= (end or instant)

    return matches


def _instant(text: str, key: str) -> datetime:
    instant = read_date_or_instant(text)
    if instant is None:
        raise _invalid(key, f"{text!r} is not a date")
    return instant


def _custom_field(account: IncidentIO, field_id: str, operator: str, values: list[str], key: str) -> Filter:
    field = by_id(account.custom_fields, field_id)
    if field is None or not field["field_type"].endswith("select"):
        raise _invalid(key, "is not an option custom field, the only kind whose filters are documented")
    catalog = "catalog_type_id" in field
    options = account.catalog_entries if catalog else options_of(account, field)
    _require_known(values, _ids(options), key)
    value_key = "value_catalog_entry" if catalog else "value_option"

    def pick(incident: Json) -> set[str]:
        entries = [entry for entry in incident["custom_field_entries"] if entry["custom_field"]["id"] == field_id]
        return {value[value_key]["id"] for entry in entries for value in entry["values"]}

    return _membership(operator, values, pick, key)


def _role(account: IncidentIO, role_id: str, operator: str, values: list[str], key: str) -> Filter:
    """Filter by the assignee of a role.

    `is_blank=true` matches an unset role. The vendor's list page says that `is_set=true` does so too, which looks like
    a mistake; the sandbox follows the page, so no client should use it.
    """
    if by_id(account.roles, role_id) is None:
        raise _invalid(key, "is not a role of this account")

    def pick(incident: Json) -> set[str]:
        slots = incident["incident_role_assignments"]
        return {slot["assignee"]["id"] for slot in slots if slot["role"]["id"] == role_id and "assignee" in slot}

    if operator in {"is_blank", "is_set"}:
        value = _only(values, key)
        if value not in {"true", "false"}:
            raise _invalid(key, f"must be true or false, not {value!r}")
        return lambda incident: (value == "true") is not bool(pick(incident))
    if operator != "one_of":
        raise _invalid(key, f"{operator} is not an operator of this parameter")
    _require_known(values, _ids(account.users), key)
    return _membership(operator, values, pick, key)


def _ids(rows: list[Json]) -> list[str]:
    return [row["id"] for row in rows]


def _require_known(values: list[str], known: Collection[str], key: str) -> None:
    for value in values:
        if value not in known:
            raise _invalid(key, f"{value!r} is not known to this account")


def _only(values: list[str], key: str) -> str:
    if len(values) != 1:
        raise _invalid(key, "takes one value")
    return values[0]


def _invalid(key: str, why: str) -> ApiError:
    return ApiError(422, Problem(f"{key}: {why}", key, "invalid_value"))
