"""The catalog: types, and their entries."""

from typing import Annotated, Any, cast

from pydantic import AliasPath, BeforeValidator, Field

from incident_mcp.incidentio.named_rows import NamedRow, unpaged_list
from incident_mcp.incidentio.names.custom_fields import LIST_ENTRIES
from incident_mcp.incidentio.names.finding import find
from incident_mcp.incidentio.pages import After, Limit, read_rows, read_unpaged
from incident_mcp.incidentio.toolsets import CATALOG
from incident_mcp.records.record import Json, Listed, Name, Record, Texts, part, parts
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.operation import Operation

LIST_TYPES = Operation("GET", "/v3/catalog_types", scope="catalog_types.view")
FEW = 5
"""Up to this many entries are shown with their attributes."""


def _attribute_names(value: object) -> object:
    rows = parts({"rows": value}, "rows")
    named = {row.get("id"): row.get("name") for row in rows}
    return {key: name for key, name in named.items() if isinstance(key, str) and isinstance(name, str)}


class CatalogType(NamedRow):
    """A type of catalog entries."""

    type_name: str | None = None
    attributes: Annotated[dict[str, str], BeforeValidator(_attribute_names)] = Field(
        default_factory=dict[str, str], validation_alias=AliasPath("schema", "attributes")
    )
    """Their names by id."""

    @property
    def other_names(self) -> tuple[str, ...]:
        """Further names that refer to it."""
        return (self.type_name,) if self.type_name else ()


TYPES = unpaged_list("catalog type", LIST_TYPES, CatalogType)


class TypeRow(Record):
    """A catalog type in a list."""

    id: str
    name: Name
    description: str | None = None
    estimated_count: int | None = None
    is_team_type: bool | None = None


class CatalogTypes(Listed):
    """A list of catalog types."""

    catalog_types: list[TypeRow]


class EntryRow(Record):
    """A catalog entry."""

    id: str
    name: Name
    external_id: str | None = None
    aliases: Texts | None = None
    attributes: list[str] | None = None
    """`Owner: Payments`, for up to five entries."""
    attribute_values: dict[str, Any] | None = Field(default=None, exclude=True)


class CatalogEntries(Listed):
    """A list of entries."""

    catalog_entries: list[EntryRow]
    after: str | None = None


async def incidentio_list_catalog(api: IncidentioApi) -> CatalogTypes:
    """List the catalog's types, such as services, teams or products. incidentio_find_entries lists their entries."""
    rows = await read_unpaged(api, LIST_TYPES.request(), TypeRow)
    return CatalogTypes(catalog_types=rows, unreadable=rows.unreadable)


async def incidentio_find_entries(
    api: IncidentioApi,
    type: Annotated[str, Field(min_length=1, description="Catalog type, name or ID.")],  # noqa: A002  # the argument's name
    identifier: Annotated[str | None, Field(description="Exact name, alias, ID or external ID.")] = None,
    limit: Limit = 25,
    after: After = None,
) -> CatalogEntries:
    """Find entries of a catalog type, such as a service, with their attributes, such as its owner."""
    api.allow(limit)
    found = await find(api, TYPES, type)
    query = [("catalog_type_id", found.id)]
    query += [("identifier", identifier)] if identifier else []
    rows = await read_rows(api, LIST_ENTRIES.request(query), EntryRow, limit=limit, after=after)
    entries = [_with_attributes(row, found) for row in rows] if len(rows) <= FEW else list(rows)
    return CatalogEntries(catalog_entries=entries, whole=len(rows) <= FEW, **rows.paging)


def _with_attributes(entry: EntryRow, catalog_type: CatalogType) -> EntryRow:
    values = {
        catalog_type.attributes.get(key, key): _labels(cast("Json", value))
        for key, value in (entry.attribute_values or {}).items()
        if isinstance(value, dict)
    }
    known = [f"{name}: {', '.join(labels)}" for name, labels in values.items() if labels]
    return entry.model_copy(update={"attributes": known or None, "aliases": entry.aliases or None})


def _labels(value: Json) -> list[str]:
    bound = [part(value, "value"), *parts(value, "array_value")]
    labels = [row.get("label") or row.get("literal") for row in bound]
    return [label for label in labels if isinstance(label, str)]


TOOLS = [
    read_tool(
        incidentio_list_catalog, "List catalog types", toolset=CATALOG, keywords="services products components systems"
    ),
    read_tool(
        incidentio_find_entries,
        "Find catalog entries",
        toolset=CATALOG,
        keywords="service owner owns runbook component product which team",
    ),
]
