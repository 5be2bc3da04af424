"""Incidents: read one, list many, find by words."""

from contextlib import aclosing
from typing import Annotated, Any, Literal, Self

import anyio.lowlevel
from pydantic import AfterValidator, Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio import names
from incident_mcp.incidentio.access import LIST, read_one
from incident_mcp.incidentio.incident_names import named
from incident_mcp.incidentio.incident_records import Incident, IncidentAnswer, IncidentRow
from incident_mcp.incidentio.incident_statuses import Category
from incident_mcp.incidentio.pages import (
    MOST_A_PAGE,
    After,
    Limit,
    each_page,
    last_with_id,
    read_rows,
)
from incident_mcp.records import words
from incident_mcp.records.instants import date_or_instant, parse_instant
from incident_mcp.records.record import Json, Listed, Offset, shorten
from incident_mcp.tooling.dependencies import AppSettings, IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Query
from incident_mcp.writing.intents import account_of
from incident_mcp.writing.perform import Writer

Mode = Literal["standard", "retrospective", "test", "tutorial"]
MOST_LOOKED_AT = 1000
"""Incidents that are looked through for words."""
IncidentRef = Annotated[str, Field(min_length=1, description="INC-123, 123, id or link.")]


class _SearchedRow(IncidentRow):
    """An incident that is looked for by words."""

    whole_name: str | None = Field(default=None, validation_alias="name", exclude=True)
    summary: str | None = Field(default=None, exclude=True)


class Incidents(Listed):
    """Incidents, and where to go on."""

    MARK = "Texts that end in … were cut to fit: get the one incident, or pass a smaller limit."
    incidents: list[IncidentRow]
    after: str | None = None
    total: int | None = None
    """Of all that match, where the API says it."""
    looked_at: int | None = None
    """With `name_contains`: how many incidents were looked at."""
    looked_at_all: bool | None = None
    """With `name_contains`: whether those were all that the other filters leave."""
    note: str | None = None
    sorted_by_hits: bool = Field(default=False, exclude=True)
    """Whether the rows come in another order than the service's."""

    def first(self, rows: int) -> Self | None:
        """Return the answer with its first rows and the cursor behind them."""
        last = last_with_id(self.incidents, rows)
        if self.sorted_by_hits or not last:
            return None
        # The API's cursor is the id of the last record.
        update = {"incidents": self.incidents[:last], "has_more": True, "after": self.incidents[last - 1].id}
        return self.model_copy(update=update)


async def read_incident(api: Api, incident: str) -> Incident:
    """Read an incident by any of its spellings."""
    return (await read_one(api, incident, IncidentAnswer)).incident


async def described(api: Api, writer: Writer, incident: str, *, dry_run: bool, destructive: bool = False) -> str:
    """Return an incident's reference and name, if a write to it needs confirmation; else what was passed."""
    if dry_run or not writer.asks(destructive=destructive):
        return incident
    found = await named(api, incident)
    return f'{found.reference or found.id} "{shorten(found.name or "", 100)}"'


def things(api: Api, *incidents: str | None) -> tuple[str, ...]:
    """Return what stands for an incident in the journal: its id, and the number of its reference."""
    account = account_of(api)
    return tuple(f"{account} incident {name.upper().removeprefix('INC-')}" for name in incidents if name)


def given(**fields: Any) -> Json:  # noqa: ANN401  # the JSON edge
    """Keep the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


async def incidentio_get_incident(api: IncidentioApi, incident: IncidentRef, offset: Offset = None) -> Incident:
    """Get one incident in full: summary, roles, custom fields, timestamps, links."""
    return (await read_incident(api, incident)).model_copy(update={"offset": offset or 0})


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
    query += await names.named_filter(api, "status", status, status_not_in)
    query += await names.named_filter(api, "severity", severity, severity_not_in)
    query += await names.named_filter(api, "incident_type", incident_type, incident_type_not_in)
    for name, value in (("severity[gte]", severity_gte), ("severity[lte]", severity_lte)):
        query += [(name, found.id)] if (found := await names.severity(api, value)) else []
    query += [("mode[one_of]", value) for value in mode or ()]
    query += await names.custom_field_filter(api, custom_fields, "one_of")
    query += await names.custom_field_filter(api, custom_fields_not_in, "not_in")
    query += await names.role_filter(api, incident_role, settings.me)
    dates = given(
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
        return await _search(api, query, name_contains, limit=limit, after=after)
    rows = await read_rows(api, LIST.request(query), IncidentRow, limit=limit, after=after)
    return Incidents(
        incidents=rows, has_more=not rows.complete, after=rows.after, total=rows.total, unreadable=rows.unreadable
    )


async def open_references(api: Api) -> list[str]:
    """Read the references of recent incidents, the open ones first."""
    read = await read_rows(api, LIST.request(), IncidentRow, limit=MOST_A_PAGE)
    rows = sorted(read, key=lambda row: row.status_category not in ("live", "triage"))
    return [row.reference for row in rows]


async def _search(api: Api, query: Query, text: str, *, limit: int, after: str | None) -> Incidents:
    """Look through names and summaries of up to 1,000 incidents, for the API has no filter for that."""
    wanted = words.parse(text)
    if not wanted:
        raise InputError("name_contains has no words to look for. Pass some, or leave it out.")
    found: list[_SearchedRow] = []
    partly: list[tuple[int, _SearchedRow]] = []
    looked_at = unreadable = 0
    pages = each_page(api, LIST.request(query), _SearchedRow, limit=MOST_LOOKED_AT, after=after)
    async with aclosing(pages):
        async for page in pages:
            looked_at += len(page.rows)
            unreadable += page.unreadable or 0
            for row in page.rows:
                # Others get their turn, however long the texts are.
                await anyio.lowlevel.checkpoint()
                hits = words.matched(wanted, row.whole_name, row.summary)
                if hits == len(wanted):
                    found.append(row)
                elif hits:
                    partly.append((hits, row))
            after = page.after
            if len(found) > limit:
                break
    return _found(found, partly, after, limit=limit, looked_at=looked_at, unreadable=unreadable)


def _found(
    found: list[_SearchedRow],
    partly: list[tuple[int, _SearchedRow]],
    after: str | None,
    *,
    limit: int,
    looked_at: int,
    unreadable: int,
) -> Incidents:
    """Return what a search found; rows with some of the words where none has all of them."""
    rest = None if after is None else "narrow the filters, or go on from `after`"
    note = words.describe_result(
        bool(found), bool(partly), rest, " Test incidents are hidden unless `mode` asks for them."
    )
    if not found and partly:
        best = [row for _, row in sorted(partly, key=lambda each: -each[0])[:limit]]
        return Incidents(
            incidents=[*best],
            sorted_by_hits=True,
            has_more=after is not None,
            after=after,
            looked_at=looked_at,
            looked_at_all=after is None,
            unreadable=unreadable or None,
            note=note,
        )
    return Incidents(
        incidents=[*found[:limit]],
        has_more=len(found) > limit or after is not None,
        # The API's cursor is the id of the last record.
        after=found[limit - 1].id if len(found) > limit else after,
        looked_at=looked_at,
        looked_at_all=after is None,
        unreadable=unreadable or None,
        note=note,
    )


TOOLS = [
    read_tool(incidentio_get_incident, "Get an incident"),
    read_tool(incidentio_list_incidents, "List incidents"),
]
