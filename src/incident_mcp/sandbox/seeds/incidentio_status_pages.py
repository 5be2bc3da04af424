"""The status pages of the incident.io account, and what is published there. Times are durations before the start."""

from dataclasses import dataclass
from datetime import datetime

from incident_mcp.sandbox.engine.clock import account_ulid, ago
from incident_mcp.sandbox.engine.service import Json
from incident_mcp.sandbox.incidentio.account import IncidentIO
from incident_mcp.sandbox.incidentio.status_page_incidents import add_update, new_incident

PAGES = (
    # name, public URL, description, subscribers
    ("Paysand", "https://status.paysand.example", "How our services are doing.", 412),
    ("Paysand for partners", "", "", 1340),
)
STRUCTURES: dict[str, list[tuple[str, ...]]] = {
    # component, group, sub-page
    "Paysand": [
        ("Checkout",),
        ("Webhooks",),
        ("Merchant dashboard",),
        ("API", "Europe"),
        ("Payouts", "Europe"),
        ("API", "Asia"),
        ("Old gateway", "", "", "hidden"),
    ],
    "Paysand for partners": [("Partner API",), ("Settlement files", "", "Banks"), ("SFTP", "Transfer", "Banks")],
}


@dataclass(frozen=True)
class Row:
    """One published incident."""

    page: str
    name: str
    ago: str
    updates: tuple[tuple[str, str, str, dict[str, str]], ...]
    """How long ago, the status, the message, and the components with their statuses."""


# As a table, not one argument a line.
# fmt: off
PUBLISHED = (
    Row("Paysand", "Search unavailable for some customers", "9d", (
        ("9d", "investigating", "Some customers see no search results.", {"Merchant dashboard": "partial_outage"}),
        ("8d", "resolved", "Search works again.", {}),
    )),
    Row("Paysand", "Delayed webhooks", "105m", (
        ("105m", "investigating", "Webhooks to merchants arrive late. Orders may stay unconfirmed.",
         {"Webhooks": "degraded_performance"}),
        ("70m", "identified", "We have found the cause and separate the affected queue.\n\n**No webhook is lost.**",
         {"Webhooks": "partial_outage", "Merchant dashboard": "degraded_performance"}),
    )),
    Row("Paysand for partners", "Payout files not picked up", "3h", (
        ("3h", "identified", "The bank's key changed. Files wait and none is lost.", {"SFTP": "full_outage"}),
        ("65m", "monitoring", "Files flow again.", {"SFTP": "operational"}),
    )),
)
# fmt: on


def seed_status_pages(account: IncidentIO, start: datetime) -> None:
    """Fill the account's status pages, their components and what is published on them; nobody was messaged yet."""
    account.rows["status_page_messages"] = []
    for name, url, description, subscribers in PAGES:
        page_id = account_ulid(f"status page {name}")
        optional = {"public_url": url, "description": description}
        account.rows["status_pages"].append(
            {"id": page_id, "name": name} | {key: text for key, text in optional.items() if text}
        )
        account.rows["status_page_structures"].append({"id": page_id, **_structure(name)})
        account.rows["status_page_subscribers"].append({"id": page_id, "count": subscribers})
    for row in PUBLISHED:
        page_id = account_ulid(f"status page {row.page}")
        incident = new_incident(account_ulid(f"published {row.name}"), start - ago(row.ago), page_id, row.name)
        for when, status, message, components in row.updates:
            add_update(incident, start - ago(when), _body(row.page, status, message, components))
        account.rows["status_page_incidents"].append(incident)


def component_id(page: str, *place: str) -> str:
    """Return the id of a component, by its page, its name and its group."""
    return account_ulid(" ".join(("component", page, *filter(None, place))))


def _body(page: str, status: str, message: str, components: dict[str, str]) -> Json:
    places = {place[0]: place for place in STRUCTURES[page]}
    rows = [
        {"component_id": component_id(page, *places[name][:2]), "component_status": state}
        for name, state in components.items()
    ]
    return {"incident_status": status, "message": message, "component_statuses": rows}


def _structure(page: str) -> Json:
    """Return a page's structure: components, groups and sub-pages in their order."""
    tops: dict[str, list[Json]] = {"": []}
    groups: dict[tuple[str, str], Json] = {}
    for place in STRUCTURES[page]:
        name, group, sub_page, hidden = (*place, "", "", "")[:4]
        if sub_page and sub_page not in tops:
            tops[sub_page] = []
            sub: Json = {"id": account_ulid(f"sub-page {sub_page}"), "name": sub_page, "items": tops[sub_page]}
            tops[""].append({"sub_page": sub})
        component = {
            "component_id": component_id(page, name, group),
            "name": name,
            "display_uptime": True,
            "hidden": bool(hidden),
        }
        if not group:
            tops[sub_page].append({"component": component})
            continue
        if (sub_page, group) not in groups:
            groups[sub_page, group] = _group(page, group)
            tops[sub_page].append({"group": groups[sub_page, group]})
        groups[sub_page, group]["components"].append(component)
    return {
        "current_structure": {"items": tops[""]},
        "display_uptime_mode": "chart_and_percentage",
        "management_meta": {"annotations": {}, "managed_by": "dashboard"},
    }


def _group(page: str, name: str) -> Json:
    return {
        "id": account_ulid(f"component group {page} {name}"),
        "name": name,
        "display_aggregated_uptime": True,
        "hidden": False,
        "components": [],
    }
