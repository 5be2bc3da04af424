"""Memberships of private incidents. There is no operation that lists them."""

from datetime import datetime

from incident_mcp.sandbox.engine.clock import rfc3339, ulid
from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Field, Problem, Shape

from .account import IncidentIO, Routes, read_body, referenced
from .incident_values import slim_user

MEMBERSHIP: Shape = {
    "incident_id": Field("string", required=True, not_empty=True),
    "user_id": Field("string", required=True, not_empty=True),
}


def grant(account: IncidentIO, call: Call) -> Reply:
    """POST /v1/incident_memberships. What a repeat does is not documented: the sandbox answers the membership."""
    incident, user = _read(account, call)
    rows = account.rows["incident_memberships"]
    membership = next(iter(_of(rows, incident, user)), None)
    if membership is None:
        instant = account.clock.tick()
        number = len(rows) + len(account.rows["revoked_memberships"])
        membership = new_membership(ulid(instant, f"membership {number}"), instant, incident, user)
        rows.append(membership)
    return Reply(201, {"incident_membership": membership})


def new_membership(membership_id: str, instant: datetime, incident: Json, user: Json) -> Json:
    """Return a membership."""
    return {
        "id": membership_id,
        "incident_id": incident["id"],
        "user": slim_user(user),
        "created_at": rfc3339(instant),
        "updated_at": rfc3339(instant),
    }


def revoke(account: IncidentIO, call: Call) -> Reply:
    """POST /v1/incident_memberships/actions/revoke. That a repeat succeeds, too, is not documented."""
    incident, user = _read(account, call)
    rows = account.rows["incident_memberships"]
    for membership in _of(rows, incident, user):
        rows.remove(membership)
        account.rows["revoked_memberships"].append(membership)
    account.clock.tick()
    return Reply(204, None)


def _read(account: IncidentIO, call: Call) -> tuple[Json, Json]:
    body = read_body(call.body, MEMBERSHIP)
    incident = referenced(account.incidents, body, "incident_id") or {}
    user = referenced(account.users, body, "user_id") or {}
    if incident["visibility"] != "private":
        message = "Only a private incident has members"
        raise ApiError(422, Problem(message, "incident_id", "invalid_value"))
    return incident, user


def _of(rows: list[Json], incident: Json, user: Json) -> list[Json]:
    return [row for row in rows if row["incident_id"] == incident["id"] and row["user"]["id"] == user["id"]]


ROUTES: Routes = {
    ("POST", "/v1/incident_memberships"): grant,
    ("POST", "/v1/incident_memberships/actions/revoke"): revoke,
}
SCOPES = {
    ("POST", "/v1/incident_memberships"): ("incident_memberships.grant",),
    ("POST", "/v1/incident_memberships/actions/revoke"): ("incident_memberships.revoke",),
}
