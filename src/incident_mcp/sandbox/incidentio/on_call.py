"""What an account has set up for being on call, and the pages that are under way."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from incident_mcp.sandbox.engine.clock import OPENED
from incident_mcp.sandbox.engine.service import Json


@dataclass
class OnCall:
    """Schedules, escalation paths, and how people are notified, as the API's JSON. No call changes them."""

    schedules: list[Json] = field(default_factory=list[Json])
    """Without their shifts, which follow from the clock."""
    paths: list[Json] = field(default_factory=list[Json])
    """Without `current_responders`, who follow from the clock."""
    path_templates: dict[str, list[Json]] = field(default_factory=dict[str, list[Json]])
    """Template id to the nodes of the paths that are built from it."""
    pauses: list[Json] = field(default_factory=list[Json])
    methods: dict[str, list[Json]] = field(default_factory=dict[str, list[Json]])
    """User id to the user's notification methods."""
    rules: dict[str, list[Json]] = field(default_factory=dict[str, list[Json]])
    """User id to the user's notification rules."""


@dataclass
class Run:
    """The course of one escalation. What a caller may see of it is in `escalation`."""

    escalation: Json
    path: Json | None
    """The path that it follows; None if it pages people directly."""
    nodes: list[Json]
    idempotency_key: str = ""
    incident_ids: list[str] = field(default_factory=list[str])
    course: Iterator[datetime] = field(default_factory=lambda: iter(()))
    """What is still to happen. Yields when it goes on."""
    wakes_at: datetime | None = None
    """When the next thing happens; None if nothing more will."""
    at: datetime = OPENED
    """The instant of what is happening now, which the clock may have passed already."""
    level: int = 0
    """How many levels have been paged; a level that is repeated counts again."""
    steps: int = 0
    repeats: Counter[str] = field(default_factory=Counter[str])
    """Node id to how often it has sent the escalation back."""
    reassigned: bool = False


@dataclass
class Paging:
    """The escalations under way, and what is counted across them."""

    runs: dict[str, Run] = field(default_factory=dict[str, Run])
    """Escalation id to its course."""
    turns: Counter[str] = field(default_factory=Counter[str])
    """Node id to how often its round robin has been used."""
    created_at: list[datetime] = field(default_factory=list[datetime])
    """When the latest requests to create an escalation came in, for their rate limit."""
