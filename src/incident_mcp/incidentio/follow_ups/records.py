"""Records of follow-ups and actions."""

from typing import Annotated, Self, cast

from pydantic import AliasPath, BaseModel, BeforeValidator, Field

from incident_mcp.incidentio.actors import Actor
from incident_mcp.incidentio.incidents.records import texts_of
from incident_mcp.records.fitting import FEW
from incident_mcp.records.record import Instant, Json, Listed, Name, Record


def _person(value: object) -> object:
    """Return the name of a user."""
    if not isinstance(value, dict):
        return value
    names = (cast("Json", value).get(key) for key in ("name", "email", "id"))
    return next((name for name in names if isinstance(name, str) and name), None)


def _labels(value: object) -> object:
    return texts_of(value) or None


Assignee = Annotated[str | None, BeforeValidator(_person)]


class Work(Record):
    """What follow-ups and actions have in common."""

    id: str
    incident_id: str | None = None
    reference: str | None = Field(default=None, validation_alias="the incident's reference")
    status: str | None = None
    """outstanding, completed, not_doing or deleted."""
    assignee: Assignee = None
    created_at: Instant | None = None
    completed_at: Instant | None = None
    made_at: str | None = Field(default=None, validation_alias="created_at", exclude=True)
    """`created_at` unrounded."""
    version: str | None = Field(default=None, validation_alias="updated_at", exclude=True)
    """`updated_at` unrounded."""
    assignee_id: str | None = Field(default=None, validation_alias=AliasPath("assignee", "id"), exclude=True)


class FollowUp(Work):
    """A follow-up in full."""

    REST = ": incident.io shows the rest"
    title: str | None = None
    description: str | None = None
    assignee_team: str | None = Field(default=None, validation_alias=AliasPath("assignee_team", "name"))
    category: str | None = Field(default=None, validation_alias=AliasPath("category", "name"))
    priority: str | None = Field(default=None, validation_alias=AliasPath("priority", "name"))
    labels: Annotated[list[str] | None, BeforeValidator(_labels)] = None
    issue: str | None = Field(default=None, validation_alias=AliasPath("external_issue_reference", "issue_permalink"))
    issue_name: str | None = Field(
        default=None, validation_alias=AliasPath("external_issue_reference", "issue_name"), exclude=True
    )
    creator: Actor = None
    updated_at: Instant | None = None
    team_id: str | None = Field(default=None, validation_alias=AliasPath("assignee_team", "id"), exclude=True)
    category_id: str | None = Field(default=None, validation_alias=AliasPath("category", "id"), exclude=True)
    priority_id: str | None = Field(default=None, validation_alias=AliasPath("priority", "id"), exclude=True)


class Action(Work):
    """An action in full."""

    REST = ": incident.io shows the rest"
    description: str | None = None
    creator: Actor = None
    updated_at: Instant | None = None


class FollowUpRow(Record):
    """A follow-up in a list."""

    id: str
    reference: str | None = None
    title: Name | None = None
    description: str | None = None
    """Only in a list of a few."""
    status: str | None = None
    assignee: str | None = None
    assignee_team: str | None = None
    priority: str | None = None
    issue: str | None = None
    created_at: Instant | None = None


class FollowUps(Listed):
    """A list of follow-ups."""

    MARK = f"A limit of {FEW} or less shows texts in full, and descriptions."
    follow_ups: list[FollowUpRow]
    after: str | None = None
    looked_at: int | None = None
    """Number of rows that were searched for the status."""

    def first(self, rows: int) -> Self | None:
        """Return the result with only its first rows and the cursor that follows them."""
        shown = self.follow_ups[:rows]
        if not shown:
            return None
        return self.model_copy(update={"follow_ups": shown, "has_more": True, "after": shown[-1].id})


class ActionRow(Record):
    """An action in a list."""

    id: str
    reference: str | None = None
    description: str | None = None
    status: str | None = None
    assignee: str | None = None
    created_at: Instant | None = None


class Actions(Listed):
    """A list of actions."""

    MARK = f"A limit of {FEW} or less shows texts in full."
    LONGEST = 200
    actions: list[ActionRow]
    after: str | None = None
    looked_at: int | None = None
    """Number of rows that were searched for the status."""

    def first(self, rows: int) -> Self | None:
        """Return the result with only its first rows and the cursor that follows them."""
        shown = self.actions[:rows]
        if not shown:
            return None
        return self.model_copy(update={"actions": shown, "has_more": True, "after": shown[-1].id})


class FollowUpResponse(BaseModel):
    """The response envelope of one follow-up."""

    follow_up: FollowUp


class ActionResponse(BaseModel):
    """The response envelope of one action."""

    action: Action
