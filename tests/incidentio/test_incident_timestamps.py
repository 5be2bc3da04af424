"""Incident timestamps."""

EXAMPLES = {"incidentio_list_timestamps": {}}
