"""Schedules."""

EXAMPLES = {"incidentio_list_schedules": {"name_contains": "payments"}}
