"""Creating an override."""

EXAMPLES = {
    "incidentio_create_override": [
        {
            "schedule": "Payments primary",
            "user": "Ines Moreau",
            "start_at": "2099-01-01T08:00:00Z",
            "end_at": "2099-01-01T10:00:00Z",
        },
        {
            "schedule": "Platform primary",
            "rotation": "Platform",
            "layer": "Shadow",
            "user": "diego.santos@paysand.example",
            "start_at": "2099-01-01T08:00:00+01:00",
            "end_at": "2099-01-01T10:00:00Z",
        },
    ]
}
EFFECTS = {
    "incidentio_create_override": {
        "request": "POST /v2/schedule_overrides",
        "rows": "incidentio.schedule_overrides",
        "where": {"user": {"name": "Ines Moreau"}, "start_at": "2099-01-01T08:00:00.000000Z"},
        "journalled": True,
        "looks": True,
        "keyless": True,
    }
}
