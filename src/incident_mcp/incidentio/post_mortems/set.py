"""Moving a post-mortem to another status."""

from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from incident_mcp.errors import RefusedError
from incident_mcp.incidentio.access import access_advice
from incident_mcp.incidentio.post_mortems.documents import (
    PostMortem,
    PostMortemRef,
    PostMortemResponse,
    document_id,
    document_keys,
    read_document,
)
from incident_mcp.incidentio.toolsets import POST_MORTEMS
from incident_mcp.tooling.dependencies import DryRun, IncidentioApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.plan import Baseline, WritePlan
from incident_mcp.writing.result import WriteResult

UPDATE = Operation("PUT", "/v1/postmortem_documents/{document}", scope="in_app_postmortems.update_status")
_FORBIDDEN = 403

Status = Annotated[Literal["in_progress", "in_review", "completed"], Field(description="New status.")]


async def incidentio_set_post_mortem(
    api: IncidentioApi, writer: WriterDep, post_mortem: PostMortemRef, status: Status, dry_run: DryRun = False
) -> WriteResult[PostMortem]:
    """Set the status of a post-mortem."""
    number = await document_id(api, post_mortem)
    now = None if dry_run else await _read_now(api, number)
    if now is not None and now.status == status:
        return WriteResult(now, note=f"It was already {status}: nothing was sent.")
    plan = WritePlan(
        tool="incidentio_set_post_mortem",
        request=UPDATE.request(at={"document": number}, body={"status": status}, advice=access_advice(UPDATE.scope)),
        response_type=PostMortemResponse,
        record_type=PostMortem,
        to_record=lambda response: response.postmortem_document,
        repeat=Repeat.CHECKED,
        question=f"Move post-mortem {now.label if now else number} to {status}.",
        find_effect=partial(_find_in_status, api, number, status),
        targets=document_keys(api, number),
    )
    return await writer.perform(api, plan, dry_run=dry_run)


async def _read_now(api: Api, document: str) -> PostMortem | None:
    """Return the document as it is; None if the key may set its status, and not read it."""
    try:
        return await read_document(api, document)
    except RefusedError as failure:
        if failure.status != _FORBIDDEN:
            raise
        return None


async def _find_in_status(api: Api, document: str, status: str, _: Baseline) -> PostMortemResponse | None:
    found = await read_document(api, document)
    return PostMortemResponse(postmortem_document=found) if found.status == status else None


TOOLS = [
    write_tool(
        incidentio_set_post_mortem,
        "Set a post-mortem's status",
        idempotent=True,
        toolset=POST_MORTEMS,
        keywords="postmortem retrospective finish complete sign off review done in progress",
    )
]
