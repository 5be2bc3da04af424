"""Fill the incident.io account from its data."""

from datetime import datetime, timedelta

from incident_mcp.sandbox.engine.clock import account_ulid, ago, rfc3339, ulid
from incident_mcp.sandbox.engine.service import Json
from incident_mcp.sandbox.incidentio.account import API_KEY_ACTOR, IncidentIO, by_name, number_of
from incident_mcp.sandbox.incidentio.attachments import add_attachment
from incident_mcp.sandbox.incidentio.incident_changes import change, record_update, touch
from incident_mcp.sandbox.incidentio.incident_values import slim_user, write_entries, write_roles, write_timestamps
from incident_mcp.sandbox.incidentio.incidents import new_incident

from . import incidentio_incidents as data
from .incidentio_setup import set_up

_VALUE_KEYS = {"text": "value_text", "link": "value_link", "numeric": "value_numeric"}
_ACTORS: dict[str, Json] = {
    "api_key": API_KEY_ACTOR,
    "workflow": {"workflow": {"id": account_ulid("workflow"), "name": "Declare from support tickets"}},
    "alert": {"alert": {"id": account_ulid("alert"), "title": "Probe failed three times"}},
}


def seed_incidentio(account: IncidentIO, start: datetime, links: dict[int, str]) -> None:
    """Fill the account.

    Args:
        account: An empty account.
        start: The instant that the data's times are relative to.
        links: Ionhour incident to the text that links to it in a summary.
    """
    set_up(account)
    for row in data.INCIDENTS:
        account.incidents.append(_incident(account, row, start, links))
    numbered = {number_of(incident): incident for incident in account.incidents}
    for number, when, who, status, severity, message in data.UPDATES:
        instant = start - ago(when)
        change(
            numbered[number],
            by_name(account.statuses, status),
            by_name(account.severities, severity) if severity else None,
        )
        update = record_update(account, numbered[number], instant, _actor(account, who), message)
        touch(numbered[number], instant)
        if number in data.MERGED:
            update["merged_into_incident_id"] = numbered[data.MERGED[number]]["id"]
    for row in data.TIMELINE_ITEMS:
        account.rows["timeline_items"].append(_timeline_item(account, row, start, numbered[row[0]]))
    for number, kind, target, title in data.ATTACHMENTS:
        key = "url" if kind == "arbitrary_url" else "external_id"
        add_attachment(account, numbered[number], {"resource_type": kind, key: target, "title": title})


def seed_incidentio_bulk(account: IncidentIO, start: datetime, count: int) -> None:
    """Add `count` plain live incidents, the newest of the account, spread over the last half hour."""
    live = [status for status in account.statuses if status["category"] == "live"]
    incident_type = by_name(account.types, "Production")
    first = account.next_number()
    for number in range(first, first + count):
        service = data.BULK_SERVICES[number % len(data.BULK_SERVICES)]
        symptom = data.BULK_SYMPTOMS[number % len(data.BULK_SYMPTOMS)]
        region = data.BULK_REGIONS[number // 3 % len(data.BULK_REGIONS)]
        incident = new_incident(
            account,
            number=number,
            name=f"{service}: {symptom} in {region}",
            created_at=start - timedelta(minutes=30) * (first + count - number) / count,
            creator=API_KEY_ACTOR,
            kinds=(incident_type, live[number % len(live)], account.severities[number % len(account.severities)]),
            mode="standard",
            visibility="public",
        )
        incident["summary"] = f"Seen by the probe in {region}; {service} shows {symptom}."
        account.incidents.append(incident)


def _incident(account: IncidentIO, row: data.Row, start: datetime, links: dict[int, str]) -> Json:
    severity = by_name(account.severities, row.severity) if row.severity else None
    incident = new_incident(
        account,
        number=row.number,
        name=row.name,
        created_at=start - ago(row.ago),
        creator=_actor(account, row.creator),
        kinds=(by_name(account.types, row.type), by_name(account.statuses, row.status), severity),
        mode=row.mode,
        visibility=row.visibility,
    )
    summary = row.summary
    for number, text in links.items():
        summary = summary.replace(f"{{ionhour:{number}}}", text)
    if summary:
        incident["summary"] = summary
    write_entries(account, incident, [_entry(account, name, texts) for name, texts in row.fields.items()])
    write_roles(account, incident, [_assignment(account, *pair) for pair in row.roles.items()], creating=True)
    write_timestamps(
        account,
        incident,
        [
            {"incident_timestamp_id": by_name(account.timestamps, name)["id"], "value": rfc3339(start - ago(when))}
            for name, when in row.stamps.items()
        ],
    )
    return incident | row.extra


def _actor(account: IncidentIO, who: str) -> Json:
    return _ACTORS[who] if who in _ACTORS else {"user": slim_user(by_name(account.users, who))}


def _entry(account: IncidentIO, name: str, texts: tuple[str, ...]) -> Json:
    field = by_name(account.custom_fields, name)
    if "catalog_type_id" in field:
        values = [{"value_catalog_entry_id": by_name(account.catalog_entries, text)["id"]} for text in texts]
    elif field["field_type"] in _VALUE_KEYS:
        values = [{_VALUE_KEYS[field["field_type"]]: text} for text in texts]
    else:
        values = [{"value_option_id": account_ulid(f"{name}: {text}")} for text in texts]
    return {"custom_field_id": field["id"], "values": values}


def _assignment(account: IncidentIO, role: str, person: str) -> Json:
    return {
        "incident_role_id": by_name(account.roles, role)["id"],
        "assignee": {"id": by_name(account.users, person)["id"]},
    }


def _timeline_item(
    account: IncidentIO, row: tuple[int, str, str, str, str, str], start: datetime, incident: Json
) -> Json:
    _, happened, added, who, title, description = row
    item: Json = {
        "id": ulid(start - ago(added), title),
        "incident_id": incident["id"],
        "title": title,
        "timestamp": rfc3339(start - ago(happened)),
        "creator": _actor(account, who),
        "created_at": rfc3339(start - ago(added)),
        "updated_at": rfc3339(start - ago(added)),
    }
    return item | ({"description": description} if description else {})
