"""Follow-ups: the work that an incident leaves behind."""

from dataclasses import replace
from functools import partial
from typing import Annotated

from pydantic import Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.access import access_advice, journal_keys
from incident_mcp.incidentio.dates import Day
from incident_mcp.incidentio.follow_ups.lists import (
    Seen,
    Status,
    StatusFilter,
    check_complete,
    filters_of,
    perform,
    read_of_incident,
    read_work,
    with_references,
)
from incident_mcp.incidentio.follow_ups.records import FollowUp, FollowUpResponse, FollowUpRow, FollowUps, joined
from incident_mcp.incidentio.ids import IncidentRef, resource_id
from incident_mcp.incidentio.names.finding import find_optional, id_of
from incident_mcp.incidentio.names.incidents import IncidentName, describe_incident, incident_name
from incident_mcp.incidentio.names.people import Person, user_id
from incident_mcp.incidentio.pages import After, Limit
from incident_mcp.incidentio.teams import TEAMS
from incident_mcp.incidentio.toolsets import FOLLOW_UPS
from incident_mcp.records.record import Json, quoted, without_none
from incident_mcp.tooling.dependencies import AppSettings, DryRun, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import read_tool, write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.intents import account_of
from incident_mcp.writing.notes import NoteFinder
from incident_mcp.writing.plan import UPDATE_SECONDS, Baseline, Existing, WritePlan
from incident_mcp.writing.result import WriteResult

LIST = Operation("GET", "/v3/follow_ups", scope="actions.view")
SHOW = Operation("GET", "/v3/follow_ups/{follow_up}", scope="actions.view")
CREATE = Operation("POST", "/v3/follow_ups", scope="follow_ups.create")
CREATE_FROM_LINK = Operation("POST", "/v3/follow_ups/actions/create_from_link", scope="follow_ups.create_from_link")
UPDATE = Operation("PUT", "/v3/follow_ups/{follow_up}", scope="follow_ups.update")

Plan = WritePlan[FollowUpResponse, FollowUp]


async def incidentio_list_follow_ups(
    api: IncidentioApi,
    incident: Annotated[str | None, Field(description="Default: all incidents.")] = None,
    status: StatusFilter = None,
    team: Annotated[str | None, Field(description="Assigned to this team: name or ID.")] = None,
    created_at_gte: Day = None,
    created_at_lte: Day = None,
    limit: Limit = 25,
    after: After = None,
) -> FollowUps:
    """List follow-ups, which are work for after the incident, oldest first."""
    api.allow(limit)
    named = None if incident is None else await incident_name(api, incident)
    query = [*filters_of(named, created_at_gte, created_at_lte)]
    if team_id := id_of(await find_optional(api, TEAMS, team)):
        query.append(("assignee_team_id", team_id))
    rows, paging = await read_work(api, LIST, query, FollowUp, status=status, limit=limit, after=after)
    found = await with_references(api, rows, named)
    return FollowUps(follow_ups=[FollowUpRow.from_dump(row.dump()) for row in found], **paging)


async def incidentio_create_follow_up(
    api: IncidentioApi,
    writer: WriterDep,
    settings: AppSettings,
    incident: IncidentRef,
    title: Annotated[str | None, Field(description="What to do.")] = None,
    url: Annotated[str | None, Field(description="Instead of a title: link of an existing issue.")] = None,
    description: Annotated[str | None, Field(description="Markdown.")] = None,
    user: Person | None = None,
    team: Annotated[str | None, Field(description="Name or ID.")] = None,
    labels: list[str] | None = None,
    dry_run: DryRun = False,
) -> WriteResult[FollowUp]:
    """Create a follow-up, by its title or from an issue in a tracker, which then supplies all but the incident."""
    rest = without_none(description=description, user=user, team=team, labels=labels)
    if (title is None) == (url is None) or (url is not None and rest):
        raise InputError(
            "Pass a title with what else is known of it, or a url alone: the issue supplies the rest. Not sent."
        )
    named = await incident_name(api, incident)
    described = await describe_incident(api, writer, incident, dry_run=dry_run)
    if url is not None:
        plan = _plan_from_link(api, named, url.strip())
    else:
        fields = without_none(
            title=title,
            description=description,
            assignee_id=None if user is None else await user_id(api, "user", user, settings.me),
            assignee_team_id=id_of(await find_optional(api, TEAMS, team)),
            labels=labels,
        )
        plan = _plan_creation(api, named, fields)
    question = f"Create a follow-up of incident {described}: {quoted(title or url or '')}."
    return await perform(api, writer, replace(plan, question=question), dry_run=dry_run)


def _plan_creation(api: Api, incident: IncidentName, fields: Json) -> Plan:
    """Plan a new follow-up; the API accepts no idempotency key for it."""

    async def read() -> tuple[list[FollowUp], bool]:
        rows = await read_of_incident(api, LIST, incident, FollowUp)
        return rows, not rows.complete

    names = ("title", "description", "assignee_id", "assignee_team_id")
    text = joined(*(fields.get(name) for name in names))
    finder = NoteFinder(api, text, read, lambda row: FollowUpResponse(follow_up=row))
    plan = _plan(api, incident, CREATE, fields)
    return replace(plan, find_effect=finder.find_created, read_existing=finder.read_existing)


def _plan_from_link(api: Api, incident: IncidentName, url: str) -> Plan:
    """Plan a follow-up of an issue. It is backdated to the issue, so one with this link counts whenever it was made."""

    async def find_linked(_: Baseline) -> FollowUpResponse | None:
        rows = await read_of_incident(api, LIST, incident, FollowUp)
        return next((FollowUpResponse(follow_up=row) for row in rows if _address(row.issue) == _address(url)), None)

    async def read_existing(_: float) -> Existing[FollowUpResponse]:
        found = await find_linked(Baseline(0))
        return Existing((found.follow_up.id,) if found else (), found)

    plan = _plan(api, incident, CREATE_FROM_LINK, {"url": url})
    again = "remove the follow-up of this issue first"
    return replace(plan, find_effect=find_linked, read_existing=read_existing, again=again, accept_any_effect=True)


def _address(url: str | None) -> str | None:
    """Return a link without what does not matter to where it leads."""
    return None if url is None else url.strip().partition("#")[0].rstrip("/")


def _plan(api: Api, incident: IncidentName, operation: Operation, fields: Json) -> Plan:
    body = {"incident_id": incident.id, **fields}
    return WritePlan(
        tool="incidentio_create_follow_up",
        request=operation.request(body=body, advice=access_advice(operation.scope)),
        response_type=FollowUpResponse,
        record_type=FollowUp,
        to_record=lambda response: _with_reference(response.follow_up, incident),
        repeat=Repeat.NEVER,
        remember_seconds=UPDATE_SECONDS,
        targets=journal_keys(api, incident.id, incident.reference),
    )


def _with_reference(row: FollowUp, incident: IncidentName) -> FollowUp:
    return row.model_copy(update={"reference": incident.reference})


async def incidentio_update_follow_up(
    api: IncidentioApi,
    writer: WriterDep,
    settings: AppSettings,
    follow_up: Annotated[str, Field(min_length=1, description="ID or link.")],
    status: Status | None = None,
    title: str | None = None,
    description: str | None = None,
    user: Person | None = None,
    seen: Seen = None,
    dry_run: DryRun = False,
) -> WriteResult[FollowUp]:
    """Update a follow-up: complete, drop, rename or assign it. What is omitted stays."""
    number = resource_id("follow_up", follow_up, listed_by="incidentio_list_follow_ups")
    changes = without_none(
        status=status,
        title=title,
        description=description,
        assignee_id=None if user is None else await user_id(api, "user", user, settings.me),
    )
    if not changes:
        raise InputError("Nothing to update: pass status, title, description or user. Not sent.")
    now = await _read(api, number)
    body = without_none(**_fields_of(now) | changes)
    check_complete(body, "follow-up", "title", "status")
    if all(getattr(now, _KEPT[name]) == value for name, value in changes.items()):
        return WriteResult(now, note="The follow-up is like this already: nothing was sent.")
    plan: Plan = WritePlan(
        tool="incidentio_update_follow_up",
        request=UPDATE.request(at={"follow_up": number}, body=body, advice=access_advice(UPDATE.scope)),
        response_type=FollowUpResponse,
        record_type=FollowUp,
        to_record=lambda response: response.follow_up,
        repeat=Repeat.CHECKED,
        question=f"Update follow-up {quoted(now.title or number, 100)}: {_describe(changes)}.",
        find_effect=partial(_find_updated, api, number, changes),
        targets=(f"{account_of(api)} follow-up {number}",),
    )
    return await perform(api, writer, plan, dry_run=dry_run, now=now, seen=seen)


_KEPT = {
    "title": "title",
    "status": "status",
    "description": "description",
    "assignee_id": "assignee_id",
    "assignee_team_id": "team_id",
    "follow_up_category_id": "category_id",
    "follow_up_priority_option_id": "priority_id",
    "labels": "labels",
}
"""Field of the record by field of the request: the document does not say that a PUT leaves what it omits."""


def _fields_of(row: FollowUp) -> Json:
    return {name: getattr(row, field) for name, field in _KEPT.items()}


def _describe(changes: Json) -> str:
    return ", ".join(f"{name} to {quoted(str(value), 100)}" for name, value in changes.items())


async def _read(api: Api, number: str) -> FollowUp:
    request = SHOW.request(at={"follow_up": number}, advice=access_advice(SHOW.scope))
    return (await api.get(request, FollowUpResponse)).follow_up


async def _find_updated(api: Api, number: str, changes: Json, _: Baseline) -> FollowUpResponse | None:
    """Return the follow-up if it has the changes."""
    found = await _read(api, number)
    if all(getattr(found, _KEPT[name]) == value for name, value in changes.items()):
        return FollowUpResponse(follow_up=found)
    return None


TOOLS = [
    read_tool(
        incidentio_list_follow_ups,
        "List follow-ups",
        toolset=FOLLOW_UPS,
        keywords="todo to do tasks tickets afterwards due open work left owed remediation",
    ),
    write_tool(
        incidentio_create_follow_up,
        "Create a follow-up",
        toolset=FOLLOW_UPS,
        keywords="todo task ticket jira linear issue link remember to fix later",
    ),
    write_tool(
        incidentio_update_follow_up,
        "Update a follow-up",
        idempotent=True,
        toolset=FOLLOW_UPS,
        keywords="mark done complete finish close assign owner reopen task",
    ),
]
