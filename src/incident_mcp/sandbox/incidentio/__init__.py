"""incident.io's REST API over records in memory: one file a resource, each with its `ROUTES`."""
