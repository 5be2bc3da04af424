"""Actions: what responders do during an incident."""

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
from incident_mcp.incidentio.follow_ups.records import Action, ActionResponse, ActionRow, Actions, joined
from incident_mcp.incidentio.ids import IncidentRef, resource_id
from incident_mcp.incidentio.names.incidents import describe_incident, incident_name
from incident_mcp.incidentio.names.people import Person, user_id
from incident_mcp.incidentio.pages import After, Limit
from incident_mcp.incidentio.toolsets import FOLLOW_UPS
from incident_mcp.records.record import Json, quoted, without_none
from incident_mcp.tooling.dependencies import AppSettings, DryRun, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import read_tool, write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.intents import account_of
from incident_mcp.writing.notes import NoteFinder
from incident_mcp.writing.plan import UPDATE_SECONDS, Baseline, WritePlan
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

    async def read() -> tuple[list[Action], bool]:
        rows = await read_of_incident(api, LIST, named, Action)
        return rows, not rows.complete

    finder = NoteFinder(api, joined(description, assignee), read, lambda row: ActionResponse(action=row))
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
        targets=journal_keys(api, named.id, named.reference),
    )
    return await perform(api, writer, plan, dry_run=dry_run)


async def incidentio_update_action(
    api: IncidentioApi,
    writer: WriterDep,
    settings: AppSettings,
    action: Annotated[str, Field(min_length=1, description="ID or link.")],
    status: Status | None = None,
    description: str | None = None,
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
    now = await _read(api, number)
    body = without_none(**{name: getattr(now, name) for name in _KEPT} | changes)
    check_complete(body, "action", "description", "status")
    if _has(now, changes):
        return WriteResult(now, note="The action is like this already: nothing was sent.")
    described = ", ".join(f"{name} to {quoted(str(value), 100)}" for name, value in changes.items())
    plan = WritePlan(
        tool="incidentio_update_action",
        request=UPDATE.request(at={"action": number}, body=body, advice=access_advice(UPDATE.scope)),
        response_type=ActionResponse,
        record_type=Action,
        to_record=lambda response: response.action,
        repeat=Repeat.CHECKED,
        question=f"Update action {quoted(now.description or number, 100)}: {described}.",
        find_effect=partial(_find_updated, api, number, changes),
        targets=(f"{account_of(api)} action {number}",),
    )
    return await perform(api, writer, plan, dry_run=dry_run, now=now, seen=seen)


_KEPT = ("description", "status", "assignee_id")
"""Fields that a PUT sends unchanged: the document does not say that it leaves what it omits."""


def _has(action: Action, changes: Json) -> bool:
    return all(getattr(action, name) == value for name, value in changes.items())


async def _read(api: Api, number: str) -> Action:
    request = SHOW.request(at={"action": number}, advice=access_advice(SHOW.scope))
    return (await api.get(request, ActionResponse)).action


async def _find_updated(api: Api, number: str, changes: Json, _: Baseline) -> ActionResponse | None:
    """Return the action if it has the changes."""
    found = await _read(api, number)
    return ActionResponse(action=found) if _has(found, changes) else None


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
