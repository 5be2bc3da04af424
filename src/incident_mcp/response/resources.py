"""Resources: the account's own words, and an incident of either service as a page."""

import json
import re
from collections.abc import Awaitable, Callable
from typing import cast

from incident_mcp.deps import App, Ctx, ionhour, services
from incident_mcp.deps import incidentio as incidentio_of
from incident_mcp.errors import IncidentMcpError, PageError
from incident_mcp.http import Api
from incident_mcp.incidentio.incident_statuses import IncidentStatuses, load_statuses
from incident_mcp.incidentio.incident_types import IncidentTypes, load_types
from incident_mcp.incidentio.incidents import read_incident
from incident_mcp.incidentio.severities import Severities, load_severities
from incident_mcp.ionhour.incidents import read_incident as read_alert
from incident_mcp.models import Json, Record, make_visible
from incident_mcp.response.timeline import incident_timeline

_Read = Callable[[Api], Awaitable[Record]]


async def _severities(api: Api) -> Record:
    return Severities(severities=await load_severities(api))


async def _statuses(api: Api) -> Record:
    return IncidentStatuses(incident_statuses=await load_statuses(api))


async def _types(api: Api) -> Record:
    return IncidentTypes(incident_types=await load_types(api))


ACCOUNT: dict[str, tuple[str, _Read]] = {
    "incidentio://severities": ("The account's severities, least severe first.", _severities),
    "incidentio://statuses": ("The account's incident statuses with their categories.", _statuses),
    "incidentio://types": ("The account's incident types.", _types),
}
"""Address to description and reading, each JSON as the tool of the same name answers it."""


async def read_account(app: App, uri: str) -> str:
    """Read one of `ACCOUNT` as JSON.

    Raises:
        PageError: It could not be read.
    """
    if app.incidentio is None:
        raise PageError("There is no incident.io key: set INCIDENTIO_API_KEY.")
    _, read = ACCOUNT[uri]
    try:
        record = await read(Api(app.incidentio))
    except IncidentMcpError as failure:
        raise PageError(str(failure)) from failure
    return json.dumps(make_visible(record.dump()), ensure_ascii=False, separators=(",", ":"))


async def incidentio_incident(incident: str, ctx: Ctx) -> str:
    """An incident.io incident as a page: its facts and its timeline."""
    try:
        found = await read_incident(await incidentio_of(ctx), incident)
        story = await incident_timeline(await services(ctx), incident=incident, limit=200)
    except IncidentMcpError as failure:
        raise PageError(str(failure)) from failure
    return _page(_words(f"{found.reference}: {found.name}"), found.dump(), story.dump())


async def ionhour_incident(incident_id: str, ctx: Ctx) -> str:
    """An Ionhour incident as a page: its facts and its timeline."""
    if not re.fullmatch("[0-9]{1,18}", incident_id):
        raise PageError(f"An Ionhour incident is named by its number, not {incident_id[:40]!r}.")
    try:
        found = await read_alert(await ionhour(ctx), int(incident_id))
        story = await incident_timeline(await services(ctx), ionhour_incident_id=int(incident_id), limit=200)
    except IncidentMcpError as failure:
        raise PageError(str(failure)) from failure
    return _page(_words(f"Ionhour incident {found.id}: {found.title}"), found.dump(), story.dump())


TEMPLATES = {
    "incidentio://incidents/{incident}": incidentio_incident,
    "ionhour://incidents/{incident_id}": ionhour_incident,
}


def _page(title: str, facts: Json, story: Json) -> str:
    """Write a page of Markdown; what the services say stands in it as text."""
    lines = [f"# {title}", ""]
    lines += [f"- {name.replace('_', ' ')}: {_words(value)}" for name, value in facts.items() if name != "summary"]
    if summary := facts.get("summary"):
        lines += ["", "## Summary", "", *(f"> {line}" for line in str(summary).splitlines())]
    lines += ["", "## Timeline", ""]
    for entry in story["entries"]:
        what = ", ".join(str(entry[name]) for name in ("kind", "status", "severity", "who") if name in entry)
        lines.append(f"- {entry['at']} {entry['source']} ({what}) {_words(entry.get('text', ''))}".rstrip())
    lines += [f"- {problem}" for problem in story.get("problems", ())]
    return str(make_visible("\n".join(lines))) + "\n"


def _words(value: object) -> str:
    """Tell a value on one line, so that no text of others looks like a part of the page."""
    if isinstance(value, dict):
        return "; ".join(f"{name} = {_words(item)}" for name, item in cast("Json", value).items())
    if isinstance(value, list):
        return ", ".join(_words(item) for item in cast("list[object]", value))
    return " ".join(str(value).split())
