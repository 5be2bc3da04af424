"""Overrides: somebody covers a part of a schedule."""

from pydantic import BaseModel

from incident_mcp.incidentio.users import User, name_of_user
from incident_mcp.records.record import Instant, Record
from incident_mcp.transport.operation import Operation

LIST = Operation("GET", "/v2/schedule_overrides", scope="schedules.view", rows="overrides")
SHOW = Operation("GET", "/v2/schedule_overrides/{override}", scope="schedules.view")


class Override(Record):
    """An override."""

    id: str
    schedule_id: str | None = None
    rotation_id: str | None = None
    layer_id: str | None = None
    user: str | None = None
    start_at: Instant | None = None
    end_at: Instant | None = None
    outcome: str | None = None
    """What was read back: who is on call then, or `not seen yet`."""


class OverrideRow(Record):
    """An override as the service has it."""

    id: str
    schedule_id: str | None = None
    rotation_id: str | None = None
    layer_id: str | None = None
    user: User | None = None
    start_at: Instant | None = None
    end_at: Instant | None = None
    created_at: str | None = None

    @property
    def words(self) -> str:
        """Who has it, and when."""
        who = name_of_user(self.user) if self.user else "nobody that is known"
        return f"{who}, {self.start_at or 'unknown'} to {self.end_at or 'unknown'}"

    def record(self) -> Override:
        """Return the tool's record."""
        fields = self.model_dump(exclude={"user", "created_at"})
        return Override(**fields, user=self.user and name_of_user(self.user))


class OverrideResponse(BaseModel):
    """The response envelope of one override."""

    override: OverrideRow
