"""Catalog types and their entries."""

from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply

from .account import IncidentIO, Routes, by_id
from .pages import list_all, page, read_query

OWNERS = {"Hosted Checkout": "Payments", "Payouts": "Payments"}
"""The teams that own products; Platform owns the others."""


def list_entries(account: IncidentIO, call: Call) -> Reply:
    """GET /v3/catalog_entries of a type, in no documented order.

    `identifier` is an id, an external id, an alias or, because the type has `use_name_as_identifier`, a name in any
    case. An unknown type answers 404, documented as "The referenced resource could not be found".
    """
    required = ("catalog_type_id", "page_size")
    query = read_query(call, *required, "after", "identifier", required=required)
    catalog_type = by_id(account.catalog_types, query["catalog_type_id"])
    if catalog_type is None:
        raise ApiError(404, "The catalog type could not be found")
    wanted = query.get("identifier", "")

    def matches(entry: Json) -> bool:
        named = wanted.casefold() == entry["name"].casefold()
        return not wanted or named or wanted in {entry["id"], entry["external_id"], *entry["aliases"]}

    rows = [_listed(entry, catalog_type) for entry in account.catalog_entries]
    shown, meta = page(rows, query, keep=matches)
    meta["total_record_count"] = sum(map(matches, rows))
    return Reply(200, {"catalog_type": catalog_type, "catalog_entries": shown, "pagination_meta": meta})


def _listed(entry: Json, catalog_type: Json) -> Json:
    """Return an entry as it is listed, from the form that incidents embed."""
    runbook, owner = catalog_type["schema"]["attributes"]
    values = {
        runbook["id"]: {"value": {"label": f"https://runbooks.paysand.example/{entry['external_id']}"}},
        owner["id"]: {"value": {"label": OWNERS.get(entry["name"], "Platform")}},
    }
    return {
        **entry,
        "catalog_type_id": catalog_type["id"],
        "rank": 0,  # only entries of ranked types have a rank
        "attribute_values": values,
        "created_at": catalog_type["created_at"],
        "updated_at": catalog_type["updated_at"],
    }


ROUTES: Routes = {
    ("GET", "/v3/catalog_entries"): list_entries,
    ("GET", "/v3/catalog_types"): lambda account, call: list_all(call, "catalog_types", account.catalog_types),
}
