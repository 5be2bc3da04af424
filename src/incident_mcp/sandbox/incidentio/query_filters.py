"""Filters in the query of a list: `status[one_of]=...`, `created_at[gte]=...`.

The sandbox is stricter than the vendor is known to be: it rejects unknown parameters, operators and ids with a 422 that
names them, so that a client's misspelling does not silently widen or empty the list.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from incident_mcp.sandbox.engine.clock import read_date_or_instant, read_instant
from incident_mcp.sandbox.engine.service import ApiError, Json
from incident_mcp.sandbox.engine.shapes import Problem

_KEY = re.compile(r"(\w+)((?:\[[^\[\]]+\])+)")

Filter = Callable[[Json], bool]
Paths = dict[tuple[str, ...], list[str]]
"""(name, ..., operator) to values."""


def split_query(
    query: list[tuple[str, str]], plain: Mapping[str, Sequence[str] | None]
) -> tuple[dict[str, str], Paths]:
    """Return the plain parameters, which may be limited to some values, and the filters."""
    values: dict[str, str] = {}
    grouped: Paths = {}
    for key, value in query:
        if key in plain:
            choices = plain[key]
            if choices and value and value not in choices:
                raise invalid(key, f"must be one of {', '.join(choices)}, not {value!r}")
            values[key] = value
            continue
        match = _KEY.fullmatch(key)
        path = (match[1], *re.findall(r"\[([^\[\]]+)\]", match[2])) if match else (key,)
        grouped.setdefault(path, []).append(value)
    return values, grouped


def membership(operator: str, values: list[str], pick: Callable[[Json], set[str]], key: str) -> Filter:
    """Filter by the values that `pick` reads: one of them, or none of them."""
    match operator:
        case "one_of":
            return lambda incident: bool(pick(incident) & set(values))
        case "not_in":
            return lambda incident: not pick(incident) & set(values)
        case _:
            raise invalid(key, f"{operator} is not an operator of this parameter")


def date_filter(name: str, operator: str, values: list[str], key: str) -> Filter:
    """Filter by instant. Both ends are inclusive; a bare date is midnight in UTC, also at the end of a range."""
    text = only(values, key)
    ranges: dict[str, list[str | None]] = {"gte": [text, None], "lte": [None, text], "date_range": [*text.split("~")]}
    ends = ranges.get(operator, [])
    if len(ends) != 2:  # noqa: PLR2004  # from and to
        raise invalid(key, f"{operator}={text!r} is not one of gte, lte, date_range=FROM~TO")
    start, end = (None if part is None else _instant(part, key) for part in ends)

    def matches(incident: Json) -> bool:
        instant = read_instant(incident[name])
        return instant is not None and (start or instant) <= instant <= (end or instant)

    return matches


def _instant(text: str, key: str) -> datetime:
    instant = read_date_or_instant(text)
    if instant is None:
        raise invalid(key, f"{text!r} is not a date")
    return instant


def only(values: list[str], key: str) -> str:
    """Return the one value of a parameter that takes no more."""
    if len(values) != 1:
        raise invalid(key, "takes one value")
    return values[0]


def invalid(key: str, why: str) -> ApiError:
    """Return the 422 of a parameter."""
    return ApiError(422, Problem(f"{key}: {why}", key, "invalid_value"))
