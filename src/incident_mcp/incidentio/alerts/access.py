"""Requests about one alert: which alert a text means, advice for a refusal, its key in the journal."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import AliasPath, Field

from incident_mcp.errors import InputError
from incident_mcp.incidentio.ids import ulid_in
from incident_mcp.incidentio.names.finding import MAX_CANDIDATES, fold
from incident_mcp.incidentio.pages import Rows, read_rows
from incident_mcp.records.record import Record, quoted, shorten
from incident_mcp.settings import KEY_VARIABLES
from incident_mcp.transport.api import Api
from incident_mcp.transport.operation import Operation
from incident_mcp.writing.intents import account_of
from incident_mcp.writing.perform import Writer

MAX_PAGE_SIZE = 50
LIST = Operation("GET", "/v2/alerts", scope="alerts.view", page_size=MAX_PAGE_SIZE)
SHOW = Operation("GET", "/v2/alerts/{alert}", scope="alerts.view")

AlertRef = Annotated[str, Field(min_length=1, description="ID, link, deduplication key or title.")]


class AlertName(Record):
    """An alert's names."""

    id: str
    title: str | None = None
    status: str | None = None

    @property
    def label(self) -> str:
        """Its title, status and id, to choose it by."""
        return f"{quoted(self.title or '', 80)} ({self.id}, {shorten(self.status or 'status unknown', 20)})"


class _Response(Record):
    id: str = Field(validation_alias=AliasPath("alert", "id"))
    title: str | None = Field(default=None, validation_alias=AliasPath("alert", "title"))


def alert_advice(scope: str) -> dict[int, str]:
    """Return advice, by status, for a refused request about one alert."""
    return {
        403: f"The key in {KEY_VARIABLES['incidentio']} may not do this: it needs the scope {scope}.",
        404: "It does not exist, or this key may not see it: a private alert is hidden from a key without access to"
        " private alerts (a role like global_access).",
    }


async def alert_id(api: Api, alert: str) -> str:
    """Return the id of an alert, by its id, its link, its deduplication key or the title of a firing alert.

    Raises:
        InputError: No alert matches, or several do; the message lists the candidates.
    """
    if found := ulid_in(alert):
        return found
    if len(alert) > _MAX_LENGTH:
        raise InputError(f"alert: a text of {len(alert)} characters is not an alert. Pass its ID. Not sent.")
    matches = await _read(api, "deduplication_key[is]", alert.strip()) or await _find_titled(api, alert)
    if len(matches) > 1:
        raise InputError(f"alert {quoted(alert, 80)} is ambiguous: {_candidates(matches)}. Pass the ID. Not sent.")
    return matches[0].id


async def _find_titled(api: Api, title: str) -> Sequence[AlertName]:
    """Return the firing alerts with a title; the API cannot search titles.

    Raises:
        InputError: There is none, or not all firing alerts were read.
    """
    firing = await _read(api, "status[one_of]", "firing")
    matches = [row for row in firing if fold(row.title or "") == fold(title)]
    if matches and firing.complete:
        return matches
    raise InputError(_explain_unknown(title, matches or firing, complete=firing.complete))


_MAX_LENGTH = 1_000
"""Characters of a deduplication key or title: longer ones are not searched."""


async def _read(api: Api, name: str, value: str) -> Rows[AlertName]:
    request = LIST.request([(name, value)], advice=alert_advice(LIST.scope))
    return await read_rows(api, request, AlertName, limit=MAX_PAGE_SIZE)


def _explain_unknown(name: str, rows: Sequence[AlertName], *, complete: bool) -> str:
    searched = "" if complete else f" Only {MAX_PAGE_SIZE} firing alerts were searched for the title."
    known = f" Firing alerts: {_candidates(rows)}." if rows else " No alert is firing."
    return (
        f"No alert has the deduplication key {quoted(name, 80)}, and it is not the title of just one firing alert."
        f"{searched}{known} Pass the ID. Not sent."
    )


def _candidates(rows: Sequence[AlertName]) -> str:
    more = f", and {len(rows) - MAX_CANDIDATES} more" if len(rows) > MAX_CANDIDATES else ""
    return ", ".join(row.label for row in rows[:MAX_CANDIDATES]) + more


async def describe_alert(api: Api, writer: Writer, alert: str, *, dry_run: bool, destructive: bool = False) -> str:
    """Return an alert's id, and its title if a write to it needs confirmation."""
    if dry_run or not writer.needs_confirmation(destructive=destructive):
        return alert
    found = await api.get(SHOW.request(at={"alert": alert}, advice=alert_advice(SHOW.scope)), _Response)
    return f"{alert} {quoted(found.title or '', 100)}"


def alert_keys(api: Api, alert: str) -> tuple[str, ...]:
    """Return an alert's key in the journal."""
    return (f"{account_of(api)} alert {alert}",)
