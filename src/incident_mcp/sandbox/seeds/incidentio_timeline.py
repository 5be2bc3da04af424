"""What happened around the incidents of the incident.io account: activity, calls, participants, who may see them."""

from collections.abc import Iterator
from datetime import datetime

from incident_mcp.sandbox.engine.clock import account_ulid, ago, rfc3339
from incident_mcp.sandbox.engine.service import Json
from incident_mcp.sandbox.incidentio.account import IncidentIO, by_name, number_of
from incident_mcp.sandbox.incidentio.incident_memberships import new_membership
from incident_mcp.sandbox.incidentio.incident_values import slim_user

WORKFLOW: Json = {"workflow": {"id": account_ulid("workflow"), "name": "Declare from support tickets"}}
STREAM = account_ulid("stream Merchant communication")
"""A stream of INC-114."""

# As tables, not one argument a line.
# fmt: off
ACTIVITY: tuple[tuple[int, str, str, str, str, Json], ...] = (
    # number, ago, type, title, who, content without who; `user:` and `severity:` stand for records
    (114, "130m", "incident_channel_created", "Created the channel #inc-114", "", {}),
    (114, "129m", "alert_attached_to_incident", "Attached an alert", "workflow",
     {"alert_id": account_ulid("alert Checkout errors above 5 percent")}),
    (114, "128m", "role_update", "Assigned a role", "Priya Raman",
     {"role": "role:Incident Lead", "new_assignee": "user:Sam Okafor"}),
    (114, "112m", "escalation_created", "Escalated", "Sam Okafor",
     {"escalation_id": account_ulid("escalation of INC-114"), "escalated_to_users": ["user:Lena Fischer"]}),
    (114, "104m", "incident_rename", "Renamed the incident", "Sam Okafor",
     {"previous_name": "Webhooks are slow", "new_name": "Webhook deliveries to merchants are delayed"}),
    (114, "90m", "investigation_hypothesis_update", "A hypothesis was updated", "", {}),
    (114, "60m", "action_created", "Created an action", "Lena Fischer",
     {"action_id": account_ulid("action of INC-114")}),
    (112, "3h", "incident_attachment_added", "Attached a ticket", "", {}),
    (111, "25h", "incident_visibility_changed", "Changed the visibility", "Ines Moreau",
     {"previous_visibility": "public", "new_visibility": "private"}),
)
RELATED = ((114, 113), (114, 116), (101, 114))
CALLS = (
    # number, started, ended ("" while it goes on), entries: ago, who, medium, text
    (114, "125m", "95m", (
        ("124m", "Sam Okafor", "spoken", "Right, webhooks are about forty minutes behind. Who can look at the queue?"),
        ("123m", "Lena Fischer", "spoken", "I am on it. Depth is four thousand and growing, all workers are busy."),
        ("121m", "Lena Fischer", "call_chat", "https://grafana.paysand.example/d/webhooks"),
        ("99m", "Sam Okafor", "spoken", "Restart the workers and see whether that holds."),
    )),
    (114, "80m", "", (
        ("79m", "Lena Fischer", "spoken", "One merchant's endpoint accepts the connection and then never answers."),
        ("78m", "Sam Okafor", "spoken", "Then we move that merchant to a queue of its own, and set a timeout on all."),
        ("77m", "Diego Santos", "spoken", "Agreed. I can have the timeout out in half an hour."),
        ("40m", "Diego Santos", "spoken", "The timeout is in review."),
    )),
    (112, "4h", "3h", ()),
)
OBSERVERS = ((114, "Mei Chen"), (114, "Ruth Adeyemi"), (112, "Ines Moreau"))
WORKLOADS = (
    # number, who, type, left ("" if not), minutes in working, late and sleeping hours
    (114, "Sam Okafor", "responder", "", 0.0, 40.5, 60.0),
    (114, "Priya Raman", "responder", "", 55.25, 0.0, 0.0),
    (114, "Kofi Mensah", "collaborator", "90m", 12.0, 0.0, 0.0),
    (111, "Ines Moreau", "responder", "", 95.0, 0.0, 0.0),
)
MEMBERS = ((111, "Ines Moreau", "26h"), (111, "Sam Okafor", "25h"))
# fmt: on


def seed_timeline(account: IncidentIO, start: datetime) -> None:
    """Add what happened around the incidents."""
    incidents = {number_of(incident): incident for incident in account.incidents}
    ids = {number: incident["id"] for number, incident in incidents.items()}
    account.rows["activity_log"] += _activity(account, start, ids)
    account.rows["relationships"] += [
        {"id": account_ulid(f"relationship {one} {other}"), "incidents": [ids[one], ids[other]]}
        for one, other in RELATED
    ]
    for number, began, ended, entries in CALLS:
        session = _session(ids[number], start, began, ended)
        account.rows["call_sessions"].append(session)
        account.rows["call_transcript_entries"] += [_entry(session["id"], start, *entry) for entry in entries]
    account.rows["observers"] += [
        {"id": account_ulid(f"observer {number} {who}"), "incident_id": ids[number], "user_id": account_ulid(who)}
        for number, who in OBSERVERS
    ]
    account.rows["workloads"] += [_workload(account, start, ids, *row) for row in WORKLOADS]
    account.rows["revoked_memberships"] = []
    account.rows["incident_memberships"] += [
        new_membership(
            account_ulid(f"membership {number} {who}"),
            start - ago(when),
            incidents[number],
            by_name(account.users, who),
        )
        for number, who, when in MEMBERS
    ]


def _activity(account: IncidentIO, start: datetime, ids: dict[int, str]) -> Iterator[Json]:
    actors = {
        "escalation_created": "creator",
        "role_update": "updater",
        "incident_rename": "updater",
        "incident_visibility_changed": "updater",
    }
    for number, when, kind, title, who, content in ACTIVITY:
        body = {key: _record(account, value) for key, value in content.items()}
        if who:
            user = None if who == "workflow" else slim_user(by_name(account.users, who))
            body[actors.get(kind, "actor")] = {"user": user} if user else WORKFLOW
        yield _activity_entry(ids[number], start, when, kind, title, {kind: body} if content else {})
    body = {"event_title": "Told the ten largest merchants", "creator": WORKFLOW}
    row = _activity_entry(STREAM, start, "50m", "workflow_ran", "A workflow added an event", {"workflow_ran": body})
    yield row | {"parent_id": ids[114]}


def _record(account: IncidentIO, value: str | list[str]) -> object:
    """Return the record that a value of the table stands for."""
    if isinstance(value, list):
        return [_record(account, each) for each in value]
    kind, _, name = value.partition(":")
    if kind == "user":
        return slim_user(by_name(account.users, name))
    return by_name(account.roles, name) if kind == "role" else value


def _activity_entry(  # noqa: PLR0913, PLR0917  # a row
    incident_id: str, start: datetime, when: str, kind: str, title: str, content: Json
) -> Json:
    at = rfc3339(start - ago(when))
    entry: Json = {
        "id": account_ulid(f"activity {incident_id} {when} {kind}"),
        "incident_id": incident_id,
        "type": kind,
        "title": title,
        "occurred_at": at,
        "created_at": at,
    }
    return entry | ({"content": content} if content else {})


def _session(incident_id: str, start: datetime, began: str, ended: str) -> Json:
    session: Json = {
        "id": account_ulid(f"call {incident_id} {began}"),
        "incident_id": incident_id,
        "started_at": rfc3339(start - ago(began)),
    }
    return session | ({"ended_at": rfc3339(start - ago(ended))} if ended else {})


def _entry(  # noqa: PLR0913, PLR0917  # a row
    session: str, start: datetime, when: str, who: str, medium: str, text: str
) -> Json:
    return {
        "id": account_ulid(f"call entry {text}"),
        "call_session_id": session,
        "timestamp": rfc3339(start - ago(when)),
        "participant_name": who,
        "medium": medium,
        "content": text,
    }


def _workload(  # noqa: PLR0913, PLR0917  # a row
    account: IncidentIO,
    start: datetime,
    ids: dict[int, str],
    number: int,
    who: str,
    kind: str,
    left: str,
    working: float,
    late: float,
    sleeping: float,
) -> Json:
    spent = "minutes_spent_on_incident"
    return {
        "id": account_ulid(f"workload {number} {who}"),
        "incident_id": ids[number],
        "user": slim_user(by_name(account.users, who)),
        "participant_type": kind,
        "workload": {
            spent: working + late + sleeping,
            f"{spent}_in_working_hours": working,
            f"{spent}_in_late_hours": late,
            f"{spent}_in_sleeping_hours": sleeping,
        },
        "synced_at": rfc3339(start - ago("30m")),
    } | ({"archived_at": rfc3339(start - ago(left))} if left else {})
