"""Plain query parameters and cursor pages (section 3.4 of the reference)."""

from collections.abc import Callable

from incident_mcp.sandbox.service import Json, Refusal
from incident_mcp.sandbox.shapes import Flaw

DEFAULT_SIZE = 25


def plain_query(query: list[tuple[str, str]], *allowed: str, required: tuple[str, ...] = ()) -> dict[str, str]:
    """The parameters by name. Unknown ones, which the vendor may well ignore, are refused so that they show."""
    found = [Flaw("unknown_parameter", f"{key} is not a parameter here", key) for key, _ in query if key not in allowed]
    given = dict(query)
    found += [Flaw("is_required", f"{key} is required", key) for key in required if not given.get(key)]
    if found:
        raise Refusal(422, *found)
    return given


def page(
    rows: list[Json],
    given: dict[str, str],
    *,
    most: int = 250,
    keep: Callable[[Json], bool] = lambda _: True,
) -> tuple[list[Json], Json]:
    """One page of the rows that `keep` lets through, and its pagination_meta, without `after` on the last page.

    The cursor is the id of the last record shown. It also works when that record has since left the selection. An
    empty parameter is as good as none: the vendor's document allows empty values.
    """
    size = page_size(given, most)
    start = 0
    if given.get("after"):
        ids = [row["id"] for row in rows]
        if given["after"] not in ids:
            raise Refusal(422, Flaw("invalid_value", f"after: no record has the id {given['after']!r}", "after"))
        start = ids.index(given["after"]) + 1
    left = [row for row in rows[start:] if keep(row)]
    shown = left[:size]
    meta: Json = {"page_size": size}
    if len(left) > size:
        meta["after"] = shown[-1]["id"]
    return shown, meta


def page_size(given: dict[str, str], most: int) -> int:
    """The page size asked for, from 1 to `most`."""
    text = given.get("page_size") or str(DEFAULT_SIZE)
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise Refusal(422, Flaw("invalid_value", f"page_size must be between 1 and {most}, not {text!r}", "page_size"))
    return int(text)
