"""The names of alert sources. Their records hold live credentials, which are not modelled."""

from collections.abc import Mapping

from incident_mcp.errors import ServiceError
from incident_mcp.incidentio.named_rows import NamedRow, unpaged_list
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

LIST = Operation("GET", "/v2/alert_sources", scope="alert_sources.view")
SOURCES = unpaged_list("alert source", LIST, NamedRow)


async def source_names(api: Api) -> Mapping[str, str]:
    """Return the names of the alert sources by id; none if the key may not read them."""
    try:
        sources, _ = await SOURCES.read(api)
    except ServiceError:
        return {}
    return {source.id: source.name for source in sources}
