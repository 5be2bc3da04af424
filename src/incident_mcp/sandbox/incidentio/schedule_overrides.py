"""Schedule overrides: somebody covers a part of a layer."""

from datetime import datetime

from incident_mcp.sandbox.engine.clock import read_instant, rfc3339, ulid
from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Field, Problem, Shape

from .account import IncidentIO, Routes, by_id, read_body, referenced
from .incident_values import find_user, slim_user
from .pages import get_one, list_page
from .weekly_hours import Span

OVERRIDE: Shape = {
    "schedule_id": Field("string", required=True, not_empty=True),
    "rotation_id": Field("string", required=True, not_empty=True),
    "layer_id": Field("string", required=True, not_empty=True),
    "start_at": Field("instant", required=True),
    "end_at": Field("instant", required=True),
    "user": Field("object", required=True, shape={key: Field("string") for key in ("id", "email", "slack_user_id")}),
}


def list_overrides(account: IncidentIO, call: Call) -> Reply:
    """GET /v2/schedule_overrides of a schedule, by start, though the vendor promises no order."""
    rows = sorted(account.rows["schedule_overrides"], key=lambda row: (read_instant(row["start_at"]), row["id"]))
    return list_page(call, "overrides", rows, "schedule_id", "rotation_id", "layer_id", required=("schedule_id",))


def create_override(account: IncidentIO, call: Call) -> Reply:
    """POST /v2/schedule_overrides. There is no idempotency key: every call that passes creates one.

    Overrides on a layer cannot overlap. The document says only for an update what happens to a neighbour, and the
    sandbox does the same here: the neighbour is deleted, and its time outside the new window comes back as new
    overrides with new ids.
    """
    body = read_body(call.body, OVERRIDE)
    schedule = referenced(account.on_call.schedules, body, "schedule_id") or {}
    _check_layer(schedule, body)
    start, end = (_instant(body[key]) for key in ("start_at", "end_at"))
    if start >= end:
        raise ApiError(422, Problem("end_at must be after start_at", "end_at", "invalid_value"))
    user = slim_user(find_user(account, body["user"], "user"))
    _make_room(account, body, start, end)
    return Reply(201, {"override": add_override(account, body, (start, end), user, account.clock.tick())})


def _check_layer(schedule: Json, body: Json) -> None:
    rotations: list[Json] = schedule.get("config", {}).get("rotations", [])
    layers = [layer for row in rotations if row["id"] == body["rotation_id"] for layer in row["layers"]]
    referenced(rotations, body, "rotation_id")
    referenced(layers, body, "layer_id")


def _make_room(account: IncidentIO, body: Json, start: datetime, end: datetime) -> None:
    rows = account.rows["schedule_overrides"]
    for old in list(rows):
        since, until = _instant(old["start_at"]), _instant(old["end_at"])
        same = all(old[key] == body[key] for key in ("schedule_id", "rotation_id", "layer_id"))
        if not same or since >= end or until <= start:
            continue
        _remove(account, old)
        if since < start:
            add_override(account, old, (since, start), old["user"], account.clock.tick())
        if until > end:
            add_override(account, old, (end, until), old["user"], account.clock.tick())


def add_override(account: IncidentIO, where: Json, window: Span, user: Json, instant: datetime) -> Json:
    """Add an override on the layer that `where` names, created at an instant."""
    number = len(account.rows["schedule_overrides"]) + len(account.rows["deleted_overrides"])
    override: Json = {
        "id": ulid(instant, f"override {number}"),
        **{key: where[key] for key in ("schedule_id", "rotation_id", "layer_id")},
        "start_at": rfc3339(window[0]),
        "end_at": rfc3339(window[1]),
        "user": user,
        "created_at": rfc3339(instant),
        "updated_at": rfc3339(instant),
    }
    account.rows["schedule_overrides"].append(override)
    return override


def delete_override(account: IncidentIO, call: Call) -> Reply:
    """DELETE /v2/schedule_overrides/{id}, which succeeds again for one that is already deleted.

    The rotations are back on call. An override that this one had displaced is not.
    """
    override = by_id(account.rows["schedule_overrides"], call.path["id"])
    if override is not None:
        account.clock.tick()
        _remove(account, override)
    elif by_id(account.rows["deleted_overrides"], call.path["id"]) is None:
        raise ApiError(404, "The override could not be found")
    return Reply(204, None)


def _remove(account: IncidentIO, override: Json) -> None:
    account.rows["schedule_overrides"].remove(override)
    account.rows["deleted_overrides"].append(override)


def _instant(text: str) -> datetime:
    instant = read_instant(text)
    if instant is None:
        raise ValueError(text)
    return instant


ROUTES: Routes = {
    ("GET", "/v2/schedule_overrides"): list_overrides,
    ("POST", "/v2/schedule_overrides"): create_override,
    ("GET", "/v2/schedule_overrides/{id}"): lambda account, call: get_one(
        call, "override", account.rows["schedule_overrides"]
    ),
    ("DELETE", "/v2/schedule_overrides/{id}"): delete_override,
}
SCOPES = {
    ("GET", "/v2/schedule_overrides"): ("schedules.view",),
    ("POST", "/v2/schedule_overrides"): ("schedule_overrides.create",),
    ("GET", "/v2/schedule_overrides/{id}"): ("schedules.view",),
    ("DELETE", "/v2/schedule_overrides/{id}"): ("schedule_overrides.destroy",),
}
