"""Finding a row by id or name: unknown and ambiguous names are rejected with the list of candidates."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, TypeVar

from pydantic import Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.named_rows import CachedList, N, NamedRow
from incident_mcp.incidentio.pages import Rows
from incident_mcp.records.record import Json, shorten
from incident_mcp.transport.api import Api

MAX_CANDIDATES = 20

NameContains = Annotated[str | None, Field(description="Part of the name.")]
T = TypeVar("T")


async def find(api: Api, rows: CachedList[N], value: str) -> N:
    """Find a row by id or by name, regardless of case; if it is not in the cached list, the list is reloaded once.

    Raises:
        InputError: No row matches, or several do; the message lists the candidates.
    """
    started = time.monotonic()
    loaded, read_at = await rows.read(api)
    found = matching(loaded, value)
    if not found and read_at < started:
        loaded, _ = await rows.read(api, newer_than=read_at)
        found = matching(loaded, value)
    if len(found) == 1:
        return found[0]
    raise InputError(_explain_ambiguous(rows, value, found) if found else _explain_unknown(rows, value, loaded))


async def find_optional(api: Api, rows: CachedList[N], value: str | None) -> N | None:
    """Find a row as `find` does; None for None."""
    return None if value is None else await find(api, rows, value)


def id_of(row: NamedRow | None) -> str | None:
    """Return a row's id; None for None."""
    return None if row is None else row.id


def name_of(row: NamedRow | None) -> str | None:
    """Return a row's name; None for None."""
    return None if row is None else row.name


def _explain_ambiguous(rows: CachedList[N], value: str, found: Sequence[N]) -> str:
    which = ", ".join(f"{row.name} ({row.id})" for row in found[:MAX_CANDIDATES])
    return f"{rows.kind} {shorten(value, 80)!r} is ambiguous: {which}. Pass the ID. Not sent."


def _explain_unknown(rows: CachedList[N], value: str, loaded: Rows[N]) -> str:
    limit = "" if loaded.complete else f"Only the first {len(loaded)} were searched: pass its ID. "
    known = candidates(loaded)
    return f"Unknown {rows.kind} {shorten(value, 80)!r}{rows.owner}. {limit}Pass one of: {known}. Not sent."


def matching(rows: Iterable[N], value: str) -> list[N]:
    """Return the rows with this id, else those with this name, else those with it as another name.

    Results and errors write two rows of the same name as `Team (01ABC)`, which matches the row with that id.
    """
    name = fold(value)
    return first_matches(
        rows,
        lambda row: row.id == value.strip() or fold(f"{row.name} ({row.id})") == name,
        lambda row: fold(row.name) == name,
        lambda row: name in map(fold, row.other_names),
    )


def first_matches(rows: Iterable[T], *tests: Callable[[T], bool]) -> list[T]:
    """Return the rows that pass the first test that any row passes."""
    rows = list(rows)
    for test in tests:
        if found := [row for row in rows if test(row)]:
            return found
    return []


def contains(name: str, words: str | None) -> bool:
    """Return whether a name contains a text, regardless of case and white space."""
    return words is None or fold(words) in fold(name)


def fold(text: str) -> str:
    """Return a text without differences in case and white space."""
    return " ".join(text.split()).casefold()


def candidates(rows: Sequence[NamedRow]) -> str:
    """Return the names that could have been intended."""
    names = [shorten(" ".join(row.name.split()), 80) for row in rows]
    more = f", and {len(names) - MAX_CANDIDATES} more" if len(names) > MAX_CANDIDATES else ""
    return ", ".join(names[:MAX_CANDIDATES]) + more if names else "(the account has none)"


def distinct(entries: list[Json], key: str, argument: str) -> list[Json]:
    """Return the entries of a request body.

    Raises:
        InputError: Two entries have the same value of `key`: two names that refer to the same item.
    """
    if len({entry[key] for entry in entries}) < len(entries):
        raise InputError(f"{argument} names the same item twice. Pass it once. Not sent.")
    return entries
