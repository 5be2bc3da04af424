"""Actions: what responders do during an incident."""

from functools import partial
from typing import Annotated

from pydantic import Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.access import access_advice
from incident_mcp.incidentio.dates import Day
from incident_mcp.incidentio.follow_ups.changes import Kept, Kind, Seen, create_work, update_work, work_key
from incident_mcp.incidentio.follow_ups.finding import WorkFinder, compare_action
from incident_mcp.incidentio.follow_ups.lists import (
    Status,
    StatusFilter,
    filters_of,
    read_of_incident,
    read_work,
    with_references,
)
from incident_mcp.incidentio.follow_ups.records import Action, ActionResponse, ActionRow, Actions
from incident_mcp.incidentio.ids import IncidentRef, resource_id
from incident_mcp.incidentio.names.incidents import describe_incident, incident_name
from incident_mcp.incidentio.names.people import Person, user_id
from incident_mcp.incidentio.pages import After, Limit
from incident_mcp.incidentio.toolsets import FOLLOW_UPS
from incident_mcp.records.record import quoted, without_none
from incident_mcp.tooling.dependencies import AppSettings, DryRun, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import read_tool, write_tool
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.plan import UPDATE_SECONDS, WritePlan
from incident_mcp.writing.result import WriteResult

LIST = Operation("GET", "/v3/actions", scope="actions.view")
SHOW = Operation("GET", "/v3/actions/{action}", scope="actions.view")
CREATE = Operation("POST", "/v3/actions", scope="actions.create")
UPDATE = Operation("PUT", "/v3/actions/{action}", scope="actions.update")


async def incidentio_list_actions(
    api: IncidentioApi,
    incident: Annotated[str | None, Field(description="Default: all incidents.")] = None,
    status: StatusFilter = None,
    created_at_gte: Day = None,
    created_at_lte: Day = None,
    limit: Limit = 25,
    after: After = None,
) -> Actions:
    """List actions, which are tasks during the incident, oldest first."""
    api.allow(limit)
    named = None if incident is None else await incident_name(api, incident)
    query = filters_of(named, created_at_gte, created_at_lte)
    rows, paging = await read_work(api, LIST, query, Action, status=status, limit=limit, after=after)
    found = await with_references(api, rows, named)
    return Actions(actions=[ActionRow.from_dump(row.dump()) for row in found], **paging)


async def incidentio_create_action(
    api: IncidentioApi,
    writer: WriterDep,
    settings: AppSettings,
    incident: IncidentRef,
    description: Annotated[str, Field(min_length=1, description="What to do; Markdown.")],
    user: Person | None = None,
    dry_run: DryRun = False,
) -> WriteResult[Action]:
    """Create an action: a task to do during the incident."""
    named = await incident_name(api, incident)
    described = await describe_incident(api, writer, incident, dry_run=dry_run)
    assignee = None if user is None else await user_id(api, "user", user, settings.me)
    body = {"incident_id": named.id, **without_none(description=description, assignee_id=assignee)}

    finder = WorkFinder(
        api,
        "action",
        partial(read_of_incident, api, LIST, named, Action),
        partial(compare_action, body),
        lambda row: ActionResponse(action=row),
    )
    plan = WritePlan(
        tool="incidentio_create_action",
        request=CREATE.request(body=body, advice=access_advice(CREATE.scope)),
        response_type=ActionResponse,
        record_type=Action,
        to_record=lambda response: response.action.model_copy(update={"reference": named.reference}),
        repeat=Repeat.NEVER,
        question=f"Create an action of incident {described}: {quoted(description)}.",
        remember_seconds=UPDATE_SECONDS,
        find_effect=finder.find_created,
        read_existing=finder.read_existing,
        targets_of=lambda response: (work_key(api, ACTION, response.action.id),),
    )
    return await create_work(api, writer, plan, dry_run=dry_run)


async def incidentio_update_action(
    api: IncidentioApi,
    writer: WriterDep,
    settings: AppSettings,
    action: Annotated[str, Field(min_length=1, description="ID or link.")],
    status: Status = None,
    description: Annotated[str | None, Field(description="New text; replaces the old one.")] = None,
    user: Person | None = None,
    seen: Seen = None,
    dry_run: DryRun = False,
) -> WriteResult[Action]:
    """Update an action: complete, drop, reword or assign it. What is omitted stays."""
    number = resource_id("action", action, listed_by="incidentio_list_actions")
    changes = without_none(
        status=status,
        description=description,
        assignee_id=None if user is None else await user_id(api, "user", user, settings.me),
    )
    if not changes:
        raise InputError("Nothing to update: pass status, description or user. Not sent.")
    return await update_work(api, writer, ACTION, number, changes, seen=seen, dry_run=dry_run)


ACTION = Kind(
    noun="action",
    name="action",
    show=SHOW,
    update=UPDATE,
    response=ActionResponse,
    record=Action,
    kept={
        "description": Kept("description", "description"),
        "status": Kept("status", "status"),
        "assignee_id": Kept("assignee_id", "assignee"),
    },
    required=("description", "status"),
)

TOOLS = [
    read_tool(
        incidentio_list_actions,
        "List actions",
        toolset=FOLLOW_UPS,
        keywords="tasks todo who does what during open steps",
    ),
    write_tool(
        incidentio_create_action,
        "Create an action",
        toolset=FOLLOW_UPS,
        keywords="task todo assign somebody to do now during",
    ),
    write_tool(
        incidentio_update_action,
        "Update an action",
        idempotent=True,
        toolset=FOLLOW_UPS,
        keywords="task done complete assign tick off",
    ),
]
