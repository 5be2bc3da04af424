"""The incidents of the incident.io account. Times are durations before the sandbox's start: `25m`, `3h`, `9d`.

Paysand is a payments company. `{ionhour:4512}` in a summary becomes the link to that Ionhour incident.
"""

from dataclasses import dataclass, field

from incident_mcp.sandbox.engine.service import Json


@dataclass(frozen=True)
class Row:
    """One seeded incident."""

    number: int
    ago: str
    status: str
    severity: str | None
    name: str
    summary: str = ""
    type: str = "Production"
    mode: str = "standard"
    visibility: str = "public"
    creator: str = "Sam Okafor"
    """A user's name, or `api_key`, `workflow` or `alert`."""
    roles: dict[str, str] = field(default_factory=dict[str, str])
    fields: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    stamps: dict[str, str] = field(default_factory=dict[str, str])
    extra: Json = field(default_factory=dict[str, object])


LEAD, REPORTER, COMMS = "Incident Lead", "Reporter", "Communications Lead"
TEAM, SERVICES, IMPACT, RUNBOOK, ERRORS, PRODUCT = (
    "Affected team",
    "Affected services",
    "Customer impact",
    "Runbook",
    "Errors per minute",
    "Affected product",
)

_LONG = (
    "The nightly settlement import for merchants in Japan, Taiwan and Korea drops every line whose shop name is longer "
    "than 255 bytes, because the staging column was sized for Latin script. 店舗名が長い加盟店の入金が毎晩欠落します。 "
    "The missing lines are logged, not lost, and can be imported by hand.\n\n"
)

# As tables, not one argument a line.
# fmt: off
INCIDENTS = (
    Row(101, "23d", "Closed", "Critical", "Primary ledger database failed over and lost 40 seconds of writes",
        "A failed disk controller made the primary step down. The replica was **40 seconds behind**; 312 payments "
        "were re-entered from the event log. Every one has been reconciled.", creator="alert",
        roles={LEAD: "Ines Moreau", REPORTER: "Sam Okafor", COMMS: "Priya Raman"},
        fields={TEAM: ("Payments",), SERVICES: ("ledger", "checkout-api"), ERRORS: ("1840",), PRODUCT: ("Payouts",)},
        stamps={"Reported at": "23d", "Impact started": "23d", "Fixed at": "22d"},
        extra={"postmortem_document_url": "https://docs.example.com/postmortems/ledger-failover",
               "has_debrief": True, "workload_minutes_total": 1260.5}),
    Row(102, "20d", "Closed", "Minor", "Certificate of the partner SFTP server expired",
        "Entered afterwards for the audit. Files were picked up six hours late.", mode="retrospective",
        creator="Priya Raman", roles={REPORTER: "Priya Raman"}),
    Row(103, "19d", "Monitoring", "Minor", "Tutorial: your first incident", mode="tutorial", creator="workflow"),
    Row(104, "14d", "Declined", None, "Synthetic probe flapped in ap-southeast-2",
        "The probe's own network was at fault.", creator="alert"),
    Row(105, "12d", "Canceled", "Major", "Duplicate invoices for Nordic merchants", "The report double-counted."),
    Row(106, "9d", "Documenting", "Major", "Search finds nothing for German customers",
        "An index with the wrong analyzer was swapped in. Rolled back after 50 minutes.", creator="Yuki Tanaka",
        roles={LEAD: "Yuki Tanaka", REPORTER: "Yuki Tanaka"},
        fields={TEAM: ("Growth",), SERVICES: ("search",), IMPACT: ("Search answered 'no results' to every query.",)},
        stamps={"Reported at": "9d", "Fixed at": "9d"}),
    Row(107, "6d", "Reviewing", "Critical", "Card payments declined in the EU",
        "3-D Secure challenges timed out after a certificate rotation. 11 % of card payments failed for 38 minutes.",
        creator="Ines Moreau", roles={LEAD: "Sam Okafor", REPORTER: "Ines Moreau", COMMS: "Priya Raman"},
        fields={TEAM: ("Payments",), SERVICES: ("checkout-api",), ERRORS: ("412.5",), PRODUCT: ("Hosted Checkout",)},
        extra={"external_issue_reference": {"provider": "linear", "issue_name": "PAY-2210",
                                            "issue_permalink": "https://linear.app/paysand/issue/PAY-2210"}}),
    Row(108, "5d", "Closed", "Major", "checkout-api is down",
        "A bad feature flag took the service out for four minutes. The flag is gone.", roles={LEAD: "Sam Lindqvist"},
        fields={SERVICES: ("checkout-api",)}),
    Row(109, "4d", "Paused", "Minor", "Nightly export to the tax authority is slow",
        "Waiting for their reply to ticket 88-1204.", type="Data", roles={LEAD: "Yuki Tanaka"}),
    Row(110, "3d", "Fixing", "Minor",
        "🚨 加盟店の売上データ取り込みが毎晩欠落する (settlement import drops lines with long shop names) 🧾",
        _LONG * 16, type="Data", creator="Yuki Tanaka", roles={LEAD: "Yuki Tanaka"},
        fields={IMPACT: ("入金明細に一部の取引が表示されない",), RUNBOOK: ("https://runbooks.paysand.example/settlement",)}),
    Row(111, "26h", "Investigating", "Major", "Staging credential found in a public gist",
        "Rotated at once; checking the access log of the last 90 days.", type="Security", visibility="private",
        creator="Ines Moreau", roles={LEAD: "Ines Moreau"}),
    Row(112, "4h", "Monitoring", "Major", "Payout files are not picked up by the bank",
        "The bank's SFTP host key changed without notice.\n{ionhour:4507}\nFiles flow again since the new key was "
        "pinned; watching the evening run.", creator="api_key",
        roles={LEAD: "Sam Lindqvist", REPORTER: "Sam Lindqvist"},
        fields={TEAM: ("Payments",), PRODUCT: ("Payouts",), RUNBOOK: ("https://runbooks.paysand.example/payouts",)},
        stamps={"Reported at": "4h", "Impact started": "5h"}),
    Row(113, "3h", "Merged", "Minor", "Merchants report missing webhooks", "Same cause as INC-114.",
        creator="Priya Raman"),
    Row(114, "130m", "Fixing", "Critical", "Webhook deliveries to merchants are delayed",
        "Deliveries are up to **45 minutes late**; orders stay unconfirmed in merchants' shops.\n{ionhour:4512}\n"
        "The delivery queue is blocked by one merchant's endpoint that accepts connections and never answers.",
        creator="api_key", roles={LEAD: "Sam Okafor", REPORTER: "Sam Okafor", COMMS: "Priya Raman"},
        fields={TEAM: ("Platform",), SERVICES: ("webhooks", "merchant-dashboard"),
                IMPACT: ("Orders stay on 'payment pending' although the customer has paid.",),
                RUNBOOK: ("https://runbooks.paysand.example/webhooks",), ERRORS: ("96",)},
        stamps={"Reported at": "130m", "Impact started": "145m"},
        extra={"call_url": "https://meet.example.com/inc-114"}),
    Row(115, "95m", "Investigating", "Critical", "TEST: paging rehearsal, ignore", mode="test", creator="Ines Moreau"),
    Row(116, "80m", "Investigating", "Minor", "search-api is down",
        "Only the internal instance behind the support desk; customers' search is another deployment.",
        creator="Priya Raman", fields={TEAM: ("Growth",)}),
    Row(117, "35m", "Triage", None, "Customers report slow logins", "Three tickets in ten minutes, all from mobile.",
        creator="workflow"),
)

UPDATES = (
    # number, ago, updater, status and severity after the update, message
    (101, "23d", "alert", "Investigating", "Major", ""),
    (101, "22d", "Ines Moreau", "Monitoring", "Critical",
     ("The replica is primary now and writes are accepted again. We know that it was **40 seconds** behind when "
      "it took over. Payments has started to re-enter the missing writes from the event log, oldest first, and "
      "expects to be done within two hours. Please do not touch payouts before that.")),
    (101, "20d", "Ines Moreau", "Documenting", "Critical", "All 312 payments reconciled. Post-mortem on Thursday."),
    (101, "15d", "Ines Moreau", "Closed", "Critical", ""),
    (104, "14d", "Sam Okafor", "Declined", None, "No service of ours was affected."),
    (105, "12d", "Sam Okafor", "Canceled", "Major", "The report counted twice; no invoice was sent twice."),
    (106, "9d", "Yuki Tanaka", "Fixing", "Major", "Rolling the index back; ten minutes."),
    (106, "8d", "Yuki Tanaka", "Documenting", "Major", "Search answers again in all languages."),
    (107, "6d", "Ines Moreau", "Investigating", "Critical",
     "11 % of card payments in the EU fail at the 3-D Secure step."),
    (107, "5d", "Sam Okafor", "Reviewing", "Critical", "Fixed by reissuing the certificate with the full chain."),
    (108, "5d", "Sam Lindqvist", "Closed", "Major", "Flag removed, no recurrence."),
    (109, "3d", "Yuki Tanaka", "Paused", "Minor", "The authority has confirmed the problem on their side."),
    (110, "2d", "Yuki Tanaka", "Fixing", "Minor", "列幅を広げるマイグレーションを準備中 🛠 (migration is under review)"),
    (111, "25h", "Ines Moreau", "Investigating", "Major", "Credential rotated. No use of it seen so far."),
    (112, "4h", "api_key", "Investigating", "Major", ""),
    (112, "3h", "Sam Lindqvist", "Fixing", "Major",
     ("The bank changed its host key at 06:00 without telling anybody. We have asked them to confirm the new "
      "fingerprint by phone before we pin it; until then payout files wait in the outbox. Nothing is lost, and "
      "merchants will see today's payouts tonight instead of at noon.")),
    (112, "70m", "Sam Lindqvist", "Monitoring", "Major", "New key pinned, 214 files sent. Watching the evening run."),
    (113, "2h", "Sam Okafor", "Merged", "Minor", ""),
    (114, "130m", "api_key", "Investigating", "Major", ""),
    (114, "110m", "Sam Okafor", "Investigating", "Critical",
     ("Raising to Critical: 60 merchants have written in, and two of the largest have stopped shipping because "
      "their orders stay unconfirmed. Deliveries do arrive, but up to 45 minutes late. Everything else "
      "(checkout, payouts, dashboard) is fine.")),
    (114, "75m", "Sam Okafor", "Fixing", "Critical",
     ("Cause found: one merchant's endpoint accepts connections and never answers, and our delivery workers wait "
      "for it without a timeout until all of them hang. We are moving that merchant to a queue of its own and "
      "will put a ten-second timeout on all deliveries right after. Next update in 30 minutes.")),
    (115, "95m", "Ines Moreau", "Investigating", "Critical", "Rehearsal only."),
    (116, "20m", "Priya Raman", "Investigating", "Minor", "Support works with the old ticket list for now."),
)
# fmt: on
MERGED = {113: 114}

TIMELINE_ITEMS = (
    # number, happened, added, creator, title, description
    (114, "145m", "125m", "Sam Okafor", "Queue depth starts to rise", "From the usual 200 to 4,000 in ten minutes."),
    (114, "100m", "98m", "api_key", "Restarted the delivery workers", "Helped for about **four minutes**."),
    (112, "5h", "4h", "Sam Lindqvist", "First payout file refused", ""),
)
ATTACHMENTS = (
    # number, resource_type, external_id or url, title
    (114, "arbitrary_url", "https://grafana.paysand.example/d/webhooks", "Webhook delivery dashboard"),
    (112, "zendesk_ticket", "55120", "Merchant asks where the payout is"),
)

BULK_SERVICES = (
    "checkout-api",
    "webhooks",
    "search",
    "ledger",
    "merchant-dashboard",
    "login",
    "payouts",
    "fraud-rules",
)
BULK_SYMPTOMS = ("error rate above 2 %", "slow responses", "queue backlog", "stale cache", "timeouts", "failed deploy")
BULK_REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "ap-northeast-1")
