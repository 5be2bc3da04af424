"""Follow-ups: the work that an incident leaves behind."""

from dataclasses import replace
from functools import partial
from typing import Annotated

from pydantic import Field

from incident_mcp.errors import InputError, NoAnswerError
from incident_mcp.incidentio.access import access_advice
from incident_mcp.incidentio.dates import Day
from incident_mcp.incidentio.follow_ups.changes import Kept, Kind, Seen, create_work, update_work, work_key
from incident_mcp.incidentio.follow_ups.finding import (
    WorkFinder,
    compare_follow_up,
    compare_issue,
    explain_incomplete,
)
from incident_mcp.incidentio.follow_ups.lists import (
    Status,
    StatusFilter,
    filters_of,
    read_of_incident,
    read_work,
    with_references,
)
from incident_mcp.incidentio.follow_ups.records import FollowUp, FollowUpResponse, FollowUpRow, FollowUps
from incident_mcp.incidentio.ids import IncidentRef, resource_id
from incident_mcp.incidentio.names.incidents import IncidentName, describe_incident, incident_name
from incident_mcp.incidentio.names.people import Person, user_id
from incident_mcp.incidentio.pages import After, Limit
from incident_mcp.incidentio.teams import team_id
from incident_mcp.incidentio.toolsets import FOLLOW_UPS
from incident_mcp.records.record import Json, quoted, without_none
from incident_mcp.tooling.dependencies import AppSettings, DryRun, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import read_tool, write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.plan import UPDATE_SECONDS, Baseline, WritePlan
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
    if assigned := await team_id(api, team):
        query.append(("assignee_team_id", assigned))
    rows, paging = await read_work(api, LIST, query, FollowUp, status=status, limit=limit, after=after)
    found = await with_references(api, rows, named)
    lean = {} if paging["whole"] else {"description": None}
    return FollowUps(follow_ups=[FollowUpRow.from_dump(row.dump() | lean) for row in found], **paging)


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
    labels: Annotated[list[str] | None, Field(description="Any texts.")] = None,
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
            assignee_team_id=await team_id(api, team),
            labels=labels,
        )
        plan = _plan_creation(api, named, fields)
    question = f"Create a follow-up of incident {described}: {quoted(title or url or '')}."
    return await create_work(api, writer, replace(plan, question=question), dry_run=dry_run)


def _plan_creation(api: Api, incident: IncidentName, fields: Json) -> Plan:
    """Plan a new follow-up; the API accepts no idempotency key for it."""
    finder = WorkFinder(
        api,
        "follow-up",
        partial(read_of_incident, api, LIST, incident, FollowUp),
        partial(compare_follow_up, fields),
        lambda row: FollowUpResponse(follow_up=row),
    )
    plan = _plan(api, incident, CREATE, fields)
    return replace(plan, find_effect=finder.find_created, read_existing=finder.read_existing)


def _plan_from_link(api: Api, incident: IncidentName, url: str) -> Plan:
    """Plan a follow-up of an issue. It is backdated to the issue, so one with this link counts whenever it was made."""

    async def find_linked(baseline: Baseline) -> FollowUpResponse | None:
        rows = await read_of_incident(api, LIST, incident, FollowUp)
        found = next((row for row in rows if compare_issue(url, row) == "identical"), None)
        if found is None and not rows.complete and baseline.started_at:
            raise NoAnswerError(explain_incomplete(len(rows), "follow-up"))
        return None if found is None else FollowUpResponse(follow_up=found)

    plan = _plan(api, incident, CREATE_FROM_LINK, {"url": url})
    again = "delete the follow-up of this issue in incident.io first"
    return replace(plan, find_effect=find_linked, again=again, accept_any_effect=True)


def _plan(api: Api, incident: IncidentName, operation: Operation, fields: Json) -> Plan:
    body = {"incident_id": incident.id, **fields}
    return WritePlan(
        tool="incidentio_create_follow_up",
        request=operation.request(body=body, advice=access_advice(operation.scope)),
        response_type=FollowUpResponse,
        record_type=FollowUp,
        to_record=lambda response: response.follow_up.model_copy(update={"reference": incident.reference}),
        repeat=Repeat.NEVER,
        remember_seconds=UPDATE_SECONDS,
        # Only a write to the follow-up itself makes an identical call another intent.
        targets_of=lambda response: (work_key(api, FOLLOW_UP, response.follow_up.id),),
    )


FOLLOW_UP = Kind(
    noun="follow-up",
    name="follow_up",
    show=SHOW,
    update=UPDATE,
    response=FollowUpResponse,
    record=FollowUp,
    kept={
        "title": Kept("title", "title"),
        "status": Kept("status", "status"),
        "description": Kept("description", "description"),
        "assignee_id": Kept("assignee_id", "assignee"),
        "assignee_team_id": Kept("team_id", "assignee_team"),
        "follow_up_category_id": Kept("category_id", "category"),
        "follow_up_priority_option_id": Kept("priority_id", "priority"),
        "labels": Kept("labels", "labels"),
    },
    required=("title", "status"),
)


async def incidentio_update_follow_up(
    api: IncidentioApi,
    writer: WriterDep,
    settings: AppSettings,
    follow_up: Annotated[str, Field(min_length=1, description="ID or link.")],
    status: Status = None,
    title: Annotated[str | None, Field(description="New title.")] = None,
    description: Annotated[str | None, Field(description="New text; replaces the old one.")] = None,
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
    return await update_work(api, writer, FOLLOW_UP, number, changes, seen=seen, dry_run=dry_run)


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
