"""Post-mortem documents: which there are, and which one a text means."""

import re
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.access import access_advice
from incident_mcp.incidentio.ids import resource_id
from incident_mcp.incidentio.names.finding import MAX_CANDIDATES
from incident_mcp.incidentio.names.incidents import incident_name, incident_names
from incident_mcp.incidentio.pages import MAX_PAGE_SIZE, After, Limit, Rows, read_rows
from incident_mcp.incidentio.toolsets import POST_MORTEMS
from incident_mcp.records.record import Instant, Listed, Name, Record, Texts, quoted
from incident_mcp.tooling.dependencies import IncidentioApi
from incident_mcp.tooling.tools import read_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.writing.intents import account_of

LIST = Operation("GET", "/v1/postmortem_documents", scope="incidents.view")
SHOW = Operation("GET", "/v1/postmortem_documents/{document}", scope="incidents.view")
EXTERNAL = "external"
"""The type of a document that another service holds: only its link is known here."""

PostMortemRef = Annotated[str, Field(min_length=1, description="ID, link, or INC-123.")]


def _links(value: object) -> object:
    return value or None


Links = Annotated[Texts | None, BeforeValidator(_links)]
"""Links, if there are any."""


class PostMortem(Record):
    """A post-mortem document, without its text."""

    id: str
    title: str | None = None
    incident: str | None = Field(default=None, validation_alias="incident_id")
    """Its reference; its id where that was not read."""
    type: str | None = None
    """`in_app`, or `external` for one that another service holds."""
    status: str | None = None
    document_url: str | None = None
    exported_urls: Links = None
    created_at: Instant | None = None
    updated_at: Instant | None = None
    made_at: str | None = Field(default=None, validation_alias="created_at", exclude=True)
    """`created_at` unrounded."""

    @property
    def label(self) -> str:
        """Its title, status and id, to choose it by."""
        return f"{quoted(self.title or 'without title', 80)} ({self.id}, {self.status or 'status unknown'})"


class PostMortemRow(Record):
    """A post-mortem document in a list."""

    id: str
    title: Name | None = None
    incident: str | None = Field(default=None, validation_alias="incident_id")
    """Omitted in a list of one incident's documents."""
    type: str | None = None
    status: str | None = None
    document_url: str | None = None
    """Only of an external one, whose text is only there."""
    created_at: Instant | None = None
    updated_at: Instant | None = None

    @classmethod
    def of(cls, document: PostMortem, incident: str | None) -> Self:
        """Return the row of a document, with what its incident is called."""
        url = document.document_url if document.type == EXTERNAL else None
        return cls(
            id=document.id,
            title=document.title,
            incident=incident,
            type=document.type,
            status=document.status,
            document_url=url,
            created_at=document.created_at,
            updated_at=document.updated_at,
        )


class PostMortemResponse(BaseModel):
    """The response envelope of one document."""

    postmortem_document: PostMortem


class PostMortems(Listed):
    """A list of post-mortem documents."""

    MARK = "incidentio_read_post_mortem shows one in full."
    postmortem_documents: list[PostMortemRow]
    after: str | None = None

    def first(self, rows: int) -> Self | None:
        """Return the result with only its first rows and the cursor that follows them."""
        shown = self.postmortem_documents[:rows]
        if not shown:
            return None
        return self.model_copy(update={"postmortem_documents": shown, "has_more": True, "after": shown[-1].id})


async def read_documents(
    api: Api, incident_id: str | None = None, *, limit: int = MAX_PAGE_SIZE, after: str | None = None
) -> Rows[PostMortem]:
    """Read the post-mortem documents of an incident, or of all incidents, newest first."""
    query = [("sort_by", "created_at_newest_first")]
    query += [] if incident_id is None else [("incident_id", incident_id)]
    request = LIST.request(query, advice=access_advice(LIST.scope))
    return await read_rows(api, request, PostMortem, limit=limit, after=after)


async def read_document(api: Api, document: str) -> PostMortem:
    """Read a document without its text, by its id."""
    request = SHOW.request(at={"document": document}, advice=access_advice(SHOW.scope))
    return (await api.get(request, PostMortemResponse)).postmortem_document


_REFERENCE = re.compile(r"#?inc-?[0-9]{1,18}", re.IGNORECASE | re.ASCII)


async def document_id(api: Api, text: str) -> str:
    """Return the id of a document, by its id, its link, or the reference of the incident whose only one it is.

    Raises:
        InputError: The text names no document, or the incident has none or several.
    """
    if not _REFERENCE.fullmatch(text.strip()):
        # The link to a document also holds its incident's id.
        own = text.rpartition("/post-mortems/")[2]
        return resource_id("post_mortem", own, listed_by="incidentio_list_post_mortems")
    found = await read_documents(api, (await incident_name(api, text)).id)
    if len(found) == 1 and found.complete and not found.unreadable:
        return found[0].id
    if not found:
        raise InputError(f"post_mortem: {text.strip()} has none that this key can read. Not sent.")
    known = ", ".join(document.label for document in found[:MAX_CANDIDATES])
    more = "" if found.complete and not found.unreadable else ", and others that were not read"
    raise InputError(f"post_mortem: {text.strip()} has {known}{more}. Pass the ID. Not sent.")


def document_keys(api: Api, document: str) -> tuple[str, ...]:
    """Return a document's key in the journal."""
    return (f"{account_of(api)} post-mortem {document}",)


async def incidentio_list_post_mortems(
    api: IncidentioApi,
    incident: Annotated[str | None, Field(description="INC-123, 123, ID or link.")] = None,
    limit: Limit = 25,
    after: After = None,
) -> PostMortems:
    """List post-mortems, newest first, with their status; external ones have only a link."""
    api.allow(limit)
    if incident is not None:
        rows = await read_documents(api, (await incident_name(api, incident)).id, limit=limit, after=after)
        shown = [PostMortemRow.of(row, None) for row in rows]
    else:
        rows = await read_documents(api, limit=limit, after=after)
        names = await incident_names(api, (row.incident for row in rows if row.incident))
        references = {number: name.reference or number for number, name in names.items()}
        shown = [PostMortemRow.of(row, references.get(row.incident or "", row.incident)) for row in rows]
    return PostMortems(postmortem_documents=shown, **rows.paging)


TOOLS = [
    read_tool(
        incidentio_list_post_mortems,
        "List post-mortems",
        toolset=POST_MORTEMS,
        keywords="postmortem retrospective review debrief RCA root cause analysis document lessons learned",
    )
]
