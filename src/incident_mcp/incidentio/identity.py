"""What an API key may do."""

from typing import Any

from pydantic import BaseModel, Field, field_validator

from incident_mcp.incidentio.toolsets import CATALOG
from incident_mcp.records.record import Record, Texts, parts
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.operation import Operation

SHOW = Operation("GET", "/v1/identity")


class Identity(Record):
    """An API key."""

    name: str
    roles: Texts = Field(default_factory=list[str])
    """Roles for the whole account."""
    team_roles: Texts = Field(default_factory=list[str])
    """Roles that count only for what its teams own."""
    teams: Texts = Field(default_factory=list[str])
    dashboard_url: str | None = None

    @field_validator("teams", mode="before")
    @classmethod
    def _read_names(cls, value: Any) -> Any:  # noqa: ANN401  # any JSON
        names = [row.get("name") or row.get("id") for row in parts({"rows": value}, "rows")]
        return [name for name in names if isinstance(name, str)] or value


class _Response(BaseModel):
    identity: Identity


async def incidentio_get_identity(api: IncidentioApi) -> Identity:
    """Get the API key's name, roles and teams: what it may do."""
    return (await api.get(SHOW.request(), _Response)).identity


TOOLS = [
    read_tool(
        incidentio_get_identity,
        "Get the key's identity",
        toolset=CATALOG,
        keywords="api key permissions scopes allowed whoami account",
    )
]
