"""Follow-ups and actions. Times are durations before the sandbox's start."""

from datetime import datetime

from incident_mcp.sandbox.engine.clock import account_ulid, ago, rfc3339
from incident_mcp.sandbox.engine.service import Json
from incident_mcp.sandbox.incidentio.account import IncidentIO, by_name, number_of
from incident_mcp.sandbox.incidentio.actions import new_action
from incident_mcp.sandbox.incidentio.follow_ups import new_follow_up
from incident_mcp.sandbox.incidentio.incident_values import slim_user

CATEGORIES = ("Prevent", "Detect", "Respond")
PRIORITIES = ("Low", "Medium", "Urgent")
# fmt: off
FOLLOW_UPS: tuple[tuple[int, str, str, str | None, str, Json], ...] = (
    # incident, ago, status, assignee, title, further fields
    (101, "21d", "completed", "Ines Moreau", "Alert on the replica's lag before it is 10 seconds",
     {"category": "Detect", "priority": "Urgent"}),
    (101, "21d", "not_doing", None, "Write every payment to two data centers at once", {"category": "Prevent"}),
    (106, "8d", "outstanding", "Yuki Tanaka", "Test an index with ten queries in each language before the swap",
     {"category": "Prevent", "priority": "Medium", "labels": ["search", "release"],
      "description": "The German analyzer was wrong for **two weeks** in staging."}),
    (107, "5d", "outstanding", "Sam Okafor", "Renew certificates with the full chain, automatically",
     {"category": "Prevent", "priority": "Urgent", "labels": ["tls"], "team": "Payments",
      "issue": {"provider": "linear", "issue_name": "PAY-2214",
                "issue_permalink": "https://linear.app/paysand/issue/PAY-2214"}}),
    (107, "5d", "outstanding", None, "Tell support within five minutes when 3-D Secure fails", {"category": "Respond"}),
    (112, "2h", "outstanding", "Sam Lindqvist", "Ask the bank for a week's notice of new host keys", {}),
    (115, "90m", "outstanding", "Ines Moreau", "Rehearsal only: buy new batteries for the pager", {}),
)
ACTIONS = (
    # incident, ago, status, assignee, description
    (114, "105m", "completed", "Sam Okafor", "Restart the delivery workers"),
    (114, "70m", "outstanding", "Yuki Tanaka", "Move the blocked endpoint to a queue of its own"),
    (114, "65m", "outstanding", None, "Put a **ten-second timeout** on all deliveries"),
    (112, "3h", "completed", "Sam Lindqvist", "Ask the bank for the new fingerprint by phone"),
    (116, "75m", "not_doing", "Priya Raman", "Move the support desk to the customers' search"),
)
# fmt: on


def seed_follow_ups(account: IncidentIO, start: datetime) -> None:
    """Fill the account's follow-ups and actions."""
    for key, names in (("category", CATEGORIES), ("priority", PRIORITIES)):
        account.rows[f"follow_up_{key}"] += [
            {"id": account_ulid(f"follow-up {key} {name}"), "name": name, "rank": rank * 10}
            for rank, name in enumerate(names, 1)
        ]
    incidents = {number_of(incident): incident for incident in account.incidents}
    for number, when, status, who, title, further in FOLLOW_UPS:
        row = new_follow_up(account, incidents[number], start - ago(when), title, account_ulid(f"follow-up {title}"))
        _assign(account, row, who, status, start)
        _add(account, row, further)
    for number, when, status, who, description in ACTIONS:
        row = new_action(
            account, incidents[number], start - ago(when), description, account_ulid(f"action {description}")
        )
        _assign(account, row, who, status, start)


def _assign(account: IncidentIO, row: Json, who: str | None, status: str, start: datetime) -> None:
    row["status"] = status
    if who is not None:
        row["assignee"] = slim_user(by_name(account.users, who))
    if status == "completed":
        row["completed_at"] = row["updated_at"] = rfc3339(start - ago("60m"))


def _add(account: IncidentIO, row: Json, further: Json) -> None:
    for key in ("category", "priority"):
        if key in further:
            row[key] = by_name(account.rows[f"follow_up_{key}"], further[key])
    row |= {key: further[key] for key in ("labels", "description") if key in further}
    if "issue" in further:
        row["external_issue_reference"] = further["issue"]
    if "team" in further:
        team = by_name(account.teams, further["team"])
        row["assignee_team"] = {"id": team["id"], "name": team["name"]}
