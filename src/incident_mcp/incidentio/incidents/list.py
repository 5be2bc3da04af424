"""Listing incidents."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.access import LIST
from incident_mcp.incidentio.dates import Day, is_reversed
from incident_mcp.incidentio.incident_statuses import STATUSES, Category
from incident_mcp.incidentio.incident_types import TYPES
from incident_mcp.incidentio.incidents.records import IncidentRow, Incidents
from incident_mcp.incidentio.incidents.search import search
from incident_mcp.incidentio.incidents.seen import remember_rows
from incident_mcp.incidentio.named_rows import CachedList, N
from incident_mcp.incidentio.names.custom_fields import custom_field_filter
from incident_mcp.incidentio.names.finding import find
from incident_mcp.incidentio.names.roles import role_filter
from incident_mcp.incidentio.pages import MAX_PAGE_SIZE, After, Limit, read_rows
from incident_mcp.incidentio.severities import SEVERITIES
from incident_mcp.records.instants import date_or_instant
from incident_mcp.records.record import Json
from incident_mcp.tooling.dependencies import AppSettings, IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api

Mode = Literal["standard", "retrospective", "test", "tutorial"]


def _range(value: str | None) -> str | None:
    if value is None:
        return None
    ends = [date_or_instant(end.strip()) for end in value.split("~")]
    if len(ends) != 2 or None in ends:  # noqa: PLR2004
        raise ValueError("takes two dates like 2026-11-01~2026-11-21")
    if is_reversed(*ends):
        raise ValueError("ends before it begins")
    return "~".join(end for end in ends if end)


Names = Annotated[list[str] | None, Field(description="Names or IDs.")]
NotNames = Annotated[list[str] | None, Field(description="None of these.")]
FieldValues = Annotated[dict[str, list[str]] | None, Field(description="Field to values, names or IDs.")]
Range = Annotated[str | None, AfterValidator(_range), Field(description="FROM~TO, dates.")]
NameContains = Annotated[
    str | None, Field(description="Words in the name or summary, in any order; searches up to 1,000.")
]

Parameters = list[tuple[str, str]]
Resolver = Callable[[Api, str, Any, str | None], Awaitable[Parameters]]
"""Builds the query parameters of an argument, from the parameter's name, the argument's value and the user `me`."""


def _by_name(rows: CachedList[N]) -> Resolver:
    async def resolve(api: Api, parameter: str, value: str | Sequence[str], _me: str | None) -> Parameters:
        names = [value] if isinstance(value, str) else value
        return [(parameter, (await find(api, rows, name)).id) for name in names]

    return resolve


async def _unchanged(_api: Api, parameter: str, value: str | Sequence[str], _me: str | None) -> Parameters:
    return [(parameter, each) for each in ([value] if isinstance(value, str) else value)]


async def _unless_all(_api: Api, parameter: str, value: str, _me: str | None) -> Parameters:
    # `all` is the API's default.
    return [] if value == "all" else [(parameter, value)]


async def _custom_fields(api: Api, parameter: str, value: dict[str, list[str]], _me: str | None) -> Parameters:
    return await custom_field_filter(api, parameter, value)


FILTERS: tuple[tuple[str, str, Resolver], ...] = (
    ("status_category", "status_category[one_of]", _unchanged),
    ("status_category_not_in", "status_category[not_in]", _unchanged),
    ("status", "status[one_of]", _by_name(STATUSES)),
    ("status_not_in", "status[not_in]", _by_name(STATUSES)),
    ("severity", "severity[one_of]", _by_name(SEVERITIES)),
    ("severity_not_in", "severity[not_in]", _by_name(SEVERITIES)),
    ("incident_type", "incident_type[one_of]", _by_name(TYPES)),
    ("incident_type_not_in", "incident_type[not_in]", _by_name(TYPES)),
    ("severity_gte", "severity[gte]", _by_name(SEVERITIES)),
    ("severity_lte", "severity[lte]", _by_name(SEVERITIES)),
    ("mode", "mode[one_of]", _unchanged),
    ("custom_fields", "custom_field[{id}][one_of]", _custom_fields),
    ("custom_fields_not_in", "custom_field[{id}][not_in]", _custom_fields),
    ("incident_role", "incident_role[{id}][one_of]", role_filter),
    ("created_at_gte", "created_at[gte]", _unchanged),
    ("created_at_lte", "created_at[lte]", _unchanged),
    ("created_at_range", "created_at[date_range]", _unchanged),
    ("updated_at_gte", "updated_at[gte]", _unchanged),
    ("updated_at_lte", "updated_at[lte]", _unchanged),
    ("updated_at_range", "updated_at[date_range]", _unchanged),
    ("sort_by", "sort_by", _unchanged),
    ("filter_mode", "filter_mode", _unless_all),
)
"""Argument, query parameter, and the function that builds the parameters from the argument."""


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
    mode: Annotated[list[Mode] | None, Field(description="Default: standard and retrospective.")] = None,
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

    Test and tutorial incidents are hidden unless `mode` includes them. Rows are short: get one incident for the rest.
    """
    api.allow(limit)
    query = await _build_query(api, locals(), settings.me)
    if name_contains is not None:
        found = await search(api, query, name_contains, limit=limit, after=after)
    else:
        rows = await read_rows(api, LIST.request(query), IncidentRow, limit=limit, after=after)
        found = Incidents(incidents=rows, **rows.paging)
    await remember_rows(api, found.incidents)
    return found


async def _build_query(api: Api, arguments: Json, me: str | None) -> Parameters:
    """Return the query parameters for the tool's arguments.

    Raises:
        InputError: A name is unknown or ambiguous, or nothing can match.
    """
    _check_dates(arguments)
    query: Parameters = []
    for argument, parameter, resolve in FILTERS:
        if arguments[argument] is not None:
            query += await resolve(api, parameter, arguments[argument], me)
    return query


def _check_dates(arguments: Json) -> None:
    if arguments["filter_mode"] == "any":
        return
    for field in ("created_at", "updated_at"):
        if is_reversed(arguments[f"{field}_gte"], arguments[f"{field}_lte"]):
            raise InputError(f"{field}_gte is later than {field}_lte, so nothing can match. Not sent.")


async def open_references(api: Api) -> list[str]:
    """Return the references of recent incidents, open ones first."""
    read = await read_rows(api, LIST.request(), IncidentRow, limit=MAX_PAGE_SIZE)
    rows = sorted(read, key=lambda row: row.status_category not in ("live", "triage"))
    return [row.reference for row in rows]


TOOLS = [read_tool(incidentio_list_incidents, "List incidents")]
