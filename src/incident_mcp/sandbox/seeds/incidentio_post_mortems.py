"""The post-mortems of the incident.io account. Times are durations before the start."""

from dataclasses import dataclass
from datetime import datetime

from incident_mcp.sandbox.engine.clock import account_ulid, ago, rfc3339
from incident_mcp.sandbox.incidentio.account import IncidentIO, by_name, number_of
from incident_mcp.sandbox.incidentio.incident_values import slim_user
from incident_mcp.sandbox.incidentio.postmortem_documents import add_document, new_document


@dataclass(frozen=True)
class Row:
    """One seeded document."""

    incident: int
    title: str
    made: str
    edited: str
    status: str
    editors: tuple[str, ...]
    markdown: str = ""
    external: str = ""
    """Where another service holds it."""
    exported: tuple[str, ...] = ()


# As a table, not one argument a line.
# fmt: off
DOCUMENTS = (
    Row(101, "INC-101: Primary ledger database failed over", "20d", "15d", "completed", ("Ines Moreau",),
        external="https://docs.example.com/postmortems/ledger-failover"),
    Row(106, "INC-106: Search finds nothing for German customers", "8d", "7d", "in_progress", ("Yuki Tanaka",),
        "# INC-106: Search finds nothing for German customers\n\n## Summary\n\nAn index with the wrong analyzer was "
        "swapped in. Search found nothing for 50 minutes.\n\n## Open questions\n\n* Why did the canary pass?\n"),
    Row(107, "INC-107: Card payments declined in the EU", "5d", "3d", "in_review", ("Sam Okafor", "Ines Moreau"),
        "# INC-107: Card payments declined in the EU\n\n## Summary\n\nA rotated certificate lacked its intermediate, "
        "so 3-D Secure challenges timed out.\n\n## Timeline\n\n* **Certificate rotated**\n* **First declines**\n\n"
        "## Follow-ups\n\n* **Check the chain before a rotation** - Assignee: Sam Okafor\n",
        exported=("https://wiki.paysand.example/INC-107",)),
    Row(107, "Addendum: what the card schemes saw", "4d", "4d", "in_progress", ("Sam Okafor",),
        "# Addendum: what the card schemes saw\n\nDeclines with code 5C, from two schemes.\n"),
    Row(108, "INC-108: checkout-api is down", "4d", "4d", "completed", ("Sam Lindqvist",),
        "# INC-108: checkout-api is down\n\n## Summary\n\nA bad feature flag took checkout-api out for four minutes. "
        "Rolled back by removing the flag.\n"),
)
# fmt: on


def seed_post_mortems(account: IncidentIO, start: datetime) -> None:
    """Fill the account's post-mortems."""
    incidents = {number_of(incident): incident for incident in account.incidents}
    for row in DOCUMENTS:
        made = start - ago(row.made)
        document = new_document(account_ulid(f"post-mortem {row.title}"), made, incidents[row.incident], row.title)
        document |= {
            "status": row.status,
            "editors": [slim_user(by_name(account.users, name)) for name in row.editors],
            "exported_urls": list(row.exported),
            "updated_at": rfc3339(start - ago(row.edited)),
        }
        if row.external:
            document |= {"type": "external", "document_url": row.external}
        add_document(account, document, row.markdown or None)
