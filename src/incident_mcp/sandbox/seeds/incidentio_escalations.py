"""The escalations of the incident.io account. Times are durations before the sandbox's start."""

from dataclasses import dataclass
from datetime import datetime

from incident_mcp.sandbox.engine.clock import account_ulid, ago, rfc3339
from incident_mcp.sandbox.engine.service import Json
from incident_mcp.sandbox.incidentio.account import IncidentIO, by_name, number_of
from incident_mcp.sandbox.incidentio.escalation_targets import nodes_of
from incident_mcp.sandbox.incidentio.escalations import new_run
from incident_mcp.sandbox.incidentio.incident_values import slim_user
from incident_mcp.sandbox.incidentio.paging import direct, start, stop


@dataclass(frozen=True)
class Row:
    """One seeded escalation."""

    title: str
    ago: str
    path: str = ""
    user: str = ""
    """Who is paged directly, without a path."""
    description: str = ""
    creator: str = ""
    """A person, `alert` or `workflow`; an API key leaves no trace."""
    incident: int = 0
    end: tuple[str, str] = ("", "")
    """Its status, and since when. Without one the escalation goes its way."""
    answered_by: str = ""
    snoozed_until: str = ""
    """How long after the start, for one that is snoozed instead."""
    priority: str = "P2"


ESCALATIONS = (
    Row(
        "Checkout errors above 5 percent",
        "12m",
        path="Payments",
        description="The error rate of checkout-api has been above 5 % for five minutes.",
        creator="alert",
        incident=114,
        end=("acked", "9m"),
        answered_by="Yuki Tanaka",
        priority="P1",
    ),
    Row("Ledger replica lags by 40 seconds", "3m", path="Database", creator="alert"),
    Row(
        "Search latency above 2 seconds",
        "4m",
        path="Search",
        creator="Sam Okafor",
        end=("", "2m"),
        snoozed_until="3d",
    ),
    Row("Export queue is full", "5m", user="Priya Raman", creator="Sam Okafor"),
    Row("Refund worker restarts", "6m", user="Lena Fischer", creator="Ines Moreau"),
    Row("Payout file is missing", "26h", path="Payments", creator="workflow", incident=112, end=("resolved", "1555m")),
    Row("Nightly settlement failed", "2d", path="Batch jobs", creator="alert"),
    Row("Webhook backlog grows", "6h", user="Priya Raman", creator="Ines Moreau", end=("cancelled", "350m")),
)


def seed_escalations(account: IncidentIO, now: datetime) -> None:
    """Add the escalations, oldest first. Their rings are over: `rings` starts empty."""
    for row in sorted(ESCALATIONS, key=lambda row: ago(row.ago), reverse=True):
        _add(account, row, now)
    account.rows["rings"].clear()


def _add(account: IncidentIO, row: Row, now: datetime) -> None:
    path = by_name(account.on_call.paths, row.path) if row.path else None
    nodes = nodes_of(account, path) if path else direct([by_name(account.users, row.user)["id"]])
    run = new_run(account, now - ago(row.ago), row.title, row.description, path, nodes)
    # Fixed, so that examples and documents can name it.
    del account.paging.runs[run.escalation["id"]]
    run.escalation["id"] = account_ulid(f"escalation {row.title}")
    account.paging.runs[run.escalation["id"]] = run
    run.incident_ids = [incident["id"] for incident in account.incidents if number_of(incident) == row.incident]
    run.escalation["creator"] = _creator(account, row)
    run.escalation["priority"] = {"name": row.priority}
    status, when = row.end
    start(account, run, now - ago(row.ago), until=now - ago(when) if when else now)
    if status:
        stop(run, status, status, now - ago(when))
    if row.answered_by:
        run.escalation["events"][-1]["users"] = [slim_user(by_name(account.users, row.answered_by))]
    if row.snoozed_until:
        run.escalation |= {"status": "snoozed", "updated_at": rfc3339(now - ago(when))}
        start(account, run, now + ago(row.snoozed_until))


def _creator(account: IncidentIO, row: Row) -> Json:
    if row.creator == "alert":
        return {"alert": {"id": account_ulid(f"alert {row.title}"), "title": row.title}}
    if row.creator == "workflow":
        return {"workflow": {"id": account_ulid("workflow"), "name": "Declare from support tickets"}}
    return {"user": slim_user(by_name(account.users, row.creator))}
