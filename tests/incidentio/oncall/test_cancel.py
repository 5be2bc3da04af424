"""Cancelling a page."""

EXAMPLES = {"incidentio_cancel_page": {"escalation": "01HR4B1YM0EMPPRCJB2A9N3EBZ"}}
EFFECTS = {
    "incidentio_cancel_page": {
        "request": "POST /v2/escalations/01HR4B1YM0EMPPRCJB2A9N3EBZ/actions/cancel",
        "rows": "incidentio.escalations",
        "where": {"id": "01HR4B1YM0EMPPRCJB2A9N3EBZ", "status": "cancelled"},
        "looks": True,
        "empty": True,
    }
}
