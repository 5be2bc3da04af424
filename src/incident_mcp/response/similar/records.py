"""What is kept of a closed incident."""

from typing import Annotated

from pydantic import AliasPath, Field

from incident_mcp.records.record import Record, Texts, cut_at

CLOSED = ("closed", "learning")
"""Categories of statuses of incidents that are over; `learning` is post-incident."""


class LastMessage(Record):
    """The last message of an incident's updates."""

    text: Annotated[str, cut_at(1_000, "…")]
    at: str | None = None


class ClosedIncident(Record):
    """A closed incident, with the texts to search."""

    id: str
    reference: str
    name: Annotated[str, cut_at(300, "…")] | None = None
    summary: Annotated[str, cut_at(2_000, "…")] | None = None
    severity: str | None = Field(default=None, validation_alias=AliasPath("severity", "name"))
    status: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "name"))
    status_category: str | None = Field(default=None, validation_alias=AliasPath("incident_status", "category"))
    created_at: str | None = None
    updated_at: str | None = None
    """Unrounded: a change within the same second counts."""
    postmortem_document_url: str | None = None
    postmortem_document_ids: Texts | None = None
    visibility: str | None = None
    last_message: LastMessage | None = Field(default=None, validation_alias="the last message")
    last_message_known: bool = Field(default=False, validation_alias="the last message is known")
    """True if `last_message` is the last one, or there is none."""
