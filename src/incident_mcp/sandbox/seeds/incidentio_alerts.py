"""The alerts of the incident.io account, with their sources, notes and links. Times are durations before the start."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from incident_mcp.sandbox.engine.clock import account_ulid, ago, rfc3339
from incident_mcp.sandbox.engine.service import Json
from incident_mcp.sandbox.incidentio.account import API_KEY_ACTOR, IncidentIO, by_id, by_name, number_of
from incident_mcp.sandbox.incidentio.alert_notes import new_note
from incident_mcp.sandbox.incidentio.alerts import slim_alert
from incident_mcp.sandbox.incidentio.incident_alerts import new_link
from incident_mcp.sandbox.incidentio.incident_values import slim_user

from .incidentio_windows import windows

SOURCES = (
    # name, source_type, is_private, token after "sandbox-token-"
    ("Datadog", "datadog", False, ""),
    ("Grafana", "grafana", False, "grafana"),
    ("Synthetic probes", "http", False, "probes"),
    ("Secret scanner", "git_guardian", True, ""),
)
"""Datadog's alerts can only be resolved in Datadog; those of the scanner are private."""


@dataclass(frozen=True)
class Row:
    """One seeded alert."""

    title: str
    source: str
    ago: str
    key: str
    priority: str
    resolved: str = ""
    service: str = ""
    team: str = ""
    regions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    group: str = ""
    description: str = ""
    url: str = ""
    links: dict[int, str] = field(default_factory=dict[int, str])
    """Incident's number to the state of the link."""
    seed: str = ""
    """What its id is made from, if not its title."""


# As a table, not one argument a line.
# fmt: off
ALERTS = (
    Row("Probe failed three times", "Synthetic probes", "23d", "probe-ap-southeast-2", "P3", resolved="22d",
        links={104: "related"}, seed="alert"),
    Row("Nightly settlement failed", "Synthetic probes", "2d", "settlement-nightly", "P2", resolved="47h",
        team="Payments"),
    Row("Secret pushed to a public gist", "Secret scanner", "27h", "gist-81f3", "P1", links={111: "related"}),
    Row("Payout file is missing", "Synthetic probes", "26h", "payout-file", "P2", resolved="25h", service="payouts",
        team="Payments", links={112: "related"}),
    Row("Webhook backlog above 4,000", "Grafana", "145m", "webhook-backlog", "P2", service="webhooks", team="Platform",
        regions=("eu-west-1", "eu-central-1"), tags=("customer impacting",), links={114: "related"},
        description="The delivery queue holds **4,120** messages.",
        url="https://grafana.paysand.example/d/webhooks"),
    Row("Disk above 90 percent", "Grafana", "40m", "disk-db-1", "P3", service="ledger"),
    Row("Disk above 90 percent", "Grafana", "38m", "disk-db-2", "P3", service="ledger", seed="alert disk db-2"),
    Row("CPU above 95 percent", "Datadog", "20m", "host-17", "P3", service="search"),
    Row("host-17 is unreachable", "Grafana", "19m", "host-17", "P2", service="search"),
    Row("Checkout errors above 5 percent", "Datadog", "12m", "monitor-4411", "P1", service="checkout-api",
        team="Payments", regions=("eu-west-1",), tags=("customer impacting", "known issue"), group="Checkout",
        description="The error rate of checkout-api has been above 5 % for five minutes.",
        url="https://datadog.paysand.example/monitors/4411", links={114: "related"}),
    Row("Checkout latency above 3 seconds", "Grafana", "11m", "checkout-p99", "P2", service="checkout-api",
        team="Payments", tags=("noisy",), group="Checkout", url="https://grafana.paysand.example/d/checkout"),
    Row("Search latency above 2 seconds", "Grafana", "4m", "search-p95", "P2", resolved="2m", service="search",
        links={116: "unrelated"}),
    Row("Ledger replica lags by 40 seconds", "Grafana", "3m", "ledger-replica", "P2", service="ledger",
        team="Platform"),
)
ROUTED = 114
"""The incident that an alert route created."""
NOTES = (
    # alert or "group NAME", ago, creator, images, content
    ("Checkout errors above 5 percent", "9m", "Yuki Tanaka", 1,
     "Only 3-D Secure challenges fail. **Rolling back** the fraud rules."),
    ("Checkout errors above 5 percent", "2m", "api_key", 0, "Error rate is down to 2 %."),
    ("group Checkout", "8m", "Sam Okafor", 0, "Both started with the 02:45 deploy."),
)
# fmt: on


def seed_alerts(account: IncidentIO, start: datetime) -> None:
    """Fill the account's alerts, and name them in the escalations that they caused."""
    account.rows["alert_sources"].extend(_source(*row) for row in SOURCES)
    alerts = account.rows["alerts"]
    alerts.extend(_alert(row, start) for row in ALERTS)
    account.rows["incident_alerts"].extend(_links(account))
    account.rows["alert_notes"].extend(_note(account, *row, start) for row in NOTES)
    account.rows["maintenance_windows"].extend(windows(account, start))
    for escalation in account.rows["escalations"]:
        alert = by_id(alerts, escalation["creator"].get("alert", {}).get("id"))
        if alert is not None:
            escalation["related_alerts"] = [slim_alert(alert)]


def _source(name: str, kind: str, private: bool, token: str) -> Json:  # noqa: FBT001  # a row
    source_id = account_ulid(f"alert source {name}")
    source: Json = {
        "id": source_id,
        "name": name,
        "source_type": kind,
        "owning_team_ids": [],
        "template": {
            "title": {"label": "Payload, title", "reference": 'expressions["title"]'},
            "description": {"label": "Payload, description", "reference": 'expressions["description"]'},
            "attributes": [],
            "expressions": [],
            "is_private": private,
        },
    }
    if token:
        url = f"https://api.incident.io/v2/alert_events/http/{source_id}"
        source |= {"secret_token": f"sandbox-token-{token}", "alert_events_url": url}
    return source


def _alert(row: Row, start: datetime) -> Json:
    created = start - ago(row.ago)
    alert: Json = {
        "id": account_ulid(row.seed or f"alert {row.title}"),
        "title": row.title,
        "status": "firing",
        "alert_source_id": account_ulid(f"alert source {row.source}"),
        "deduplication_key": row.key,
        "attributes": list(_attributes(row)),
        "tags": [{"id": account_ulid(f"alert tag {tag}"), "name": tag} for tag in row.tags],
        "alert_group_ids": [account_ulid(f"alert group {row.group}")] if row.group else [],
        "created_at": rfc3339(created),
        "updated_at": rfc3339(created),
    }
    if row.resolved:
        resolved = rfc3339(start - ago(row.resolved))
        alert |= {"status": "resolved", "resolved_at": resolved, "updated_at": resolved}
    optional = {"description": row.description, "source_url": row.url}
    return alert | {name: text for name, text in optional.items() if text}


def _attributes(row: Row) -> Iterator[Json]:
    yield _attribute("Priority", "AlertPriority", row.priority)
    if row.service:
        yield _attribute("Service", "String", row.service)
    if row.team:
        yield _attribute("Team", 'CatalogEntry["Team"]', row.team, catalog=True)
    if row.regions:
        yield _regions(row.regions)


def _attribute(name: str, kind: str, text: str, *, catalog: bool = False) -> Json:
    value: Json = {"label": text, "literal": text}
    if catalog:
        entry = {"id": account_ulid(f"team {text}"), "name": text, "catalog_type_id": account_ulid("catalog type Team")}
        value = {"label": text, "literal": entry["id"], "catalog_entry": entry}
    return {"attribute": _definition(name, kind, array=False), "value": value}


def _regions(names: tuple[str, ...]) -> Json:
    values = [{"label": name, "literal": name} for name in names]
    return {"attribute": _definition("Regions", "String", array=True), "array_value": values}


def _definition(name: str, kind: str, *, array: bool) -> Json:
    return {
        "id": account_ulid(f"alert attribute {name}"),
        "name": name,
        "type": kind,
        "array": array,
        "required": False,
    }


def _links(account: IncidentIO) -> Iterator[Json]:
    """Return the links; a route created those of one incident."""
    incidents = {number_of(incident): incident for incident in account.incidents}
    route = {"alert_route_id": account_ulid("alert route")}
    for row, alert in zip(ALERTS, account.rows["alerts"], strict=True):
        for number, state in row.links.items():
            link = new_link(account_ulid(f"link {alert['id']} {number}"), alert, incidents[number])
            yield link | {"state": state} | (route if number == ROUTED else {})


def _note(  # noqa: PLR0913, PLR0917  # a row
    account: IncidentIO, where: str, when: str, who: str, images: int, content: str, start: datetime
) -> Json:
    creator = API_KEY_ACTOR if who == "api_key" else {"user": slim_user(by_name(account.users, who))}
    note = new_note(account_ulid(f"alert note {content}"), start - ago(when), content, creator)
    return note | _owner(where) | {"images": list(map(_image, range(images)))}


def _owner(where: str) -> Json:
    """Return what a note is attached to."""
    group = where.removeprefix("group ")
    if group != where:
        return {"alert_group_id": account_ulid(f"alert group {group}")}
    return {"alert_id": account_ulid(f"alert {where}")}


def _image(number: int) -> Json:
    image_id = account_ulid(f"image {number}")
    return {"id": image_id, "url": f"https://images.example/{image_id}?signature=sandbox-token-image"}
