"""Custom fields."""

EXAMPLES = {"incidentio_list_fields": [{}, {"field": "Affected team"}]}
