"""What the lists and writes of follow-ups and actions share."""

from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

from incident_mcp.sandbox.engine.clock import rfc3339
from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Problem

from .account import IncidentIO, by_id, referenced
from .incident_values import slim_user
from .pages import page
from .query_filters import Filter, date_filter, invalid, split_query

STATUSES = ("outstanding", "completed", "deleted", "not_doing")
_MODES = ("standard", "retrospective", "test", "tutorial", "stream")


def list_work(account: IncidentIO, call: Call, key: str, *further: str) -> Reply:
    """Answer a page of follow-ups or actions, oldest first. Deleted ones are shown with that status."""
    plain = dict.fromkeys(("page_size", "after", "incident_id", *further))
    query, paths = split_query(call.query, {**plain, "incident_mode": _MODES})
    mode = query.get("incident_mode")
    modes = {mode} if mode else {"standard", "retrospective"}
    shown = {row["id"] for row in account.incidents if row["mode"] in modes}
    filters: list[Filter] = [lambda row: row["incident_id"] in shown]
    if incident := query.get("incident_id"):
        filters.append(lambda row: row["incident_id"] == incident)
    if team := query.get("assignee_team_id"):
        filters.append(lambda row: row.get("assignee_team", {}).get("id") == team)
    for path, values in paths.items():
        filters.append(_filter(path, values))
    rows = sorted(account.rows[key], key=lambda row: row["id"])
    found, meta = page(rows, query, keep=lambda row: all(keep(row) for keep in filters))
    return Reply(200, {key: found, "pagination_meta": meta})


def _filter(path: tuple[str, ...], values: list[str]) -> Filter:
    key = path[0] + "".join(f"[{part}]" for part in path[1:])
    match path:
        case (("created_at" | "updated_at") as name, operator):
            return date_filter(name, operator, values, key)
        case _:
            raise invalid(key, "is not a parameter of this list")


def find_work(account: IncidentIO, call: Call, key: str, noun: str) -> Json:
    """Return the row with the id in the path."""
    row = by_id(account.rows[key], call.path["id"])
    if row is None:
        raise ApiError(404, f"The {noun} could not be found")
    return row


def set_assignee(account: IncidentIO, row: Json, body: Json) -> None:
    """Assign the row; null unassigns it, and a body without the key leaves it."""
    if "assignee_id" not in body:
        return
    row.pop("assignee", None)
    if body["assignee_id"] is not None:
        row["assignee"] = slim_user(referenced(account.users, body, "assignee_id") or {})


def set_status(account: IncidentIO, row: Json, status: str) -> None:
    """Set the status, and when it was completed."""
    if status == "deleted":
        raise ApiError(422, Problem("status: use the delete endpoint instead", "status", "invalid_value"))
    row["status"] = status
    row.pop("completed_at", None)
    if status == "completed":
        row["completed_at"] = rfc3339(account.clock.now)


def without_null(body: object, *names: str) -> object:
    """Return a body in which these fields may be null: the document allows it for assignees alone."""
    if not isinstance(body, dict):
        return body
    values = cast("Json", body)
    return {key: value for key, value in values.items() if not (key in names and value is None)}


def issue_of(url: str) -> Json:
    """Return the issue of a link, whose tracker its host tells.

    Raises:
        ApiError: 422, if it is not the link of an issue.
    """
    parts = urlsplit(url)
    known: dict[str, Callable[[str], bool]] = {
        "linear": lambda host: host == "linear.app",
        "github": lambda host: host == "github.com",
        "jira": lambda host: host.endswith(".atlassian.net"),
    }
    provider = next((name for name, fits in known.items() if fits(parts.hostname or "")), None)
    name = parts.path.rstrip("/").rpartition("/")[2]
    if provider is None or not name:
        raise ApiError(422, Problem("url: no connected issue tracker has this issue", "url", "invalid_value"))
    return {"provider": provider, "issue_name": name, "issue_permalink": url}
