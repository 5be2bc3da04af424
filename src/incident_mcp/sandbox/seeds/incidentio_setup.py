"""What an administrator of a small payments company has set up in incident.io."""

from itertools import starmap

from incident_mcp.sandbox.engine.clock import OPENED, account_ulid, rfc3339
from incident_mcp.sandbox.engine.service import Json
from incident_mcp.sandbox.incidentio.account import IncidentIO, by_name

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
CATALOG_TYPE = "Product"
PRODUCTS = (
    ("Hosted Checkout", "product-checkout", ("checkout",)),
    ("Payouts", "product-payouts", ("payouts", "settlements")),
    ("Merchant Dashboard", "product-dashboard", ()),
)
TIMESTAMPS = ("Reported at", "Impact started", "Fixed at")
USERS = (
    # name, mailbox, Slack id, role, is_active, seat
    ("Ines Moreau", "ines.moreau", "U04INES", "owner", True, "full_access"),
    ("Sam Okafor", "sam.okafor", "U04SAMO", "administrator", True, "full_access"),
    ("Sam Lindqvist", "sam.lindqvist", "U04SAML", "responder", True, "full_access"),
    ("Yuki Tanaka", "yuki.tanaka", "U04YUKI", "responder", True, "full_access"),
    ("Priya Raman", "priya.raman", "U04PRIY", "viewer", True, "full_access"),
    ("Tom Baker", "tom.baker", "U04TOMB", "responder", False, "none"),
    ("Noor Haddad", "noor.haddad", "U04NOOR", "responder", True, "full_access"),
    ("Lena Fischer", "lena.fischer", "U04LENA", "responder", True, "full_access"),
    ("Diego Santos", "diego.santos", "U04DIEG", "responder", True, "full_access"),
    ("Mei Chen", "mei.chen", "U04MEIC", "responder", True, "full_access"),
    ("Kofi Mensah", "kofi.mensah", "U04KOFI", "responder", True, "full_access"),
    ("Grace Achieng", "grace.achieng", "U04GRAC", "responder", True, "full_access"),
    ("Oskar Nyman", "oskar.nyman", "U04OSKA", "responder", True, "none"),
    ("Ruth Adeyemi", "ruth.adeyemi", "U04RUTH", "viewer", True, "viewer_only"),
    ("Ada Brandt", "ada.brandt", "U04ADAB", "responder", False, "full_access"),
)
"""Tom Baker has left the company, and Ada Brandt is still to join: only `include_inactive` lists them."""

_STAMPS = {"created_at": rfc3339(OPENED), "updated_at": rfc3339(OPENED)}


def set_up(account: IncidentIO) -> None:
    """Fill the account with everything but incidents."""
    minor, major, critical = (_record(name, description=text, rank=rank) | _STAMPS for name, rank, text in SEVERITIES)
    account.severities = [major, minor, critical]  # the vendor promises no order
    account.statuses = [status(*row, rank) for rank, row in enumerate(STATUSES, 1)]
    account.types = list(starmap(_incident_type, TYPES))
    account.roles = list(starmap(_role, ROLES))
    account.custom_fields = [
        _record(name, description=text, field_type=kind) | _STAMPS for name, kind, _, text in FIELDS
    ]
    account.options = [option for name, _, values, _ in FIELDS for option in _options(name, values)]
    account.catalog_types = [_catalog_type()]
    account.custom_fields[-1]["catalog_type_id"] = account.catalog_types[0]["id"]
    account.catalog_entries = [
        _record(name, aliases=list(aliases), external_id=external_id) for name, external_id, aliases in PRODUCTS
    ]
    account.timestamps = [_record(name, rank=rank) for rank, name in enumerate(TIMESTAMPS, 1)]
    account.users = [_user(*row) for row in USERS]
    _add_teams(account)


def status(name: str, category: str, description: str, rank: int) -> Json:
    """Return an incident status."""
    return _record(name, description=description, category=category, rank=rank) | _STAMPS


def _record(name: str, **fields: object) -> Json:
    return {"id": account_ulid(name), "name": name, **fields}


def _incident_type(name: str, default: bool, private: bool, triage: str, description: str) -> Json:  # noqa: FBT001  # a row
    return {
        **_record(name, description=description),
        "is_default": default,
        "private_incidents_only": private,
        "create_in_triage": triage,
        "owning_team_ids": [account_ulid("team Payments")] if default else [],
        **_STAMPS,
    }


def _role(name: str, shortform: str, role_type: str, description: str) -> Json:
    return {
        **_record(name, shortform=shortform, description=description),
        "instructions": f"Say in the channel that you are the {name.lower()}.",
        "role_type": role_type,
        **_STAMPS,
    }


def _options(field: str, values: tuple[str, ...]) -> list[Json]:
    return [
        {
            "id": account_ulid(f"{field}: {value}"),
            "custom_field_id": account_ulid(field),
            "sort_key": number * 10,
            "value": value,
        }
        for number, value in enumerate(values, 1)
    ]


def _catalog_type() -> Json:
    type_id, runbook_id = account_ulid(f"catalog type {CATALOG_TYPE}"), account_ulid("catalog attribute Runbook")
    runbook = {"id": runbook_id, "name": "Runbook", "type": "String", "array": False, "mode": "dashboard"}
    owner_id = account_ulid("catalog attribute Owner")
    owner = {"id": owner_id, "name": "Owner", "type": 'Custom["Team"]', "array": False, "mode": "dashboard"}
    return {
        "id": type_id,
        "name": CATALOG_TYPE,
        "description": "What merchants buy from us.",
        "type_name": f'Custom["{CATALOG_TYPE}"]',
        "engine_resource_type": f'CatalogEntry["{type_id}"]',
        "schema": {"version": 1, "attributes": [runbook, owner]},
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


def _add_teams(account: IncidentIO) -> None:
    account.teams = [_team(account, *row) for row in TEAMS]


def _team(account: IncidentIO, name: str, members: tuple[str, ...]) -> Json:
    """Return a team with its members as the document shows them: without roles."""
    keys = ("id", "name", "email", "slack_user_id")
    people = [by_name(account.users, member) for member in members]
    return {
        "id": account_ulid(f"team {name}"),
        "name": name,
        "catalog_entry": {"id": account_ulid(f"entry {name}"), "name": name, "external_id": name.lower()},
        "members": [{key: person[key] for key in keys if person.get(key)} for person in people],
    }


TEAMS = (
    ("Payments", ("Yuki Tanaka", "Sam Lindqvist", "Ines Moreau")),
    ("Platform", ("Sam Okafor", "Lena Fischer", "Diego Santos")),
    ("Search", ("Diego Santos", "Yuki Tanaka")),
)


def _user(  # noqa: PLR0913, PLR0917  # a row
    name: str,
    mailbox: str,
    slack_id: str,
    role: str,
    active: bool,  # noqa: FBT001
    seat: str,
) -> Json:
    return {
        **_record(name, email=f"{mailbox}@paysand.example", slack_user_id=slack_id, role=role, is_active=active),
        "base_role": {"id": account_ulid("base role"), "name": "Responder", "slug": "responder"},
        "custom_roles": [],
        "seats": {"on_call": seat, "response": seat},
    }
