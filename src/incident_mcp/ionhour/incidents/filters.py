"""Ids of projects and checks by the names that incidents carry: the API has no documented list of projects."""

import re
from collections.abc import Mapping

from pydantic import AliasChoices, AliasPath, Field

from incident_mcp.errors import InputError
from incident_mcp.ionhour.incidents.incident import LIST
from incident_mcp.ionhour.pages import each_page
from incident_mcp.ionhour.records import IonhourRecord
from incident_mcp.records.record import shorten
from incident_mcp.transport.api import Api

MOST_LOOKED_AT = 500
MOST_SHOWN = 20


class _Row(IonhourRecord):
    """An incident with just what names a project and a check."""

    id: int
    project: str | None = Field(default=None, validation_alias=AliasPath("project", "name"))
    project_id: int | None = Field(default=None, validation_alias=AliasChoices(AliasPath("project", "id"), "projectId"))
    check: str | None = Field(default=None, validation_alias=AliasPath("check", "name"))
    check_id: int | None = Field(default=None, validation_alias=AliasChoices("checkId", AliasPath("check", "id")))


async def project_filter(api: Api, value: str | None, workspace: int | None) -> int | None:
    """Return a project's id; None for None."""
    return await _find(api, "project", value, workspace)


async def check_filter(api: Api, value: str | None, workspace: int | None) -> int | None:
    """Return a check's id; None for None."""
    return await _find(api, "check", value, workspace)


async def _find(api: Api, what: str, value: str | None, workspace: int | None) -> int | None:
    """Find an id by name in the rows of recent incidents.

    Raises:
        InputError: No row has the name, or several ids have it.
    """
    if value is None:
        return None
    if re.fullmatch(r"[0-9]{1,16}(\.0+)?", value, re.ASCII):
        number = int(float(value))
        if number < 1:
            raise InputError(f"{what}_id takes a number from 1 on, or a name. Not sent.")
        return number
    names, looked_at = await _names(api, what, workspace)
    wanted = " ".join(value.split()).casefold()
    found = sorted({number for number, name in names.items() if " ".join(name.split()).casefold() == wanted})
    if len(found) == 1:
        return found[0]
    shown = repr(shorten(value, 60))
    if found:
        raise InputError(f"{what}_id: {shown} is the name of several: {', '.join(map(str, found))}. Pass the number.")
    known = ", ".join(f"{name} ({number})" for number, name in list(names.items())[:MOST_SHOWN]) or "none"
    raise InputError(
        f"{what}_id: none of the last {looked_at} incidents is of a {what} called {shown}. Those found: {known}."
        " Pass one of these, or a number."
    )


async def _names(api: Api, what: str, workspace: int | None) -> tuple[Mapping[int, str], int]:
    async def load() -> tuple[dict[int, str], int]:
        query = [("workspaceId", str(workspace))] if workspace else []
        names: dict[int, str] = {}
        looked_at = 0
        async for page in each_page(api, LIST.request(query), _Row, most=MOST_LOOKED_AT):
            looked_at += len(page.items)
            for row in page.items:
                number, name = getattr(row, f"{what}_id"), getattr(row, what)
                if number is not None and name:
                    names.setdefault(number, name)
        return names, looked_at

    (names, looked_at), _ = await api.cached(f"{what}s {workspace}", load)
    return names, looked_at
