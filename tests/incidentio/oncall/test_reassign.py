"""Reassigning a page."""

EXAMPLES = {
    "incidentio_reassign_page": [
        {"escalation": "01HR4B1YM0DTNRSNPWD2F32MWG", "users": ["Yuki Tanaka"]},
        {
            "escalation": "01HR4B1YM0XCJPJH9TWB6VQ68Q",
            "escalation_path": "Growth",
            "title": "Replica lags",
            "resolve_original": False,
        },
        {"escalation": "01HR4B1YM0YV9HJV45B8DJEABV", "escalation_path": "Growth"},
    ]
}
EFFECTS = {
    "incidentio_reassign_page": [
        {
            "request": "POST /v2/escalations/01HR4B1YM0DTNRSNPWD2F32MWG/actions/reassign",
            "rows": "incidentio.rings",
            "where": {"title": "Refund worker restarts", "user": "Yuki Tanaka"},
            "journalled": True,
            "looks": True,
            "keyless": True,
        },
        {
            "request": "POST /v2/escalations/01HR4B1YM0XCJPJH9TWB6VQ68Q/actions/reassign",
            "rows": "incidentio.rings",
            "where": {"title": "Replica lags", "user": "Yuki Tanaka"},
            "journalled": True,
            "looks": True,
            "keyless": True,
        },
    ]
}
