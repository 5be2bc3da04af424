"""Query parameters, lists and cursor pages."""

from collections.abc import Callable

from incident_mcp.sandbox.engine.service import ApiError, Call, Json, Reply
from incident_mcp.sandbox.engine.shapes import Problem

from .account import by_id

DEFAULT_SIZE = 25
PAGING = ("page_size", "after")


def list_all(call: Call, key: str, rows: object) -> Reply:
    """Answer a list that has neither pages nor filters."""
    read_query(call)
    return Reply(200, {key: rows})


def get_one(call: Call, key: str, rows: list[Json]) -> Reply:
    """Answer the record with the id in the path."""
    read_query(call)
    record = by_id(rows, call.path["id"])
    if record is None:
        raise ApiError(404, f"The {key.replace('_', ' ')} could not be found")
    return Reply(200, {key: record})


def list_page(call: Call, key: str, rows: list[Json], *filters: str, required: tuple[str, ...] = ()) -> Reply:
    """Answer one page of the rows whose fields equal the filters of the query; an empty filter counts as absent."""
    query = read_query(call, *filters, *PAGING, required=required)
    wanted = {name: query[name] for name in filters if query.get(name)}
    shown, meta = page(rows, query, keep=lambda row: all(row[name] == value for name, value in wanted.items()))
    return Reply(200, {key: shown, "pagination_meta": meta})


def read_query(call: Call, *allowed: str, required: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the parameters by name. The vendor may ignore unknown ones; the sandbox rejects them so that they show."""
    problems = [
        Problem(f"{key} is not a parameter here", key, "unknown_parameter")
        for key, _ in call.query
        if key not in allowed
    ]
    query = dict(call.query)
    problems += [Problem(f"{key} is required", key, "is_required") for key in required if not query.get(key)]
    if problems:
        raise ApiError(422, *problems)
    return query


def page(
    rows: list[Json],
    query: dict[str, str],
    *,
    most: int = 250,
    keep: Callable[[Json], bool] = lambda _: True,
) -> tuple[list[Json], Json]:
    """Return one page of the rows that `keep` accepts, and its pagination_meta, without `after` on the last page.

    The cursor is the id of the last record shown, and also works when that record has since left the selection. An
    empty parameter counts as absent: the vendor's document allows empty values.
    """
    size = _page_size(query, most)
    start = 0
    if query.get("after"):
        ids = [row["id"] for row in rows]
        if query["after"] not in ids:
            raise ApiError(422, Problem(f"after: no record has the id {query['after']!r}", "after", "invalid_value"))
        start = ids.index(query["after"]) + 1
    left = [row for row in rows[start:] if keep(row)]
    shown = left[:size]
    meta: Json = {"page_size": size}
    if len(left) > size:
        meta["after"] = shown[-1]["id"]
    return shown, meta


def _page_size(query: dict[str, str], most: int) -> int:
    text = query.get("page_size") or str(DEFAULT_SIZE)
    if not text.isdecimal() or not 1 <= int(text) <= most:
        message = f"page_size must be between 1 and {most}, not {text!r}"
        raise ApiError(422, Problem(message, "page_size", "invalid_value"))
    return int(text)
