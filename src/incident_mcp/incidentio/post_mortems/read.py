"""Reading the text of a post-mortem."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from incident_mcp.errors import IncidentMcpError
from incident_mcp.incidentio.access import access_advice
from incident_mcp.incidentio.post_mortems.documents import EXTERNAL, SHOW, Links, PostMortemRef, document_id
from incident_mcp.incidentio.toolsets import POST_MORTEMS
from incident_mcp.records.record import Instant, Long, Offset, parts
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation

CONTENT = Operation("GET", "/v1/postmortem_documents/{document}/content", scope="in_app_postmortems.copy_as_markdown")


def _names(value: object) -> object:
    rows = parts({"editors": value}, "editors")
    return [row["name"] for row in rows if isinstance(row.get("name"), str)] or None


class PostMortemText(Long):
    """A post-mortem with its text."""

    REST = ": incidentio_read_post_mortem with offset={offset} shows the rest"
    id: str
    title: str | None = None
    incident_id: str | None = None
    type: str | None = None
    """`in_app`, or `external` for one that another service holds."""
    status: str | None = None
    document_url: str | None = None
    exported_urls: Links = None
    editors: Annotated[list[str] | None, BeforeValidator(_names)] = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    markdown: str | None = Field(default=None, validation_alias="the text of the document")
    note: str | None = Field(default=None, validation_alias="a remark about the text")


class _Response(BaseModel):
    postmortem_document: PostMortemText


class _Content(BaseModel):
    markdown: str


async def read_content(api: Api, document: str) -> str:
    """Read the text of a document in Markdown, by its id; people and other services wrote it."""
    request = CONTENT.request(at={"document": document}, advice=access_advice(CONTENT.scope))
    return (await api.get(request, _Content)).markdown


async def incidentio_read_post_mortem(
    api: IncidentioApi, post_mortem: PostMortemRef, offset: Offset = None
) -> PostMortemText:
    """Read a post-mortem in full, as Markdown."""
    number = await document_id(api, post_mortem)
    request = SHOW.request(at={"document": number}, advice=access_advice(SHOW.scope))
    found = (await api.get(request, _Response)).postmortem_document
    return found.model_copy(update={"offset": offset or 0, **await _text_of(api, found)})


async def _text_of(api: Api, found: PostMortemText) -> dict[str, str]:
    """Return the text of a document, or a remark about why there is none."""
    if found.type == EXTERNAL:
        return {"note": "The text is not here: another service holds it, and document_url leads there."}
    try:
        text = await read_content(api, found.id)
    except IncidentMcpError as failure:
        return {"note": f"The text could not be read: {failure}"}
    return {"markdown": text} if text.strip() else {"note": "The document is empty."}


TOOLS = [
    read_tool(
        incidentio_read_post_mortem,
        "Read a post-mortem",
        toolset=POST_MORTEMS,
        keywords="postmortem retrospective show text content what did we learn root cause RCA",
    )
]
