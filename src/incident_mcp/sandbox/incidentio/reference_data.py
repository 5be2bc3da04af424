"""What an administrator set up, as GET requests tell it (sections 1.1 to 1.3 and 2.2 of the reference)."""

from collections.abc import Callable

from incident_mcp.sandbox.clock import account_ulid
from incident_mcp.sandbox.service import Call, Handler, Json, Refusal, Reply, Routes
from incident_mcp.sandbox.shapes import Flaw

from .account import listed_entry
from .paging import page, plain_query
from .state import IncidentIO, by_id

IDENTITY: Json = {
    "name": "Sandbox key",
    "dashboard_url": "https://app.incident.io/sandbox",
    "roles": ["viewer", "incident_creator", "incident_editor", "post_incident_flow_opt_out", "global_access"],
    "team_roles": ["catalog_editor"],
    "teams": [{"id": account_ulid("team Payments"), "name": "Payments"}],
}


def reference_routes(account: IncidentIO) -> Routes:
    """The routes of everything that is only read."""
    return {
        ("GET", "/v1/identity"): lambda call: _whole(call, "identity", IDENTITY),
        ("GET", "/v1/severities"): lambda call: _whole(call, "severities", account.severities),
        ("GET", "/v1/severities/{}"): _show("severity", lambda: account.severities),
        ("GET", "/v1/incident_statuses"): lambda call: _whole(call, "incident_statuses", account.statuses),
        ("GET", "/v1/incident_statuses/{}"): _show("incident_status", lambda: account.statuses),
        ("GET", "/v1/incident_types"): lambda call: _whole(call, "incident_types", account.types),
        ("GET", "/v1/incident_types/{}"): _show("incident_type", lambda: account.types),
        ("GET", "/v2/incident_roles"): lambda call: _whole(call, "incident_roles", account.roles),
        ("GET", "/v2/custom_fields"): lambda call: _whole(call, "custom_fields", account.custom_fields),
        ("GET", "/v2/incident_timestamps"): lambda call: _whole(call, "incident_timestamps", account.timestamps),
        ("GET", "/v1/custom_field_options"): lambda call: _list_options(account, call),
        ("GET", "/v3/catalog_entries"): lambda call: _list_entries(account, call),
        ("GET", "/v2/users"): lambda call: _list_users(account, call),
        ("GET", "/v2/users/{}"): _show("user", lambda: account.users),
    }


def _whole(call: Call, key: str, value: object) -> Reply:
    plain_query(call.query)
    return Reply(200, {key: value})


def _show(key: str, rows: Callable[[], list[Json]]) -> Handler:
    def show(call: Call) -> Reply:
        plain_query(call.query)
        record = by_id(rows(), call.args[0])
        if record is None:
            raise Refusal(404, Flaw("not_found", f"The {key.replace('_', ' ')} could not be found", ""))
        return Reply(200, {key: record})

    return show


def _list_options(account: IncidentIO, call: Call) -> Reply:
    given = plain_query(call.query, "custom_field_id", "page_size", "after", required=("custom_field_id",))
    field_id = given["custom_field_id"]
    if by_id(account.custom_fields, field_id) is None:
        flaw = Flaw("not_found", f"custom_field_id: nothing has the id {field_id!r}", "custom_field_id")
        raise Refusal(422, flaw)
    shown, meta = page(account.options, given, keep=lambda row: row["custom_field_id"] == field_id)
    return Reply(200, {"custom_field_options": shown, "pagination_meta": meta})


def _list_entries(account: IncidentIO, call: Call) -> Reply:
    """The entries of a catalog type, in no documented order.

    `identifier` is an id, an external id, an alias or, because the type has `use_name_as_identifier`, a name in any
    case. An unknown type answers 404, documented as "The referenced resource could not be found".
    """
    required = ("catalog_type_id", "page_size")
    query = plain_query(call.query, *required, "after", "identifier", required=required)
    catalog_type = by_id(account.catalog_types, query["catalog_type_id"])
    if catalog_type is None:
        raise Refusal(404, Flaw("not_found", "The catalog type could not be found", ""))
    wanted = query.get("identifier", "")

    def fits(entry: Json) -> bool:
        by_name = wanted.casefold() == entry["name"].casefold()
        return not wanted or by_name or wanted in {entry["id"], entry["external_id"], *entry["aliases"]}

    rows = [listed_entry(entry) for entry in account.catalog_entries]
    shown, meta = page(rows, query, keep=fits)
    meta["total_record_count"] = sum(fits(row) for row in rows)
    return Reply(200, {"catalog_type": catalog_type, "catalog_entries": shown, "pagination_meta": meta})


def _list_users(account: IncidentIO, call: Call) -> Reply:
    given = plain_query(call.query, "email", "slack_user_id", "include_inactive", "page_size", "after")
    everybody = given.get("include_inactive", "false")
    if everybody not in {"true", "false"}:
        raise Refusal(422, Flaw("invalid_value", "include_inactive must be true or false", "include_inactive"))
    wanted = {key: given[key] for key in ("email", "slack_user_id") if given.get(key)}

    def fits(user: Json) -> bool:
        shown = user["is_active"] or everybody == "true"
        return shown and all(user[key].lower() == value.lower() for key, value in wanted.items())

    shown, meta = page(account.users, given, most=10_000, keep=fits)
    return Reply(200, {"users": shown, "pagination_meta": meta})
