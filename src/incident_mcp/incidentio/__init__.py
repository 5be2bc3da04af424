"""incident.io: one module a resource, each with its records, its tools and TOOLS."""
