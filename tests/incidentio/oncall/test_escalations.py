"""Listing and getting escalations."""

EXAMPLES = {
    "incidentio_list_escalations": [{"status": ["triggered", "acked"], "incident": "INC-114"}, {"user": "Yuki Tanaka"}],
    "incidentio_get_escalation": {"escalation": "01HR4B1YM0YV9HJV45B8DJEABV"},
}
