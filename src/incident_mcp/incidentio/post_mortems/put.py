"""Storing a post-mortem: it becomes a new document of its incident, and no call stores it twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated

from pydantic import Field

from incident_mcp.errors import InputError, NoAnswerError
from incident_mcp.incidentio.access import access_advice
from incident_mcp.incidentio.ids import IncidentRef
from incident_mcp.incidentio.names.finding import MAX_CANDIDATES, fold
from incident_mcp.incidentio.names.incidents import IncidentName, incident_name
from incident_mcp.incidentio.pages import Rows
from incident_mcp.incidentio.post_mortems.documents import PostMortem, PostMortemResponse, read_documents
from incident_mcp.incidentio.toolsets import POST_MORTEMS
from incident_mcp.records.record import quoted, shorten
from incident_mcp.tooling.dependencies import IncidentioApi, WriterDep
from incident_mcp.tooling.tools import write_tool
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.transport.retry import Repeat
from incident_mcp.writing.codes import ConfirmCode
from incident_mcp.writing.plan import Baseline, Existing, WritePlan
from incident_mcp.writing.result import Preview, WriteResult

IMPORT = Operation(
    "POST", "/v2/incidents/{incident}/actions/import_postmortem_document", scope="in_app_postmortems.import"
)
PUT_SECONDS = 600
"""For how long an identical call returns the earlier document."""
_FIRST_LINES, _LINE_LENGTH = 5, 120


class PutPreview(Preview):
    """The document that would be stored."""

    incident: str
    title: str
    characters: int
    starts_with: list[str]
    """Its first lines that are not empty."""
    existing: list[str]
    """Documents that the incident has already."""
    warning: str | None = None


@dataclass(frozen=True)
class _Import:
    """A document to store, and how it is found again: the API has no idempotency key for it."""

    api: Api
    incident: IncidentName
    title: str

    @property
    def described(self) -> str:
        """The incident's reference and name."""
        return " ".join(filter(None, (self.incident.reference or self.incident.id, self.incident.name)))

    async def read(self) -> Rows[PostMortem]:
        """Read the incident's documents."""
        return await read_documents(self.api, self.incident.id)

    async def read_existing(self, _: float) -> Existing[PostMortemResponse]:
        """Return the ids of the incident's documents."""
        return Existing(tuple(document.id for document in await self.read()))

    async def find(self, baseline: Baseline) -> PostMortemResponse | None:
        """Find the document that an earlier attempt stored.

        Raises:
            NoAnswerError: It is unknown whether there is one.
        """
        documents = await self.read()
        new = [row for row in documents if row.id not in (baseline.existing_ids or ())]
        if found := self.titled(new):
            return PostMortemResponse(postmortem_document=found[0])
        if new:
            raise NoAnswerError(f"The incident has a new post-mortem, {new[0].label}: it may be this one.")
        if documents.unreadable or not documents.complete:
            raise NoAnswerError("Not all post-mortems of the incident could be read: this one may be among them.")
        return None

    def titled(self, documents: Sequence[PostMortem]) -> list[PostMortem]:
        """Return the documents with its title."""
        return [row for row in documents if fold(row.title or "") == fold(self.title)]

    def to_record(self, response: PostMortemResponse) -> PostMortem:
        """Return the stored document with its incident's reference."""
        document = response.postmortem_document
        is_own = document.incident in (None, self.incident.id)
        known = {"incident": self.incident.reference or self.incident.id} if is_own else {}
        return document.model_copy(update=known)


async def incidentio_put_post_mortem(
    api: IncidentioApi,
    writer: WriterDep,
    incident: IncidentRef,
    title: Annotated[str, Field(min_length=1, description="Of the document.")],
    content: Annotated[str, Field(min_length=1, description="Markdown.")],
    confirm: ConfirmCode = None,
) -> WriteResult[PostMortem]:
    """Store a post-mortem as a new document of an incident.

    Two calls: the first shows what is stored, what exists, and returns a code for `confirm`.
    """
    named = await incident_name(api, incident)
    stored = _Import(api, named, title)
    body = {"title": title, "content": content}
    plan = WritePlan(
        tool="incidentio_put_post_mortem",
        request=IMPORT.request(at={"incident": named.id}, body=body, advice=access_advice(IMPORT.scope)),
        response_type=PostMortemResponse,
        record_type=PostMortem,
        to_record=stored.to_record,
        repeat=Repeat.NEVER,
        remember_seconds=PUT_SECONDS,
        again="change the title",
        find_effect=stored.find,
        read_existing=stored.read_existing,
        created_at=lambda response: response.postmortem_document.made_at,
    )

    async def preview() -> PutPreview:
        documents = await stored.read()
        same = stored.titled(documents)
        if same and not await writer.is_repeat(api, plan):
            raise InputError(
                f"{named.reference or named.id} already has a post-mortem with this title: {same[0].label}, created"
                f" {same[0].created_at or 'at an unknown time'}. The API cannot replace its text: edit it in the"
                " dashboard, or pass another title to add a second document. Not sent."
            )
        return _preview(stored, content, documents)

    return await writer.perform_previewed(api, plan, confirm=confirm, preview=preview, question=_question)


def _preview(stored: _Import, content: str, documents: Rows[PostMortem]) -> PutPreview:
    is_read = documents.complete and not documents.unreadable
    warnings = {
        "The incident has a post-mortem already: this adds another one and replaces nothing.": bool(documents),
        "Not all of the incident's post-mortems could be read.": not is_read,
    }
    return PutPreview(
        shown=" ".join(sorted(row.id for row in documents)) if is_read else None,
        incident=stored.described,
        title=stored.title,
        characters=len(content),
        starts_with=_first_lines(content),
        existing=[row.label for row in documents[:MAX_CANDIDATES]],
        warning=" ".join(text for text, applies in warnings.items() if applies) or None,
    )


def _first_lines(content: str) -> list[str]:
    """Return the first lines that are not empty."""
    lines = (line.strip() for line in content.splitlines())
    return [shorten(line, _LINE_LENGTH) for line in islice(filter(None, lines), _FIRST_LINES)]


def _question(shown: PutPreview) -> str:
    warning = f" {shown.warning}" if shown.warning else ""
    start = quoted(shown.starts_with, 300)
    return (
        f"Store a post-mortem of {shown.characters} characters for {quoted(shown.incident)}, titled"
        f" {quoted(shown.title)}, which starts with {start}.{warning}"
    )


TOOLS = [
    write_tool(
        incidentio_put_post_mortem,
        "Store a post-mortem",
        toolset=POST_MORTEMS,
        preview=PutPreview,
        keywords="postmortem retrospective import save upload draft write create document",
    )
]
