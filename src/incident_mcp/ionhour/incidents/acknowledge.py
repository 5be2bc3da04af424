"""Acknowledging an Ionhour incident."""

from typing import Self

from pydantic import model_validator

from incident_mcp.ionhour.incidents.access import read_incident
from incident_mcp.ionhour.incidents.target import confirmation_label, write_targets
from incident_mcp.ionhour.records import IncidentId, IonhourRecord
from incident_mcp.records.record import Instant
from incident_mcp.tooling.dependencies import DryRun, IonhourApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.plan import Baseline, WritePlan
from incident_mcp.writing.result import WriteResult

ACKNOWLEDGE = Operation("POST", "/incidents/{incident_id}/acknowledge")


class Acknowledgement(IonhourRecord):
    """Who acknowledged an incident and when."""

    id: int | None = None
    title: str | None = None
    state: str | None = None
    acknowledged_by: int | None = None
    acknowledged_at: Instant | None = None


class _Acknowledged(Acknowledgement):
    """The response to an acknowledgement: it must confirm it."""

    @model_validator(mode="after")
    def _is_acknowledged(self) -> Self:
        if self.acknowledged_by is None and self.acknowledged_at is None:
            raise ValueError("does not say who acknowledged it, or when")
        return self


async def ionhour_acknowledge_incident(
    api: IonhourApi, writer: WriterDep, incident_id: IncidentId, dry_run: DryRun = False
) -> WriteResult[Acknowledgement]:
    """Acknowledge an incident as the key's owner, which stops it from paging more people."""
    label = await confirmation_label(api, writer, incident_id, dry_run=dry_run)
    plan = plan_acknowledgement("ionhour_acknowledge_incident", api, incident_id, label)
    return await writer.perform(api, plan, dry_run=dry_run)


def plan_acknowledgement(
    tool: str, api: Api, incident_id: int, label: str | None = None
) -> WritePlan[Acknowledgement, Acknowledgement]:
    """Plan an acknowledgement.

    Args:
        tool: The calling tool.
        api: Ionhour.
        incident_id: The incident's number.
        label: The incident's name in the confirmation question; by default its number.
    """
    resolved = f"Incident {incident_id} is already resolved: there is nothing left to acknowledge."

    async def find_acknowledged(_: Baseline) -> Acknowledgement | None:
        found = await read_incident(api, incident_id)
        return Acknowledgement.from_dump(found.dump()) if found.acknowledged_at else None

    return WritePlan(
        tool=tool,
        request=ACKNOWLEDGE.request(at={"incident_id": incident_id}, advice={409: resolved}),
        response_type=_Acknowledged,
        record_type=Acknowledgement,
        to_record=lambda answer: answer.model_copy(update={"id": incident_id}),
        repeat=Repeat.HARMLESS,
        question=f"Acknowledge Ionhour incident {label or incident_id}, which stops it from paging further people.",
        find_effect=find_acknowledged,
        targets=write_targets(api, incident_id),
    )


TOOLS = [write_tool(ionhour_acknowledge_incident, "Acknowledge an Ionhour incident", idempotent=True)]
