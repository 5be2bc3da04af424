"""Who is on call."""

EXAMPLES = {
    "incidentio_list_on_call": [
        {},
        {"schedule": "Payments primary"},
        {"user": "Yuki Tanaka", "schedule": "Search primary"},
        {"schedule": "Batch jobs", "at": "2026-11-21T09:00:00Z", "until": "2026-11-22T09:00:00Z"},
    ]
}
