"""Escalation paths."""

EXAMPLES = {"incidentio_list_paths": {"name_contains": "pay"}}
