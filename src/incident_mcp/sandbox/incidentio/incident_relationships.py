"""Relationships between incidents."""

from incident_mcp.sandbox.engine.service import Call, Json, Reply

from .account import IncidentIO, Routes, by_id, number_of
from .pages import PAGING, page, read_query


def list_relationships(account: IncidentIO, call: Call) -> Reply:
    """GET /v1/incident_relationships: a relationship shows the other incident, whichever of the two is asked for."""
    query = read_query(call, "incident_id", *PAGING, required=("incident_id",))
    wanted = query["incident_id"]
    shown, meta = page(account.rows["relationships"], query, keep=lambda row: wanted in row["incidents"])
    rows = [{"id": row["id"], "incident": _other(account, row, wanted)} for row in shown]
    return Reply(200, {"incident_relationships": rows, "pagination_meta": meta})


def _other(account: IncidentIO, row: Json, wanted: str) -> Json:
    [number] = [each for each in row["incidents"] if each != wanted]
    incident = by_id(account.incidents, number) or {}
    return {"id": incident["id"], "external_id": number_of(incident), "name": incident["name"]}


ROUTES: Routes = {("GET", "/v1/incident_relationships"): list_relationships}
SCOPES = {("GET", "/v1/incident_relationships"): ("incidents.view",)}
