"""Finding a row by id or name, in lists that are kept for a minute; what fits nothing or several is refused."""

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from incident_mcp.errors import InputError
from incident_mcp.incidentio.pages import Rows
from incident_mcp.records.record import Json, shorten
from incident_mcp.transport.api import Api

MOST_CANDIDATES = 20


class Named(Protocol):
    """A row with an id and a name."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102


N = TypeVar("N", bound=Named)


async def find(
    api: Api, what: str, value: str, load: Callable[[Api], Awaitable[Sequence[N]]], *, of: str = "", key: str = ""
) -> N:
    """Find a row by id or by name, in any case; a name not found is looked for once more in a fresh list.

    Args:
        api: incident.io.
        what: What it is, as the tools' argument calls it; the list is kept under this and `key`.
        value: Id or name.
        load: Reads the rows.
        of: What the list belongs to, for errors.
        key: The id of what the list belongs to.

    Raises:
        InputError: Nothing or more than one thing fits; the text lists the candidates.
    """
    started = time.monotonic()
    rows, read_at = await api.cached(what + key, lambda: load(api))
    found = fitting(rows, value)
    if not found and read_at < started:
        rows, _ = await api.cached(what + key, lambda: load(api), newer_than=read_at)
        found = fitting(rows, value)
    return _only(what, value, found, rows, of=of)


def _only(what: str, value: str, found: Sequence[N], rows: Sequence[Named], *, of: str = "") -> N:
    """Return the one row that fits.

    Raises:
        InputError: None fits, or several do; the text lists the candidates.
    """
    if len(found) == 1:
        return found[0]
    shown = repr(shorten(value, 80))
    if found:
        which = ", ".join(f"{row.name} ({row.id})" for row in found[:MOST_CANDIDATES])
        raise InputError(f"{what} {shown} fits several: {which}. Pass the id. Not sent.")
    looked = "" if is_complete(rows) else f"It was looked for among the first {len(rows)}: pass its id. "
    raise InputError(f"There is no {what} {shown}{of}. {looked}Pass one of: {candidates(rows)}. Not sent.")


def is_complete(rows: Sequence[object]) -> bool:
    """Return whether rows are all that there are, as far as is known."""
    return not isinstance(rows, Rows) or rows.complete


def fitting(rows: Iterable[N], value: str) -> list[N]:
    """Return the rows with this id, else those with this name, else those that are also called so.

    `Team (01ABC)`, as answers and errors write two of one name, is the one with that id.
    """
    rows = list(rows)
    wanted = _folded(value)
    return (
        [row for row in rows if row.id == value.strip() or _folded(f"{row.name} ({row.id})") == wanted]
        or [row for row in rows if _folded(row.name) == wanted]
        or [row for row in rows if wanted in map(_folded, getattr(row, "other_names", ()))]
    )


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def candidates(rows: Sequence[Named]) -> str:
    """List what could have been meant."""
    names = [shorten(" ".join(row.name.split()), 80) for row in rows]
    more = f", and {len(names) - MOST_CANDIDATES} more" if len(names) > MOST_CANDIDATES else ""
    return ", ".join(names[:MOST_CANDIDATES]) + more if names else "(the account has none)"


def distinct(entries: list[Json], key: str, argument: str) -> list[Json]:
    """Return entries of which none is about the same thing as another.

    Raises:
        InputError: Two names are the same thing's.
    """
    if len({entry[key] for entry in entries}) < len(entries):
        raise InputError(f"{argument} names one thing twice. Pass it once. Not sent.")
    return entries
