"""Incidents: read one, list many, find by words."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.access import LIST
from incident_mcp.incidentio.incident_statuses import Category
from incident_mcp.incidentio.incidents.records import IncidentRow, Incidents
from incident_mcp.incidentio.incidents.search import search
from incident_mcp.incidentio.names.classification import find_severity, named_filter
from incident_mcp.incidentio.names.custom_fields import custom_field_filter
from incident_mcp.incidentio.names.roles import role_filter
from incident_mcp.incidentio.pages import (
    MAX_PAGE_SIZE,
    After,
    Limit,
    read_rows,
)
from incident_mcp.records.instants import date_or_instant, parse_instant
from incident_mcp.records.record import without_none
from incident_mcp.tooling.dependencies import AppSettings, IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api

Mode = Literal["standard", "retrospective", "test", "tutorial"]


def _date(value: str | None) -> str | None:
    read = None if value is None else date_or_instant(value)
    if value is not None and read is None:
        raise ValueError("takes a date like 2026-11-21, or an instant with a zone like 2026-11-21T03:12:00Z")
    return read


def _range(value: str | None) -> str | None:
    if value is None:
        return None
    ends = [date_or_instant(end.strip()) for end in value.split("~")]
    if len(ends) != 2 or None in ends:  # noqa: PLR2004
        raise ValueError("takes two dates like 2026-11-01~2026-11-21")
    if _is_reversed(*ends):
        raise ValueError("ends before it begins")
    return "~".join(end for end in ends if end)


def _is_reversed(start: str | None, end: str | None) -> bool:
    starts, ends = parse_instant(start), parse_instant(end)
    return starts is not None and ends is not None and starts > ends


Names = Annotated[list[str] | None, Field(description="Names or ids.")]
NotNames = Annotated[list[str] | None, Field(description="None of these.")]
FieldValues = Annotated[dict[str, list[str]] | None, Field(description="Field to values, names or ids.")]
Day = Annotated[str | None, AfterValidator(_date), Field(description="Date or RFC 3339 instant.")]
Range = Annotated[str | None, AfterValidator(_range), Field(description="FROM~TO, dates.")]
NameContains = Annotated[
    str | None, Field(description="Words of the name or summary, in any order; looks through up to 1,000.")
]


async def incidentio_list_incidents(
    api: IncidentioApi,
    settings: AppSettings,
    status_category: Annotated[
        list[Category] | None, Field(description="live = active, learning = post-incident.")
    ] = None,
    status_category_not_in: Annotated[list[Category] | None, Field(description="None of these.")] = None,
    status: Names = None,
    status_not_in: NotNames = None,
    severity: Names = None,
    severity_not_in: NotNames = None,
    severity_gte: Annotated[str | None, Field(description="This severe or worse.")] = None,
    severity_lte: Annotated[str | None, Field(description="This severe or less.")] = None,
    incident_type: Names = None,
    incident_type_not_in: NotNames = None,
    incident_role: Annotated[
        dict[str, list[str]] | None, Field(description='Role to people: {"lead": ["a@b.c"]}.')
    ] = None,
    mode: Annotated[list[Mode] | None, Field(description="Left out: standard and retrospective.")] = None,
    custom_fields: FieldValues = None,
    custom_fields_not_in: FieldValues = None,
    created_at_gte: Day = None,
    created_at_lte: Day = None,
    created_at_range: Range = None,
    updated_at_gte: Day = None,
    updated_at_lte: Day = None,
    updated_at_range: Range = None,
    filter_mode: Annotated[Literal["all", "any"], Field(description="any: ORs the filters.")] = "all",
    sort_by: Annotated[
        Literal["created_at_newest_first", "created_at_oldest_first"], Field(description="Order.")
    ] = "created_at_newest_first",
    name_contains: NameContains = None,
    limit: Limit = 25,
    after: After = None,
) -> Incidents:
    """List incidents, newest first. Filters are ANDed; values within a filter are ORed.

    Test and tutorial incidents are hidden unless `mode` asks for them. Rows are short: get one incident for the rest.
    """
    api.allow(limit)
    for name, start, end in (("created", created_at_gte, created_at_lte), ("updated", updated_at_gte, updated_at_lte)):
        if filter_mode == "all" and _is_reversed(start, end):
            raise InputError(f"{name}_at_gte is later than {name}_at_lte, which nothing can match. Not sent.")
    query = [("status_category[one_of]", value) for value in status_category or ()]
    query += [("status_category[not_in]", value) for value in status_category_not_in or ()]
    query += await named_filter(api, "status", status, status_not_in)
    query += await named_filter(api, "severity", severity, severity_not_in)
    query += await named_filter(api, "incident_type", incident_type, incident_type_not_in)
    for name, value in (("severity[gte]", severity_gte), ("severity[lte]", severity_lte)):
        query += [(name, found.id)] if (found := await find_severity(api, value)) else []
    query += [("mode[one_of]", value) for value in mode or ()]
    query += await custom_field_filter(api, custom_fields, "one_of")
    query += await custom_field_filter(api, custom_fields_not_in, "not_in")
    query += await role_filter(api, incident_role, settings.me)
    dates = without_none(
        **{
            "created_at[gte]": created_at_gte,
            "created_at[lte]": created_at_lte,
            "created_at[date_range]": created_at_range,
            "updated_at[gte]": updated_at_gte,
            "updated_at[lte]": updated_at_lte,
            "updated_at[date_range]": updated_at_range,
        }
    )
    query += [*dates.items(), ("sort_by", sort_by)]
    query += [("filter_mode", filter_mode)] if filter_mode == "any" else []
    if name_contains is not None:
        return await search(api, query, name_contains, limit=limit, after=after)
    rows = await read_rows(api, LIST.request(query), IncidentRow, limit=limit, after=after)
    return Incidents(
        incidents=rows, has_more=not rows.complete, after=rows.after, total=rows.total, unreadable=rows.unreadable
    )


async def open_references(api: Api) -> list[str]:
    """Read the references of recent incidents, the open ones first."""
    read = await read_rows(api, LIST.request(), IncidentRow, limit=MAX_PAGE_SIZE)
    rows = sorted(read, key=lambda row: row.status_category not in ("live", "triage"))
    return [row.reference for row in rows]


TOOLS = [
    read_tool(incidentio_list_incidents, "List incidents"),
]
