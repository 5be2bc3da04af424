"""Escalation paths: whom a page rings, in which order."""

from typing import Annotated, Any

from pydantic import AliasPath, BaseModel, BeforeValidator, Field

from incident_mcp.errors import ServiceError
from incident_mcp.incidentio.ids import resource_id
from incident_mcp.incidentio.named_rows import CachedList, NamedRow
from incident_mcp.incidentio.names.finding import NameContains, contains, find
from incident_mcp.incidentio.pages import Rows, read_rows
from incident_mcp.incidentio.teams import TEAMS
from incident_mcp.incidentio.toolsets import ONCALL
from incident_mcp.incidentio.users import User, name_of_user
from incident_mcp.records.record import Json, Listed, Name, Record, Texts, parts, shorten
from incident_mcp.records.text import one_line
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

LIST = Operation("GET", "/v2/escalation_paths", scope="escalation_paths.view", page_size=25)
SHOW = Operation("GET", "/v2/escalation_paths/{path}", scope=LIST.scope)
MOST_PATHS = 500
MOST_DEPTH = 8
"""Branches inside branches that are read."""


def _nodes(value: object) -> object:
    """Return the objects of a list; their fields are read one by one."""
    return parts({"nodes": value}, "nodes")


class EscalationPath(NamedRow):
    """An escalation path."""

    kind: str | None = None
    team_ids: Texts = Field(default_factory=list[str])
    nodes: Annotated[list[dict[str, Any]], BeforeValidator(_nodes)] = Field(
        default_factory=list[dict[str, Any]], validation_alias="path"
    )
    """Its steps as JSON; empty for a path that is built from a template."""
    current_responders: list[User] | None = None
    repeat_after_seconds: int | None = Field(
        default=None, validation_alias=AliasPath("repeat_config", "repeat_after_seconds")
    )


async def _load(api: Api) -> Rows[EscalationPath]:
    return await read_rows(api, LIST.request(), EscalationPath, limit=MOST_PATHS)


PATHS = CachedList("escalation path", _load)


def count_levels(nodes: list[Json], depth: int = 0) -> int:
    """Return the number of levels of a path, along the longer branch."""
    levels = 0
    for node in nodes if depth < MOST_DEPTH else ():
        branches = node.get("if_else")
        if node.get("type") == "level":
            levels += 1
        elif isinstance(branches, dict):
            levels += max(count_levels(parts(branches, name), depth + 1) for name in ("then_path", "else_path"))  # pyright: ignore[reportUnknownArgumentType]  # JSON objects have string keys
    return levels


class _Response(BaseModel):
    """A response with one path."""

    escalation_path: EscalationPath


async def read_path(api: Api, path: str) -> EscalationPath:
    """Read a path by its id, as it is now."""
    return (await api.get(SHOW.request(at={"path": path}), _Response)).escalation_path


class PathRow(Record):
    """An escalation path in a list."""

    id: str
    name: Name
    on_call: list[str] | None = None
    levels: int | None = None
    teams: list[str] | None = None


class Paths(Listed):
    """A list of escalation paths."""

    escalation_paths: list[PathRow]
    note: str | None = None


async def incidentio_list_paths(
    api: IncidentioApi,
    name_contains: NameContains = None,
    team: Annotated[str | None, Field(description="Name or ID of the owning team.")] = None,
) -> Paths:
    """List escalation paths, which a page follows, with who is on call for each now."""
    rows = await _load(api)
    names = await _team_names(api)
    owner = None if team is None else await _team_id(api, team, names)
    found = [
        _row(row, names)
        for row in rows
        if contains(row.name, name_contains) and (owner is None or owner in row.team_ids)
    ]
    return Paths(escalation_paths=found, note=_note(found), has_more=not rows.complete, unreadable=rows.unreadable)


def _note(rows: list[PathRow]) -> str | None:
    # An absent field may mean nobody, or that the service does not know.
    silent = ", ".join(one_line(row.name) for row in rows if not row.on_call)
    note = f"The service names nobody on call for {silent}: the preview of a page shows whom it would ring."
    return shorten(note, 400) if silent else None


async def _team_names(api: Api) -> dict[str, str]:
    """Return the names of teams by id; none if the key may not read them."""
    try:
        teams, _ = await TEAMS.read(api)
    except ServiceError:
        return {}
    return {team.id: team.name for team in teams}


async def _team_id(api: Api, team: str, names: dict[str, str]) -> str:
    if names:
        return (await find(api, TEAMS, team)).id
    # The key may not read teams, or there are none: only an id can be compared.
    return resource_id("team", team)


def _row(path: EscalationPath, teams: dict[str, str]) -> PathRow:
    return PathRow(
        id=path.id,
        name=path.name,
        on_call=[name_of_user(user) for user in path.current_responders or ()] or None,
        levels=count_levels(path.nodes) or None,
        teams=[teams.get(each, each) for each in path.team_ids] or None,
    )


TOOLS = [
    read_tool(
        incidentio_list_paths,
        "List escalation paths",
        toolset=ONCALL,
        keywords="second order ignores policies policy levels steps nobody answers happens after next",
    )
]
