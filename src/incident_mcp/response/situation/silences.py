"""Why nothing fires: maintenance windows and paused checks, read beside the situation for a short time."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial

import anyio

from incident_mcp.errors import IncidentMcpError, RefusedError
from incident_mcp.incidentio.alerts import maintenance_windows as incidentio_windows
from incident_mcp.incidentio.pages import read_rows
from incident_mcp.ionhour import maintenance_windows as ionhour_windows
from incident_mcp.ionhour.checks.list import LIST as CHECKS
from incident_mcp.ionhour.checks.list import list_query
from incident_mcp.ionhour.checks.records import Check
from incident_mcp.ionhour.incidents.records import IonhourIncident as Alert
from incident_mcp.ionhour.pages import MAX_PAGE_SIZE, Page, read_page
from incident_mcp.ionhour.workspace import known_workspace
from incident_mcp.records.clock import utc_now
from incident_mcp.records.instants import format_duration, parse_instant
from incident_mcp.records.record import Record, shorten
from incident_mcp.response.reading import Problems
from incident_mcp.settings import Settings
from incident_mcp.tooling.dependencies import Services
from incident_mcp.transport.api import Api

SECONDS = 1.5
"""After how long a list that was not read is left out."""
MAX_REQUESTS = 3
MAX_WINDOWS = 5
"""Windows of a service that are shown."""
MAX_NAMES, MAX_NAME = 10, 60
"""Names in a row, and characters of a name."""
_ANY = "Alert → "
"""Begins the conditions of an incident.io window."""


class Silence(Record):
    """What hides alerts now."""

    maintenance: str | None = None
    """The name of a window in incident.io."""
    ionhour_maintenance: str | None = None
    """The name of a window in Ionhour."""
    ends_in: str | None = None
    affects: str | None = None
    """Alerts that meet a condition, or Ionhour's projects."""
    paused_checks: str | None = None


class SilenceReader:
    """Reads what hides alerts, each list in one request that is not repeated.

    A list that the key may not read is left out without a word, as are Ionhour's windows without the workspace.
    """

    def __init__(self, services: Services, settings: Settings) -> None:
        self._incidentio_api = services.incidentio
        self._ionhour_api = services.ionhour
        self._workspace = known_workspace(settings)
        self._incidentio: list[Silence] = []
        self._windows: list[ionhour_windows.MaintenanceWindow] = []
        self._more_windows = False
        self._checks: list[Check] = []
        self._now = utc_now()
        self.incidentio, self.ionhour = Problems(), Problems()
        """What is not known of each service."""

    async def read(self) -> None:
        """Read all lists in parallel, for at most `SECONDS`."""
        async with anyio.create_task_group() as tasks:
            if (api := self._incidentio_api) is not None:
                name = "incident.io's maintenance windows"
                tasks.start_soon(_attempt, self.incidentio, name, partial(self._read_incidentio, api.once()))
            if (api := self._ionhour_api) is not None:
                tasks.start_soon(_attempt, self.ionhour, "Ionhour's checks", partial(self._read_checks, api.once()))
            if api is not None and self._workspace is not None:
                name = "Ionhour's maintenance windows"
                read = partial(self._read_windows, api.once(), self._workspace)
                tasks.start_soon(_attempt, self.ionhour, name, read)

    async def _read_incidentio(self, api: Api) -> None:
        request = incidentio_windows.LIST.request([("status", "active")])
        rows = await read_rows(
            api, request, incidentio_windows.MaintenanceWindow, limit=incidentio_windows.MOST_WINDOWS
        )
        now = utc_now()
        active = [row for row in rows if row.archived_at is None and _is_now(row.start_at, row.end_at, now)]
        shown = [
            Silence(maintenance=_name(row.name), ends_in=_ends_in(row.end_at, now), affects=_holds(row.holds))
            for row in active[:MAX_WINDOWS]
        ]
        rest = _rest(len(active) - MAX_WINDOWS, more=not rows.complete)
        self._incidentio = [*shown, *(Silence(maintenance=text) for text in rest)]
        self.incidentio.add_unreadable(rows.unreadable, "maintenance window")

    async def _read_windows(self, api: Api, workspace: int) -> None:
        page = await api.get(ionhour_windows.list_request(workspace, "ACTIVE"), Page[ionhour_windows.MaintenanceWindow])
        self._now = now = utc_now()
        # The instants of one that recurs may be those of another time.
        self._windows = [
            row
            for row in page.rows
            if row.hides_alerts and (row.recurring_cron or _is_now(row.start_at, row.end_at, now))
        ]
        self._more_windows = page.has_more
        self.ionhour.add_unreadable(page.unreadable, "maintenance window")

    async def _read_checks(self, api: Api) -> None:
        page = await read_page(api, CHECKS.request(list_query(self._workspace)), Check, page=1, limit=MAX_PAGE_SIZE)
        self._checks = page.rows
        self.ionhour.add_unreadable(page.unreadable, "check")
        if page.has_more:
            of = f" of {page.total}" if page.total else ""
            self.ionhour.add(f"Only {len(page.rows)}{of} Ionhour checks were searched for paused ones.")

    def rows(self, alerts: Iterable[Alert]) -> list[Silence]:
        """Return what hides alerts; the names of projects are those of the checks and of these alerts."""
        projects = {row.project_id: row.project for row in (*self._checks, *alerts)}
        windows = [
            Silence(
                ionhour_maintenance=_name(row.name),
                ends_in=_ends_in(row.end_at, self._now),
                affects=_join(_projects(row, projects)),
            )
            for row in self._windows[:MAX_WINDOWS]
        ]
        rest = _rest(len(self._windows) - MAX_WINDOWS, more=self._more_windows)
        windows += [Silence(ionhour_maintenance=text) for text in rest]
        paused = _join([row.name or f"check {row.id}" for row in self._checks if _is_paused(row)])
        return [*self._incidentio, *windows, *([Silence(paused_checks=paused)] if paused else [])]


async def _attempt(problems: Problems, name: str, read: Callable[[], Awaitable[None]]) -> None:
    """Read a list; one that the key may not read is no problem."""
    try:
        with anyio.fail_after(SECONDS):
            await read()
    except RefusedError:
        return
    except (IncidentMcpError, TimeoutError):
        problems.add(f"{name} could not be read; they may hide alerts.")


def _is_now(start_at: str | None, end_at: str | None, now: datetime) -> bool:
    """Return whether a time is between two instants, of which each may be unknown."""
    start, end = parse_instant(start_at), parse_instant(end_at)
    return (start is None or start <= now) and (end is None or now < end)


def _ends_in(end_at: str | None, now: datetime) -> str | None:
    end = parse_instant(end_at)
    return format_duration((end - now).total_seconds()) if end and end > now else None


def _name(name: str | None) -> str:
    return shorten(name, MAX_NAME) if name else "unnamed"


def _is_paused(check: Check) -> bool:
    return (check.status or "").upper() == "PAUSED"


def _holds(conditions: Sequence[str] | None) -> str | None:
    return _join([each.removeprefix(_ANY) for each in conditions or ()])


def _projects(window: ionhour_windows.MaintenanceWindow, names: Mapping[int | None, str | None]) -> list[str]:
    return window.projects or [names.get(number) or f"project {number}" for number in window.project_ids or ()]


def _join(names: Sequence[str]) -> str | None:
    more = [f"{len(names) - MAX_NAMES} more"] if len(names) > MAX_NAMES else []
    return "; ".join([shorten(name, MAX_NAME) for name in names[:MAX_NAMES]] + more) or None


def _rest(others: int, *, more: bool) -> list[str]:
    """Return the row for the windows that are not shown, if there are any."""
    if more:
        return ["and others"]
    return [f"and {others} more"] if others > 0 else []
