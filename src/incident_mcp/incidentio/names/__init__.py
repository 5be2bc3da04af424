"""Ids by name: wherever the API wants an id, a tool takes a name as well."""
