"""IDs of projects and checks by name: the API documents no list of either, so names are read from incidents."""

import re
from collections.abc import Mapping

from pydantic import AliasChoices, AliasPath, Field

from incident_mcp.errors import InputError
from incident_mcp.ionhour.incidents.access import LIST
from incident_mcp.ionhour.pages import each_page
from incident_mcp.ionhour.records import IonhourRecord
from incident_mcp.records.record import shorten
from incident_mcp.transport.api import Api

MAX_SEARCHED = 500
"""Incidents that are read for names."""
MAX_SHOWN = 20
"""Names that an error lists."""


class _Row(IonhourRecord):
    """The project and the check of an incident."""

    id: int
    project: str | None = Field(default=None, validation_alias=AliasPath("project", "name"))
    project_id: int | None = Field(default=None, validation_alias=AliasChoices(AliasPath("project", "id"), "projectId"))
    check: str | None = Field(default=None, validation_alias=AliasPath("check", "name"))
    check_id: int | None = Field(default=None, validation_alias=AliasChoices("checkId", AliasPath("check", "id")))


async def find_project(api: Api, value: str | None, workspace: int | None) -> int | None:
    """Return the ID of a project from its ID or name; None for None."""
    return None if value is None else await _find(api, "project", value, workspace)


async def find_check(api: Api, value: str | None, workspace: int | None) -> int | None:
    """Return the ID of a check from its ID or name; None for None."""
    return None if value is None else await _find(api, "check", value, workspace)


async def _find(api: Api, kind: str, value: str, workspace: int | None) -> int:
    """Return an ID, from the names in recent incidents unless the value is a number.

    Raises:
        InputError: The name is unknown or ambiguous, or the number is 0.
    """
    number = read_number(f"{kind}_id", value)
    if number is not None:
        return number
    names, searched = await _names(api, kind, workspace)
    return pick(f"{kind}_id", value, names, f"none of the last {searched} incidents has a {kind}")


def read_number(argument: str, value: str) -> int | None:
    """Return an argument that is a number; None if it is a name.

    Raises:
        InputError: The number is 0.
    """
    if not re.fullmatch(r"[0-9]{1,16}(\.0+)?", value, re.ASCII):
        return None
    number = int(float(value))
    if number < 1:
        raise InputError(f"{argument} must be a name or a number from 1. Not sent.")
    return number


def pick(argument: str, value: str, names: Mapping[int, str], none: str) -> int:
    """Return the number of the only one with a name, regardless of case.

    Args:
        argument: Where the name was passed.
        value: The name.
        names: The known names.
        none: What an unknown name means, like "none of the 9 checks is".

    Raises:
        InputError: The name is unknown or ambiguous.
    """
    found = [number for number, name in names.items() if _plain(name) == _plain(value)]
    if len(found) == 1:
        return found[0]
    shown = repr(shorten(value, 60))
    if found:
        raise InputError(f"{argument}: {shown} is ambiguous: {', '.join(map(str, sorted(found)))}. Pass the number.")
    known = ", ".join(f"{name} ({number})" for number, name in list(names.items())[:MAX_SHOWN]) or "none"
    raise InputError(f"{argument}: {none} named {shown}. Known: {known}. Pass one of these, or a number.")


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


async def _names(api: Api, kind: str, workspace: int | None) -> tuple[Mapping[int, str], int]:
    """Return the names by ID, and the number of incidents that were read for them."""

    async def load() -> tuple[dict[int, str], int]:
        query = [("workspaceId", str(workspace))] if workspace else []
        names: dict[int, str] = {}
        searched = 0
        async for page in each_page(api, LIST.request(query), _Row, limit=MAX_SEARCHED):
            searched += len(page.rows)
            for row in page.rows:
                number, name = getattr(row, f"{kind}_id"), getattr(row, kind)
                if number is not None and name:
                    names.setdefault(number, name)
        return names, searched

    (names, searched), _ = await api.cached(f"{kind}s {workspace}", load)
    return names, searched
