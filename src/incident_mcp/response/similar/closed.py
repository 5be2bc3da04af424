"""Reading an account's closed incidents with their last messages, in few requests."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

import anyio

from incident_mcp.incidentio import incident_updates
from incident_mcp.incidentio.access import LIST
from incident_mcp.incidentio.pages import MAX_PAGE_SIZE, Page, each_page, read_rows
from incident_mcp.records.clock import unix_now
from incident_mcp.records.instants import parse_instant
from incident_mcp.response.reading import Problems
from incident_mcp.response.similar.records import CLOSED, ClosedIncident, LastMessage
from incident_mcp.response.similar.store import Kept, Store
from incident_mcp.response.situation.reader import Update, is_newer, is_newest_first
from incident_mcp.transport.api import Api
from incident_mcp.writing.intents import account_of

MAX_INCIDENTS = 500
MAX_UPDATES = 5_000
"""Updates of all incidents that are read for the last message of each."""
_DAY = timedelta(days=1)


@dataclass
class ClosedIncidents:
    """The newest closed incidents of an account."""

    api: Api
    store: Store
    problems: Problems = field(default_factory=Problems)
    rows: list[ClosedIncident] = field(default_factory=list[ClosedIncident])
    """Newest first."""
    complete: bool = False
    """True if there are no others."""
    unreadable: int | None = None
    _read_at: float = 0.0
    _changed_until: str | None = None
    _kept: Kept | None = None
    """What is kept of earlier calls, if that is up to date apart from the changes."""
    _updates_read: bool = True

    async def read(self) -> None:
        """Read the incidents and their last messages: only those that changed, if the others are kept."""
        self._kept = await self.store.read()
        if self._kept is None or not await self._read_changes(self._kept):
            self._kept = None
            await self._read_all()
        if self._has_changed:
            limit = MAX_PAGE_SIZE if self._kept else MAX_UPDATES
            read = partial(self._read_last_messages, limit)
            self._updates_read = await self.problems.attempt("updates", "", read)

    @property
    def _has_changed(self) -> bool:
        return self._kept is None or self.rows != list(self._kept.incidents)

    async def _read_all(self) -> None:
        self._read_at = unix_now()
        query = [("status_category[one_of]", category) for category in CLOSED]
        rows = await read_rows(self.api, LIST.request(query), ClosedIncident, limit=MAX_INCIDENTS)
        self.rows, self.complete, self.unreadable = [*rows], rows.complete, rows.unreadable
        self._changed_until = self._latest_change(rows, None)

    async def _read_changes(self, kept: Kept) -> bool:
        """Apply what changed since, and return whether that is certainly all."""
        since = parse_instant(kept.changed_until)
        if since is None:
            return False
        # The filter takes dates, in a zone that is not documented. Incidents that were opened again count, too.
        query = [("updated_at[gte]", (since - _DAY).date().isoformat())]
        rows = await read_rows(self.api, LIST.request(query), ClosedIncident, limit=MAX_INCIDENTS)
        if not rows.complete or rows.unreadable:
            return False
        known = {row.id: row for row in kept.incidents}
        for row in rows:
            before = known.pop(row.id, None)
            if row.status_category in CLOSED:
                known[row.id] = _with_known_message(row, before)
        newest = sorted(known.values(), key=lambda row: row.created_at or "", reverse=True)
        self.rows = newest[:MAX_INCIDENTS]
        self.complete = kept.complete and len(newest) <= MAX_INCIDENTS
        self._read_at, self._changed_until = kept.read_at, self._latest_change(rows, kept.changed_until)
        return True

    def _latest_change(self, rows: Sequence[ClosedIncident], known: str | None) -> str | None:
        """Return the latest `updated_at`; one in the future would hide what changes until then."""
        latest = datetime.fromtimestamp(self.api.now(), UTC) + _DAY
        changes = [time for row in rows if (time := parse_instant(row.updated_at)) and time < latest]
        changes += [time] if (time := parse_instant(known)) else []
        return max(changes).isoformat() if changes else None

    async def _read_last_messages(self, limit: int) -> None:
        """Read updates of all incidents until each one's last message is certainly known, or up to the limit."""
        missing = {row.id for row in self.rows if not row.last_message_known}
        updates = _Updates()
        pages = each_page(self.api, incident_updates.LIST.request(), Update, limit=limit)
        async with aclosing(pages):
            async for page in pages:
                updates.add(page)
                if missing <= updates.known():
                    break
        for index, row in enumerate(self.rows):
            if row.id in missing and (updates.complete or row.id in updates.known()):
                self._set_last_message(index, updates.latest.get(row.id))

    def _set_last_message(self, index: int, update: Update | None) -> None:
        last = update and LastMessage(text=update.message or "", at=_text(update.created_at))
        self.rows[index] = self.rows[index].model_copy(update={"last_message": last, "last_message_known": True})

    async def complete_messages(self, shown: Sequence[int]) -> None:
        """Read the last message of each of these rows, unless it is known."""
        async with anyio.create_task_group() as tasks:
            for index in shown if self._updates_read else ():
                if not self.rows[index].last_message_known:
                    tasks.start_soon(self._read_last_message, index)

    async def _read_last_message(self, index: int) -> None:
        row = self.rows[index]

        async def read() -> None:
            updates = _Updates()
            request = incident_updates.LIST.request([("incident_id", row.id)])
            pages = each_page(self.api, request, Update, limit=MAX_PAGE_SIZE)
            async with aclosing(pages):
                async for page in pages:
                    updates.add(page, row.id)
            if updates.complete or row.id in updates.known():
                self._set_last_message(index, updates.latest.get(row.id))
            else:
                self.problems.add(f"The last message of {row.reference} is not known: not all updates could be read.")

        await self.problems.attempt("updates of", row.reference, read)

    async def keep(self) -> None:
        """Keep what was read for later calls, unless something could not be read: a later call must report it, too."""
        if self.unreadable or not self._updates_read or not self._has_changed:
            return
        kept = Kept(
            account=account_of(self.api),
            read_at=self._read_at,
            changed_until=self._changed_until,
            complete=self.complete,
            incidents=self.rows,
        )
        await self.store.write(kept)


@dataclass
class _Updates:
    """Updates that were read page by page, and the last message of each incident among them."""

    latest: dict[str, Update] = field(default_factory=dict[str, Update])
    complete: bool = False
    """True if all updates were read."""
    _rows: list[Update] = field(default_factory=list[Update])
    _uncertain: bool = False
    """True if an unreadable update may be the last of any incident."""

    def add(self, page: Page[Update], incident_id: str | None = None) -> None:
        """Add a page, of one incident's updates or of all."""
        for row in page.rows:
            if (row.message or "").strip():
                self._add(row, row.incident_id or incident_id)
        self._rows += page.rows
        self._uncertain = self._uncertain or bool(page.unreadable)
        self.complete = page.after is None and not self._uncertain

    def _add(self, row: Update, key: str | None) -> None:
        if key is None or row.created_at is None:
            self._uncertain = True
        elif is_newer(row, self.latest.get(key)):
            self.latest[key] = row

    def known(self) -> AbstractSet[str]:
        """Return the incidents whose last message is certainly among the rows."""
        is_known = not self._uncertain and (self.complete or is_newest_first(self._rows))
        return self.latest.keys() if is_known else set[str]()


def _text(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _with_known_message(row: ClosedIncident, before: ClosedIncident | None) -> ClosedIncident:
    """Return a row with the last message that was read before; it may not be the last if the incident changed."""
    if before is None:
        return row
    known = before.last_message_known and row.updated_at is not None and row.updated_at == before.updated_at
    return row.model_copy(update={"last_message": before.last_message, "last_message_known": known})
