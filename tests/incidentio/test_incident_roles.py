"""Incident roles."""

EXAMPLES = {"incidentio_list_roles": {}}
