"""Lists and their paging envelope."""

from collections.abc import Collection, Mapping

from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Problem

from .workspace import Ionhour, read_id

MOST = 100
"""A larger `limit` is lowered to this; the envelope reports the limit that was applied."""
_PAGING = ("page", "limit")


def read_query(
    call: Call, numbers: Collection[str] = (), choices: Mapping[str, tuple[Collection[str], str]] | None = None
) -> dict[str, str]:
    """Return the query's parameters.

    Args:
        call: The call.
        numbers: The numeric parameters beside `page` and `limit`.
        choices: Other parameters, each with the values that it takes in any case, and those that an error names.
    """
    choices = choices or {}
    query = dict(call.query)
    problems: list[Problem] = []
    for key, value in query.items():
        if key in {*numbers, *_PAGING}:
            least = 1 if key in _PAGING else 0
            if not value.isdecimal() or int(value) < least:
                problems.append(Problem(f"{key} must be a number not less than {least}", key))
        elif key not in choices:
            problems.append(Problem(f"property {key} should not exist", key))
        elif value.upper() not in choices[key][0]:
            problems.append(Problem(f"{key} must be one of the following values: {choices[key][1]}", key))
    if problems:
        raise ApiError(400, *problems)
    return query


def page(rows: list[Json], query: dict[str, str]) -> Json:
    """Return one page of the rows in the documented envelope."""
    limit, number = min(int(query.get("limit", 20)), MOST), int(query.get("page", 1))
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
