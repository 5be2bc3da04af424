"""Listing and getting escalations."""

EXAMPLES = {
    "incidentio_list_escalations": [
<<<<<<< HEAD
        {},
=======
        {"status": ["triggered"]},
>>>>>>> 1014c3ea32ebf576567fa7971b01f51a3971fe94
        {"incident": "INC-114"},
        {"escalation_path": "Payments"},
        {"user": "Yuki Tanaka"},
        {"alert": "monitor-4411"},
    ],
    "incidentio_get_escalation": {"escalation": "01HR4B1YM0YV9HJV45B8DJEABV"},
}
