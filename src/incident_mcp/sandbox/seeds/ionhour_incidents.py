"""The data of the Ionhour workspace. Times are durations before the sandbox's start: `25m`, `3h`, `6d`.

The tokens are invented: real ones are live credentials, and no tool may pass them on.
"""

from dataclasses import dataclass

ME, COLLEAGUE = 7, 12
"""The user who owns the sandbox's key, and another one."""
USERS = {ME: "sam.okafor@paysand.example", COLLEAGUE: "yuki.tanaka@paysand.example"}

PROJECTS = {11: "Checkout", 12: "Merchant platform", 13: "Back office"}
CHECKS = {
    # id: (name, project, token after "sandbox-token-")
    201: ("checkout-api", 11, "checkout"),
    202: ("checkout-web", 11, "storefront"),
    203: ("webhook-worker", 12, "webhooks"),
    204: ("search-api", 12, "search"),
    205: ("payout-files", 13, "payouts"),
    206: ("ledger-db", 13, "ledger"),
}
DEPENDENCIES = {31: "Stripe API", 32: "Bank SFTP"}


@dataclass(frozen=True)
class Row:
    """One seeded incident."""

    id: int
    ago: str
    state: str
    severity: str
    title: str
    check: int | None = None
    reason: str | None = "SERVICE_DOWN"
    dependency: int | None = None
    acknowledged: tuple[int, str] | None = None
    """By whom, and how long ago."""
    recovered: str | None = None
    resolved: str | None = None
    signal: tuple[str, str, str] | None = None
    """Type and source of the last signal, and how long ago it arrived."""
    success: str | None = None
    summary: str | None = None


# As a table, not one argument a line.
# fmt: off
INCIDENTS = (
    Row(4498, "6d", "RESOLVED", "P2", "checkout-web is down", 202, acknowledged=(COLLEAGUE, "6d"), recovered="5d",
        resolved="5d", signal=("SUCCESS", "probe eu-west", "2m"), success="2m"),
    Row(4501, "3d", "RESOLVED", "P1", "ledger-db is down", 206, acknowledged=(ME, "3d"), recovered="2d", resolved="2d",
        signal=("SUCCESS", "cron@ledger-1", "1m"), success="1m"),
    Row(4503, "2d", "RESOLVED", "P3", "payout-files is impacted by Bank SFTP", 205, "DEPENDENCY_DOWN", 32,
        recovered="47h", resolved="47h", signal=("SUCCESS", "cron@payouts-2", "9m"), success="9m"),
    Row(4507, "5h", "RESOLVED", "P2", "payout-files is down", 205, acknowledged=(COLLEAGUE, "290m"), recovered="65m",
        resolved="60m", signal=("SUCCESS", "cron@payouts-2", "9m"), success="9m"),
    Row(4509, "3h", "ACTIVE", "P4", "Refunds wait for manual approval", reason=None,
        summary="Opened by hand: the approval queue has nobody on it today."),
    Row(4510, "150m", "ACTIVE", "P3", "checkout-web is impacted by Stripe API", 202, "DEPENDENCY_DOWN", 31,
        signal=("SUSPECT", "probe eu-west", "4m"), success="6m"),
    Row(4512, "145m", "ACTIVE", "P2", "webhook-worker is down", 203, acknowledged=(ME, "128m"),
        signal=("FAIL", "worker-3.webhooks.internal", "3m"), success="148m",
        summary="<p>The worker's heartbeat is <strong>missing</strong>.</p><ul><li>Queue depth: 4,000</li>"
                '<li>See the <a href="https://runbooks.paysand.example/webhooks">runbook</a></li></ul>'),
    Row(4513, "50m", "MONITORING", "P2", "search-api is down", 204, acknowledged=(COLLEAGUE, "44m"), recovered="15m",
        signal=("SUCCESS", "probe us-east", "1m"), success="1m"),
    Row(4514, "12m", "ACTIVE", "P1", "checkout-api is down", 201, signal=("FAIL", "probe eu-west", "1m"),
        success="13m"),
)
# fmt: on

ALERTS = (
    # incident, ago, message; OPENED, ACKNOWLEDGED and RESOLVED events follow from the incident itself
    (4501, "3d", "Email sent to sam.okafor@paysand.example"),
    (4507, "299m", "Slack message sent to #ops-payouts"),
    (4512, "144m", "Slack message sent to #ops-webhooks"),
    (4512, "139m", "Email sent to sam.okafor@paysand.example"),
    (4513, "49m", "Slack message sent to #ops-search"),
    (4514, "11m", "Slack message sent to #ops-checkout"),
    (4514, "6m", "Email sent to sam.okafor@paysand.example"),
)

NOTES = (
    # incident, ago, author, body
    (4501, "3d", COLLEAGUE, "Disk controller again. The vendor has shipped a replacement."),
    (4507, "238m", ME, "Declared in incident.io as INC-112: https://app.incident.io/sandbox/incidents/112"),
    (4507, "62m", COLLEAGUE, "New host key pinned, files flow again. Keeping an eye on the evening run."),
    (4512, "129m", ME, "Declared in incident.io as INC-114: https://app.incident.io/sandbox/incidents/114"),
    (4512, "70m", COLLEAGUE, "All 24 workers hang in the same connect(). One merchant's endpoint; moving it aside."),
    (4513, "40m", COLLEAGUE, "Node 2 ran out of memory after the index rebuild. Restarted with a larger heap."),
)

BULK_TITLES = ("{} is down", "{} is impacted by Stripe API", "{} is late", "{} answers slowly")
