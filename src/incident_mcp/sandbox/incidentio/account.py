"""The seeded account: what an administrator of a small payments company has set up in incident.io."""

from incident_mcp.sandbox.clock import OPENED, account_ulid, tell
from incident_mcp.sandbox.service import Json

SEVERITIES = (
    ("Minor", 1, "Low impact: a few customers notice, and there is a way around it."),
    ("Major", 2, "Significant impact: a product is degraded for **many customers**."),
    ("Critical", 3, "Customers cannot pay, or data is at risk. Page everybody who can help."),
)
STATUSES = (
    ("Triage", "triage", "Somebody is deciding whether this is an incident."),
    ("Investigating", "live", "We know that something is wrong and are finding out what."),
    ("Fixing", "live", "The cause is known and a fix is on its way."),
    ("Monitoring", "live", "A fix is out; we are watching whether it holds."),
    ("Paused", "paused", "Waiting for somebody outside the company."),
    ("Documenting", "learning", "Impact is over; the post-mortem is being written."),
    ("Reviewing", "learning", "The post-mortem is being discussed."),
    ("Closed", "closed", "Nothing is left to do."),
    ("Declined", "declined", "This was no incident."),
    ("Merged", "merged", "Part of another incident."),
    ("Canceled", "canceled", "Declared by mistake."),
)
TYPES = (
    # name, is_default, private_incidents_only, create_in_triage, description
    ("Production", True, False, "optional", "Anything that customers can feel."),
    ("Security", False, True, "always", "Suspected abuse, leaks and vulnerabilities."),
    ("Data", False, False, "optional", "Wrong, late or missing data."),
)
ROLES = (
    # name, shortform, role_type, description
    ("Incident Lead", "lead", "lead", "Coordinates the response and decides."),
    ("Reporter", "reporter", "reporter", "Raised the alarm."),
    ("Communications Lead", "comms", "custom", "Writes to customers and to the rest of the company."),
)
FIELDS = (
    # name, field_type, options, description
    ("Affected team", "single_select", ("Payments", "Platform", "Growth"), "The team whose service broke."),
    (
        "Affected services",
        "multi_select",
        ("checkout-api", "webhooks", "search", "ledger", "merchant-dashboard", "login"),
        "Every service that was hurt.",
    ),
    ("Customer impact", "text", (), "What customers saw, in their words."),
    ("Runbook", "link", (), "The page that was followed."),
    ("Errors per minute", "numeric", (), "At the worst moment."),
    ("Affected product", "single_select", (), "From the product catalog."),
)
CATALOG_FIELD = "Affected product"
CATALOG_TYPE = "Product"
PRODUCTS = (
    ("Hosted Checkout", "product-checkout", ("checkout",)),
    ("Payouts", "product-payouts", ("payouts", "settlements")),
    ("Merchant Dashboard", "product-dashboard", ()),
)
TIMESTAMPS = ("Reported at", "Impact started", "Fixed at")
USERS = (
    # name, mailbox, Slack id, role, is_active
    ("Ines Moreau", "ines.moreau", "U04INES", "owner", True),
    ("Sam Okafor", "sam.okafor", "U04SAMO", "administrator", True),
    ("Sam Lindqvist", "sam.lindqvist", "U04SAML", "responder", True),
    ("Yuki Tanaka", "yuki.tanaka", "U04YUKI", "responder", True),
    ("Priya Raman", "priya.raman", "U04PRIY", "viewer", True),
    ("Tom Baker", "tom.baker", "U04TOMB", "responder", False),
)
"""The last one has left the company: only `include_inactive` shows him."""

_CATALOG_ID, _RUNBOOK_ID = account_ulid(f"catalog type {CATALOG_TYPE}"), account_ulid("catalog attribute Runbook")
_STAMPS = {"created_at": tell(OPENED), "updated_at": tell(OPENED)}


def severities() -> list[Json]:
    """GET /v1/severities, in no particular order, as the vendor promises none."""
    rows: list[Json] = [
        {"id": account_ulid(name), "name": name, "description": text, "rank": rank, **_STAMPS}
        for name, rank, text in SEVERITIES
    ]
    return [rows[1], rows[0], rows[2]]


def status(name: str, category: str, description: str, rank: int) -> Json:
    """One row of GET /v1/incident_statuses."""
    return {
        "id": account_ulid(name),
        "name": name,
        "description": description,
        "category": category,
        "rank": rank,
        **_STAMPS,
    }


def statuses() -> list[Json]:
    """GET /v1/incident_statuses."""
    return [status(*row, rank) for rank, row in enumerate(STATUSES, 1)]


def incident_types() -> list[Json]:
    """GET /v1/incident_types."""
    return [
        {
            "id": account_ulid(name),
            "name": name,
            "description": text,
            "is_default": default,
            "private_incidents_only": private,
            "create_in_triage": triage,
            "owning_team_ids": [account_ulid("team Payments")] if default else [],
            **_STAMPS,
        }
        for name, default, private, triage, text in TYPES
    ]


def roles() -> list[Json]:
    """GET /v2/incident_roles."""
    return [
        {
            "id": account_ulid(name),
            "name": name,
            "shortform": short,
            "description": text,
            "instructions": f"Say in the channel that you are the {name.lower()}.",
            "role_type": kind,
            **_STAMPS,
        }
        for name, short, kind, text in ROLES
    ]


def custom_fields() -> list[Json]:
    """GET /v2/custom_fields."""
    rows: list[Json] = [
        {"id": account_ulid(name), "name": name, "description": text, "field_type": kind, **_STAMPS}
        for name, kind, _, text in FIELDS
    ]
    rows[-1]["catalog_type_id"] = _CATALOG_ID
    return rows


def options() -> list[Json]:
    """GET /v1/custom_field_options, of all fields together."""
    return [
        {
            "id": account_ulid(f"{name}: {value}"),
            "custom_field_id": account_ulid(name),
            "sort_key": sort_key * 10,
            "value": value,
        }
        for name, _, values, _ in FIELDS
        for sort_key, value in enumerate(values, 1)
    ]


def catalog_entries() -> list[Json]:
    """The entries that the catalog-backed field can hold, as they are embedded in incidents."""
    return [
        {"id": account_ulid(name), "name": name, "aliases": list(aliases), "external_id": external_id}
        for name, external_id, aliases in PRODUCTS
    ]


def catalog_types() -> list[Json]:
    """The types of which GET /v3/catalog_entries lists the entries."""
    runbook = {"id": _RUNBOOK_ID, "name": "Runbook", "type": "String", "array": False, "mode": "dashboard"}
    record: Json = {
        "id": _CATALOG_ID,
        "name": CATALOG_TYPE,
        "description": "What merchants buy from us.",
        "type_name": f'Custom["{CATALOG_TYPE}"]',
        "engine_resource_type": f'CatalogEntry["{_CATALOG_ID}"]',
        "schema": {"version": 1, "attributes": [runbook]},
        "categories": ["product-feature"],
        "icon": "box",
        "color": "violet",
        "ranked": False,
        "is_editable": True,
        "is_team_type": False,
        "use_name_as_identifier": True,
        "estimated_count": len(PRODUCTS),
        "annotations": {},
        **_STAMPS,
    }
    return [record]


def listed_entry(entry: Json) -> Json:
    """A row of GET /v3/catalog_entries, from the entry as it is embedded in incidents."""
    runbook = {"value": {"label": f"https://runbooks.paysand.example/{entry['external_id']}"}}
    # Only entries of ranked types are ordered by rank.
    return {**entry, "catalog_type_id": _CATALOG_ID, "rank": 0, "attribute_values": {_RUNBOOK_ID: runbook}, **_STAMPS}


def timestamps() -> list[Json]:
    """GET /v2/incident_timestamps."""
    return [{"id": account_ulid(name), "name": name, "rank": rank} for rank, name in enumerate(TIMESTAMPS, 1)]


def users() -> list[Json]:
    """GET /v2/users, people who have left included."""
    base_role = {"id": account_ulid("base role"), "name": "Responder", "slug": "responder"}
    return [
        {
            "id": account_ulid(name),
            "name": name,
            "email": f"{mailbox}@paysand.example",
            "slack_user_id": slack_id,
            "role": role,
            "is_active": active,
            "base_role": base_role,
            "custom_roles": [],
            "seats": {"on_call": "full_access" if active else "none", "response": "full_access" if active else "none"},
        }
        for name, mailbox, slack_id, role, active in USERS
    ]
