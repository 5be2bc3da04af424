"""The key's identity."""

EXAMPLES = {"incidentio_get_identity": {}}
