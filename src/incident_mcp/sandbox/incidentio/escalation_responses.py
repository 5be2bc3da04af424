"""Responses to an escalation: acknowledge, snooze, cancel, reassign."""

from incident_mcp.sandbox.engine.clock import read_instant, rfc3339
from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Field, Problem, Shape

from .account import IncidentIO, Routes, read_body
from .escalations import OVER, find_run, get_escalation, new_run, read_targets
from .on_call import Run
from .paging import start, stop

RESPOND: Shape = {
    "response": Field("string", required=True, choices=("ack", "nack", "snooze")),
    "snooze_details": Field(
        "object",
        shape={"snooze_until": Field("instant", required=True), "reason": Field("string")},
    ),
}
REASSIGN: Shape = {
    "escalation_path_id": Field("string"),
    "user_ids": Field("strings"),
    "title": Field("string"),
    "description": Field("string"),
    "resolve_original": Field("boolean"),
}


def respond(account: IncidentIO, call: Call) -> Reply:
    """POST /v2/escalations/{escalation_id}/actions/respond; answers nothing.

    A key cannot decline. That an escalation which is over takes no response, and that one which is acknowledged may be
    acknowledged again or snoozed, is not in the document.
    """
    run = find_run(account, call.path["escalation_id"])
    body = read_body(call.body, RESPOND)
    if body["response"] == "nack":
        message = "response: an API key cannot decline an escalation in its own right"
        raise ApiError(422, Problem(message, "response", "invalid_value"))
    _require_open(run, "responded to")
    if body["response"] == "snooze":
        _snooze(account, run, body)
    elif run.escalation["status"] != "acked":
        stop(run, "acked", "acked", account.clock.tick())
    return Reply(200, None)


def _snooze(account: IncidentIO, run: Run, body: Json) -> None:
    """Stop paging until an instant, then begin again. The document has no event for it."""
    if "snooze_details" not in body:
        message = "snooze_details is required to snooze"
        raise ApiError(422, Problem(message, "snooze_details", "is_required"))
    until = read_instant(body["snooze_details"]["snooze_until"])
    if until is None or until <= account.clock.now:
        at = "snooze_details.snooze_until"
        raise ApiError(422, Problem(f"{at} must be in the future", at, "invalid_value"))
    instant = account.clock.tick()
    run.escalation["status"] = "snoozed"
    run.escalation["updated_at"] = rfc3339(instant)
    start(account, run, until)


def cancel(account: IncidentIO, call: Call) -> Reply:
    """POST /v2/escalations/{id}/actions/cancel; answers nothing, also when it is already cancelled."""
    run = find_run(account, call.path["id"])
    if run.escalation["status"] != "cancelled":
        _require_open(run, "cancelled")
        stop(run, "cancelled", "cancelled", account.clock.tick())
    return Reply(200, None)


def _require_open(run: Run, action: str) -> None:
    status = run.escalation["status"]
    if status in OVER:
        raise ApiError(422, Problem(f"An escalation that is {status} cannot be {action}", "", "invalid_value"))


def reassign(account: IncidentIO, call: Call) -> Reply:
    """POST /v2/escalations/{escalation_id}/actions/reassign: a new escalation, once for each.

    The answer does not name the original, nor the original the new one: the document has no field for it.
    """
    original = find_run(account, call.path["escalation_id"])
    body = read_body(call.body, REASSIGN)
    resolve = body.get("resolve_original", True)
    if resolve:
        account.require_scope("escalations.respond")
    if original.reassigned:
        raise ApiError(422, Problem("This escalation has already been reassigned", "", "invalid_value"))
    path, nodes = read_targets(account, body)
    instant = account.clock.tick()
    title, description = (body.get(key) or original.escalation[key] for key in ("title", "description"))
    run = new_run(account, instant, title, description, path, nodes)
    run.incident_ids = list(original.incident_ids)
    run.escalation |= {key: original.escalation[key] for key in ("priority", "related_alerts")}
    original.reassigned = True
    if resolve and original.escalation["status"] not in OVER:
        stop(original, "resolved", "resolved", instant)
    start(account, run, instant)
    return Reply(201, get_escalation(account, Call({"id": run.escalation["id"]}, [])).body)


ROUTES: Routes = {
    ("POST", "/v2/escalations/{escalation_id}/actions/respond"): respond,
    ("POST", "/v2/escalations/{id}/actions/cancel"): cancel,
    ("POST", "/v2/escalations/{escalation_id}/actions/reassign"): reassign,
}
SCOPES = {
    ("POST", "/v2/escalations/{escalation_id}/actions/respond"): ("escalations.respond",),
    ("POST", "/v2/escalations/{id}/actions/cancel"): ("escalations.cancel",),
    ("POST", "/v2/escalations/{escalation_id}/actions/reassign"): ("escalations.create",),
}
