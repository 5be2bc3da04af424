"""Who can be reached."""

EXAMPLES = {
    "incidentio_check_reachable": [
        {"users": ["Yuki Tanaka", "noor.haddad@paysand.example"]},
        {"schedule": "Payments primary", "escalation_path": "Legacy gateway"},
    ]
}
