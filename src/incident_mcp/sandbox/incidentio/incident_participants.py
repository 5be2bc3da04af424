"""Participants of incidents, and their workloads."""

from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply

from .account import IncidentIO, Routes, by_id
from .incident_values import slim_user
from .pages import read_query

VIEW_PRIVATE = "incident_workloads.view_private"
_INTERNAL = ("id", "incident_id", "synced_at")


def list_participants(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/incident_participants; not paged.

    Those with a role are responders, those who wrote an update are collaborators, observers are seeded.
    """
    incident = _incident(account, call)
    people = _active(account, incident)
    observers = [row["user_id"] for row in account.rows["observers"] if row["incident_id"] == incident["id"]]
    passive = [
        {"user": slim_user(by_id(account.users, number) or {}), "participant_type": "observer"}
        for number in observers
        if number not in people
    ]
    return Reply(200, {"incident_participants": {"active": list(people.values()), "passive": passive}})


def _active(account: IncidentIO, incident: Json) -> dict[str, Json]:
    """Return the active participants by the ids of their users."""
    updaters = [row["updater"] for row in account.updates if row["incident_id"] == incident["id"]]
    wrote = [updater["user"] for updater in updaters if "user" in updater]
    assigned = [slot["assignee"] for slot in incident["incident_role_assignments"] if "assignee" in slot]
    found = {user["id"]: {"user": user, "participant_type": "collaborator"} for user in wrote}
    return found | {user["id"]: {"user": user, "participant_type": "responder"} for user in assigned}


def list_workloads(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/incident_participant_workloads; those of a private incident only with a scope of their own."""
    incident = _incident(account, call)
    hidden = incident["visibility"] == "private" and VIEW_PRIVATE in account.missing_scopes
    rows = [] if hidden else [row for row in account.rows["workloads"] if row["incident_id"] == incident["id"]]
    shown = [{key: value for key, value in row.items() if key not in _INTERNAL} for row in rows]
    metadata: Json = {"data_synced_at": rows[0]["synced_at"]} if rows else {}
    return Reply(200, {"incident_participant_workloads": shown, "metadata": metadata})


def _incident(account: IncidentIO, call: Call) -> Json:
    query = read_query(call, "incident_id", required=("incident_id",))
    incident = by_id(account.incidents, query["incident_id"])
    if incident is None:
        raise ApiError(404, "The incident could not be found")
    return incident


ROUTES: Routes = {
    ("GET", "/v2/incident_participants"): list_participants,
    ("GET", "/v2/incident_participant_workloads"): list_workloads,
}
SCOPES = {
    ("GET", "/v2/incident_participants"): ("incidents.view",),
    ("GET", "/v2/incident_participant_workloads"): ("incident_workloads.view",),
}
