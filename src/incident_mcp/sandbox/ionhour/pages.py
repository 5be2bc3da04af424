"""Lists and their paging envelope."""

from collections.abc import Collection, Mapping

from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Problem

from .workspace import Ionhour, read_id

MOST = 100
"""A larger `limit` is lowered to this; the envelope reports the limit that was applied."""
_PAGING = ("page", "limit")
Choices = Mapping[str, tuple[Collection[str], str]]
"""Parameter to the values that it takes, in any case, and the text that lists the documented ones."""


def read_query(
    call: Call, numbers: Collection[str] = (), choices: Choices | None = None, *, paged: bool = True
) -> dict[str, str]:
    """Return the query's parameters: `page` and `limit` if the list is `paged`, these numbers and these choices."""
    query = dict(call.query)
    known = {*numbers, *(_PAGING if paged else ())}
    messages = {key: _message(key, value, known, choices or {}) for key, value in query.items()}
    problems = [Problem(message, key) for key, message in messages.items() if message]
    if problems:
        raise ApiError(400, *problems)
    return query


def _message(key: str, value: str, numbers: Collection[str], choices: Choices) -> str | None:
    """Return the error message for a parameter, or None if it is valid."""
    if key in numbers:
        least = 1 if key in _PAGING else 0
        valid = value.isdecimal() and int(value) >= least
        return None if valid else f"{key} must be a number not less than {least}"
    if key not in choices:
        return f"property {key} should not exist"
    accepted, documented = choices[key]
    return None if value.upper() in accepted else f"{key} must be one of the following values: {documented}"


def require_workspace(query: dict[str, str]) -> int:
    """Return the workspace of a list that is documented to require one."""
    if "workspaceId" not in query:
        raise ApiError(400, Problem("workspaceId must be a number not less than 0", "workspaceId"))
    return int(query["workspaceId"])


def page(rows: list[Json], query: dict[str, str], default: int = 20) -> Json:
    """Return one page of the rows in the documented envelope; `default` is the limit of a request without one."""
    limit, number = min(int(query.get("limit", default)), MOST), int(query.get("page", 1))
    return envelope(rows[(number - 1) * limit : number * limit], len(rows), number, limit)


def list_of_incident(workspace: Ionhour, call: Call, rows: list[Json]) -> Reply:
    """Return the rows of the incident in the path, without deleted ones."""
    number = read_id(call.path["id"])
    if not workspace.lists_unknown:
        workspace.find(call.path["id"])
    found = [row for row in rows if row["incidentId"] == number and "deletedAt" not in row]
    return Reply(200, envelope(found, len(found), 1, max(20, len(found))) if workspace.enveloped else found)


def envelope(items: list[Json], total: int, page: int, limit: int) -> Json:
    """Return the documented envelope around one page of a list."""
    return {
        "items": items,
        "total": total,
        "page": page,
        "itemCount": len(items),
        "pageCount": -(-total // limit),
        "limit": limit,
    }
