"""Listing and getting escalations."""

EXAMPLES = {
    "incidentio_list_escalations": [
        {"status": ["triggered"]},
        {"incident": "INC-114"},
        {"escalation_path": "Payments"},
        {"user": "Yuki Tanaka"},
        {"alert": "monitor-4411"},
    ],
    "incidentio_get_escalation": {"escalation": "01HR4B1YM0YV9HJV45B8DJEABV"},
}
