"""Who can be reached."""

EXAMPLES = {
    "incidentio_check_reachable": [
        {"users": ["01HR4B1YM06T3EPBFC5JEESSHX"]},
        {"schedule": "Payments primary"},
        {"escalation_path": "Legacy gateway"},
    ]
}
