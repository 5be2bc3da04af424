"""Who can be reached."""

EXAMPLES = {
    "incidentio_check_reachable": [
        {"users": ["Noor Haddad"]},
        {"schedule": "Payments primary"},
        {"escalation_path": "Legacy gateway"},
    ]
}
