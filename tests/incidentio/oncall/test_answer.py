"""Answering a page."""

EXAMPLES = {
    "incidentio_answer_page": [
        {"escalation": "01HR4B1YM0YV9HJV45B8DJEABV", "response": "ack"},
        {
            "escalation": "01HR4B1YM05Q3YCTGY8BB4C3N1",
            "response": "snooze",
            "snooze_until": "2099-01-01T08:00:00Z",
            "reason": "The fix is on its way.",
        },
        {
            "escalation": "01HR4B1YM05Q3YCTGY8BB4C3N1",
            "response": "snooze",
            "snooze_until": "2099-01-01T08:00:00Z",
        },
    ]
}
EFFECTS = {
    "incidentio_answer_page": [
        {
            "request": "POST /v2/escalations/01HR4B1YM0YV9HJV45B8DJEABV/actions/respond",
            "rows": "incidentio.escalations",
            "where": {"id": "01HR4B1YM0YV9HJV45B8DJEABV", "status": "acked"},
            "looks": True,
            "empty": True,
        },
        {
            "request": "POST /v2/escalations/01HR4B1YM05Q3YCTGY8BB4C3N1/actions/respond",
            "rows": "incidentio.escalations",
            "where": {"id": "01HR4B1YM05Q3YCTGY8BB4C3N1", "status": "snoozed"},
            "empty": True,
        },
    ]
}
