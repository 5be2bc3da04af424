"""Teams."""

from typing import Annotated

from pydantic import BeforeValidator

from incident_mcp.errors import RefusedError
from incident_mcp.incidentio.ids import ulid_in
from incident_mcp.incidentio.named_rows import CachedList, NamedRow
from incident_mcp.incidentio.names.finding import NameContains, contains, find_optional, id_of
from incident_mcp.incidentio.pages import Rows, read_rows
from incident_mcp.incidentio.toolsets import CATALOG
from incident_mcp.records.record import Listed, Name, Record, parts
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

LIST = Operation("GET", "/v3/teams", scope="catalog_entries.view")
MOST_TEAMS = 1_000
MOST_MEMBERS = 20


def _names(value: object) -> object:
    """Return the names of people."""
    names = [row.get("name") or row.get("email") or row.get("id") for row in parts({"rows": value}, "rows")]
    return [name for name in names if isinstance(name, str)]


class Team(NamedRow):
    """A team."""

    members: Annotated[list[str] | None, BeforeValidator(_names)] = None


async def _load(api: Api) -> Rows[Team]:
    return await read_rows(api, LIST.request(), Team, limit=MOST_TEAMS)


TEAMS = CachedList("team", _load)


async def team_id(api: Api, team: str | None) -> str | None:
    """Return a team's id by its name or id; without access to teams only an id can be passed. None for None."""
    try:
        return id_of(await find_optional(api, TEAMS, team))
    except RefusedError as failure:
        if failure.status not in (403, 404) or (found := ulid_in(team or "")) is None:
            raise
        return found


class TeamRow(Record):
    """A team in a list."""

    id: str
    name: Name
    members: list[str] | None = None
    more_members: int | None = None


class Teams(Listed):
    """A list of teams."""

    teams: list[TeamRow]


async def incidentio_list_teams(api: IncidentioApi, name_contains: NameContains = None) -> Teams:
    """List teams and their members."""
    rows = await _load(api)
    found = [_row(team) for team in rows if contains(team.name, name_contains)]
    return Teams(teams=found, has_more=not rows.complete, unreadable=rows.unreadable)


def _row(team: Team) -> TeamRow:
    members = team.members or []
    more = len(members) - MOST_MEMBERS
    return TeamRow(
        id=team.id, name=team.name, members=members[:MOST_MEMBERS] or None, more_members=more if more > 0 else None
    )


TOOLS = [read_tool(incidentio_list_teams, "List teams", toolset=CATALOG, keywords="squads groups members who is in")]
