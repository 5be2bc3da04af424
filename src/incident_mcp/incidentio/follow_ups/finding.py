"""Finding what a lost request created: the API has no idempotency key for follow-ups and actions."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from operator import eq
from typing import Generic, Literal, TypeVar
from urllib.parse import urlsplit

from incident_mcp.errors import NoAnswerError
from incident_mcp.incidentio.follow_ups.records import Action, FollowUp, Work
from incident_mcp.incidentio.pages import Rows
from incident_mcp.records.record import A, Json
from incident_mcp.transport.api import Api
from incident_mcp.writing.notes import is_made_since, letters
from incident_mcp.writing.plan import Baseline, Existing

Row = TypeVar("Row", bound=Work)
Likeness = Literal["identical", "completed", "alike", "other"]
"""What was requested; that, with more that the service filled in; perhaps that; something else."""


@dataclass(frozen=True)
class WorkFinder(Generic[Row, A]):
    """Finds the row that a request creates: a new one of the incident with its fields."""

    api: Api
    noun: str
    read: Callable[[], Awaitable[Rows[Row]]]
    """Returns the rows of the incident."""
    compare: Callable[[Row], Likeness]
    to_response: Callable[[Row], A]

    async def read_existing(self, window: float) -> Existing[A]:
        """Return the IDs of the existing rows, and an identical one of the last `window` seconds."""
        rows = await self.read()
        since = self.api.now() - window
        recent = (row for row in rows if is_made_since(row, since) and self.compare(row) == "identical")
        identical = next(recent, None)
        return Existing(tuple(row.id for row in rows), None if identical is None else self.to_response(identical))

    async def find_created(self, baseline: Baseline) -> A | None:
        """Find the row that an earlier attempt created.

        Raises:
            NoAnswerError: It is unknown whether the attempt created it.
        """
        rows = await self.read()
        new = [row for row in rows if _is_new(row, baseline)]
        if found := self._first(new, "identical") or self._first(new, "completed"):
            return self.to_response(found)
        if alike := self._first(new, "alike"):
            raise NoAnswerError(
                f"There is a new {self.noun} that is nearly the same ({alike.id}). It is unknown whether it is this"
                f" one, because the service may change texts. Check the {self.noun}s before you create another one."
            )
        if not rows.complete:
            raise NoAnswerError(explain_incomplete(len(rows), self.noun))
        return None

    def _first(self, rows: Sequence[Row], likeness: Likeness) -> Row | None:
        return next((row for row in rows if self.compare(row) == likeness), None)


def explain_incomplete(count: int, noun: str) -> str:
    """Explain that what a lost request created may be among the rows that were not read."""
    return f"Only {count} {noun}s of the incident were read: it is unknown whether this one was created."


def _is_new(row: Work, baseline: Baseline) -> bool:
    if baseline.existing_ids is None:
        return is_made_since(row, baseline.started_at)
    return row.id not in baseline.existing_ids


def compare_follow_up(fields: Json, row: FollowUp) -> Likeness:
    """Compare a follow-up with the fields of the request that creates one."""
    assigned = {"assignee_id": row.assignee_id, "assignee_team_id": row.team_id}
    return _compare({"title": row.title, "description": row.description}, assigned, fields)


def compare_action(fields: Json, row: Action) -> Likeness:
    """Compare an action with the fields of the request that creates one."""
    return _compare({"description": row.description}, {"assignee_id": row.assignee_id}, fields)


def _compare(texts: dict[str, str | None], assigned: dict[str, str | None], fields: Json) -> Likeness:
    held = {name: _words(text) for name, text in texts.items()}
    sent = {name: _words(fields.get(name)) for name in texts}
    if held == sent and all(map(eq, map(fields.get, assigned), assigned.values())):
        return "identical"
    if _is_assigned_otherwise(assigned, fields):
        return "other"
    return _compare_texts(held, sent)


def _compare_texts(held: dict[str, str], sent: dict[str, str]) -> Likeness:
    # The first text names it. The service may assign what is unassigned, and add to a description.
    first, *rest = sent
    if letters(held[first]) != letters(sent[first]):
        return "other"
    is_kept = held[first] == sent[first] and all(_begins_with(held[name], sent[name]) for name in rest)
    return "completed" if is_kept else "alike"


def _begins_with(held: str, sent: str) -> bool:
    """Return whether a text begins with another one, regardless of markup."""
    return letters(held).startswith(letters(sent))


def _is_assigned_otherwise(assigned: dict[str, str | None], fields: Json) -> bool:
    return any(value not in (None, fields[name]) for name, value in assigned.items() if name in fields)


def _words(text: str | None) -> str:
    return " ".join((text or "").split())


def compare_issue(url: str, row: FollowUp) -> Likeness:
    """Compare the issue of a follow-up with a link; trackers append a title to links, and drop it."""
    if row.issue is None or row.status == "deleted":
        return "other"
    sent, held = _address(url), _address(row.issue)
    if sent == held:
        return "identical"
    shorter, longer = sorted((sent, held), key=len)
    named = (row.issue_name or "").casefold() in shorter.split("/")
    return "identical" if named and longer.startswith((f"{shorter}/", f"{shorter}?")) else "other"


def _address(url: str) -> str:
    """Return a link without what does not matter to where it leads; a query may name the issue."""
    try:
        parts = urlsplit(url.strip().casefold())
    except ValueError:
        return url
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.netloc}{parts.path.rstrip('/')}{query}"
