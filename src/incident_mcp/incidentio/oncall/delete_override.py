"""Deleting an override."""

from dataclasses import replace
from functools import partial
from typing import Annotated

from pydantic import Field

from incident_mcp.errors import IncidentMcpError, RefusedError
from incident_mcp.incidentio.ids import resource_id
from incident_mcp.incidentio.oncall.entries import describe_window, read_entries
from incident_mcp.incidentio.oncall.overrides import SHOW, OverrideResponse
from incident_mcp.incidentio.toolsets import ONCALL
from incident_mcp.records.record import Record, quoted
from incident_mcp.tooling.dependencies import IncidentioApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.codes import ConfirmCode
from incident_mcp.writing.intents import account_of
from incident_mcp.writing.plan import WritePlan
from incident_mcp.writing.result import Preview, WriteResult

DELETE = Operation("DELETE", "/v2/schedule_overrides/{override}", scope="schedule_overrides.destroy")
_NOT_FOUND = 404


class DeletionPreview(Preview):
    """What deleting an override would change."""

    override: str
    """Who has it, and when."""
    then_on_call: list[str] | None = None
    """Who the rotations have in its window; what it replaced does not come back."""
    warning: str | None = None


class DeletedOverride(Record):
    """A deleted override."""

    id: str
    deleted: bool = True
    outcome: str | None = None


async def incidentio_delete_override(
    api: IncidentioApi,
    writer: WriterDep,
    override: Annotated[str, Field(min_length=1, description="Override ID.")],
    confirm: ConfirmCode = None,
) -> WriteResult[DeletedOverride]:
    """Delete an override: the rotations apply again. An override that it replaced does not come back.

    Two calls: the first shows it and returns a code for `confirm`.
    """
    number = resource_id("override", override)
    plan = WritePlan(
        tool="incidentio_delete_override",
        request=DELETE.request(at={"override": number}),
        response_type=_Anything,
        record_type=DeletedOverride,
        to_record=lambda _: DeletedOverride(id=number),
        repeat=Repeat.HARMLESS,
        destructive=True,
        targets=(f"{account_of(api)} override {number}",),
    )
    result = await writer.perform_previewed(
        api,
        plan,
        confirm=confirm,
        preview=partial(_preview_deletion, api, number),
        question=lambda found: f"Delete the override of {quoted(found.override)}.",
    )
    return await _with_deletion(api, result)


class _Anything(Record):
    """A response whose content does not matter."""


async def _preview_deletion(api: Api, number: str) -> DeletionPreview:
    override = (await api.get(SHOW.request(at={"override": number}), OverrideResponse)).override
    if not (override.schedule_id and override.start_at and override.end_at):
        return DeletionPreview(override=override.words)
    try:
        shifts = await read_entries(api, override.schedule_id, override.start_at, override.end_at, overridden=False)
    except IncidentMcpError as failure:
        return DeletionPreview(override=override.words, warning=f"Who is on call then could not be read: {failure}")
    then = describe_window(shifts, override.rotation_id, override.start_at, override.end_at)
    shown = "\n".join((override.words, *then)) if shifts.certain else None
    return DeletionPreview(override=override.words, then_on_call=then or None, shown=shown)


async def _with_deletion(api: Api, result: WriteResult[DeletedOverride]) -> WriteResult[DeletedOverride]:
    """Return the result with what was read back: that the override is gone."""
    if result.record is None:
        return result
    try:
        await api.get(SHOW.request(at={"override": result.record.id}), OverrideResponse)
        outcome = "not seen yet: the override is still there; read it again in a moment"
    except RefusedError as failure:
        outcome = "gone" if failure.status == _NOT_FOUND else "not seen yet: it could not be read back"
    except IncidentMcpError:
        outcome = "not seen yet: it could not be read back"
    return replace(result, record=result.record.model_copy(update={"outcome": outcome}))


TOOLS = [
    write_tool(
        incidentio_delete_override,
        "Delete an override",
        destructive=True,
        idempotent=True,
        toolset=ONCALL,
        preview=DeletionPreview,
        keywords="undo cover remove swap back earlier",
    )
]
