"""Paging people."""

EXAMPLES = {
    "incidentio_page_people": [
        {"title": "Ledger writes fail", "escalation_path": "Database"},
        {
            "title": "Ledger writes fail",
            "users": ["Yuki Tanaka"],
            "incident": "INC-114",
            "description": "Since 02:55.",
            "idempotency_key": "ledger-1",
        },
        {"title": "Ledger writes fail", "users": ["Yuki Tanaka"]},
    ]
}
EFFECTS = {
    "incidentio_page_people": {
        "request": "POST /v2/escalations",
        "rows": "incidentio.rings",
        "where": {"title": "Ledger writes fail", "user": "Sam Lindqvist"},
        "journalled": True,
        "looks": True,
    }
}
